import { orThrow } from "./error.js";
import { cString, type Path, showPath } from "./libc.js";
import { AT_FDCWD, AT_SYMLINK_FOLLOW, cLink, cRename } from "./links.js";

/** `RENAME_*` flags of renameat2. */
export const Rename = { NOREPLACE: 1, EXCHANGE: 2, WHITEOUT: 4 } as const;

/** renameat2(2) with `Rename` bits. EINVAL: the file system has no such kind of rename. */
export function rename(from: Path, to: Path, flags = 0): void {
  const call = "renameat2";
  const result = cRename(AT_FDCWD, cString(from, call), AT_FDCWD, cString(to, call), flags);
  orThrow(result, call, `${showPath(from)} to ${showPath(to)}`);
}

/** Gives the inode of the open file `fd` the name `to`: what makes a file of O_TMPFILE visible. ENOENT: opened with O_EXCL. */
export function linkDescriptor(fd: number, to: Path): void {
  const call = "linkat";
  // Not AT_EMPTY_PATH, which takes CAP_DAC_READ_SEARCH.
  const from = cString(`/proc/self/fd/${fd}`, call);
  orThrow(cLink(AT_FDCWD, from, AT_FDCWD, cString(to, call), AT_SYMLINK_FOLLOW), call, `${fd} to ${showPath(to)}`);
}

/** Gives the inode that `from` leads to, through symbolic links, the name `to` as well. */
export function linkFollowing(from: Path, to: Path): void {
  const call = "linkat";
  const result = cLink(AT_FDCWD, cString(from, call), AT_FDCWD, cString(to, call), AT_SYMLINK_FOLLOW);
  orThrow(result, call, `${showPath(from)} to ${showPath(to)}`);
}
