import { addEntry, directoryCredits, isEmpty, removeEntry, replaceEntry, setDotDot } from "../dir/change.js";
import { lookup } from "../dir/directory.js";
import { FileSystemError } from "../errors.js";
import { FileType } from "../format/inode.js";
import type { Inode } from "../inode/inode.js";
import { touchModified, touchNamed } from "../inode/times.js";
import type { Handle } from "../journal/handle.js";
import { transact } from "../journal/transactions.js";
import type { Volume } from "../volume.js";
import {
  addSubdirectory,
  checkKey,
  checkMayCreate,
  checkMayDelete,
  checkName,
  checkNotBelow,
  checkParent,
  checkProject,
  checkSubdirectoryLimit,
  entryTypeOf,
  removeSubdirectory,
} from "./checks.js";
import { newInode } from "./create.js";
import { dropDirectory, dropLink, entry } from "./link.js";

/** Flags of renameat2(2). */
export const RenameFlag = { noReplace: 1, exchange: 2, whiteout: 4 } as const;

/** Blocks of both directories' inodes, the two that move, orphans, a whiteout, quota. */
const RENAME_CREDITS = 40;

/** Who asks. */
export interface Renaming {
  /** Who owns the whiteout, a character device 0:0 that stays behind with `whiteout`. */
  readonly uid: number;
  readonly gid: number;
  /** See Handle.privileged. Default false. */
  readonly privileged?: boolean;
}

/** Where a name is, and whose it is. */
interface Place {
  readonly dir: Inode;
  readonly name: Uint8Array;
}

/**
 * Moves a name, over another one if there is one; exchanges the two with `exchange`.
 *
 * @param flags see RenameFlag
 */
export function rename(volume: Volume, from: Place, to: Place, flags: number, renaming: Renaming): void {
  const known = RenameFlag.noReplace | RenameFlag.exchange | RenameFlag.whiteout;
  const exchange = (flags & RenameFlag.exchange) !== 0;
  if ((flags & ~known) !== 0 || (exchange && flags !== RenameFlag.exchange)) {
    throw new FileSystemError("EINVAL", `rename with flags 0x${flags.toString(16)}`);
  }
  checkName(from.name);
  checkName(to.name);
  const moved = entry(volume, from.dir, from.name);
  if (!to.dir.isDirectory) throw new FileSystemError("ENOTDIR", `inode ${to.dir.ino} is no directory`);
  const target = lookup(volume, to.dir, to.name) === 0 ? undefined : entry(volume, to.dir, to.name);
  if (target !== undefined && (flags & RenameFlag.noReplace) !== 0) {
    throw new FileSystemError("EEXIST", "the new name exists");
  }
  if (exchange && target === undefined) throw new FileSystemError("ENOENT", "there is nothing to exchange with");
  if (target === moved) return;
  checkMayDelete(from.dir, moved);
  if (target === undefined) checkMayCreate(to.dir);
  else checkMayDelete(to.dir, target);
  // The name of an encrypted directory's entry is not known: it cannot be given to another one.
  checkKey(from.dir);
  checkKey(to.dir);
  checkProject(volume, to.dir, moved);
  if (exchange) checkProject(volume, from.dir, target!);

  const elsewhere = from.dir !== to.dir;
  if (elsewhere && moved.isDirectory) {
    checkNotBelow(volume, moved, to.dir);
    checkParent(volume, moved, from.dir);
  }
  if (exchange && elsewhere && target!.isDirectory) {
    checkNotBelow(volume, target!, from.dir);
    checkParent(volume, target!, to.dir);
  }
  if (!exchange && target !== undefined) checkReplaceable(volume, moved, target);

  transact(volume, RENAME_CREDITS + 3 * directoryCredits(volume), (handle) => {
    handle.privileged = renaming.privileged === true;
    if (exchange) exchangeEntries(handle, from, moved, to, target!);
    else moveEntry(handle, from, moved, to, target, (flags & RenameFlag.whiteout) !== 0 ? renaming : undefined);
  });
}

function checkReplaceable(volume: Volume, moved: Inode, target: Inode): void {
  if (moved.isDirectory && !target.isDirectory) {
    throw new FileSystemError("ENOTDIR", `a directory cannot replace inode ${target.ino}, which is none`);
  }
  if (!moved.isDirectory && target.isDirectory) {
    throw new FileSystemError("EISDIR", `inode ${target.ino} is a directory`);
  }
  if (target.isDirectory && !isEmpty(volume, target)) {
    throw new FileSystemError("ENOTEMPTY", `directory ${target.ino} is not empty`);
  }
}

function moveEntry(
  handle: Handle,
  from: Place,
  moved: Inode,
  to: Place,
  target: Inode | undefined,
  whiteoutOwner: Renaming | undefined,
): void {
  const { volume } = handle;
  const elsewhere = from.dir !== to.dir;
  const type = entryTypeOf(moved.mode);
  if (moved.isDirectory && elsewhere && target === undefined) checkSubdirectoryLimit(volume, to.dir);
  if (target === undefined) addEntry(handle, to.dir, to.name, moved.ino, type);
  else replaceEntry(handle, to.dir, to.name, moved.ino, type);
  touchNamed(handle, moved);
  if (whiteoutOwner === undefined) {
    removeEntry(handle, from.dir, from.name);
  } else {
    const whiteout = newInode(handle, from.dir, FileType.characterDevice, { ...whiteoutOwner, rdev: 0 });
    replaceEntry(handle, from.dir, from.name, whiteout.ino, entryTypeOf(whiteout.mode));
  }
  touchModified(handle, from.dir);
  if (elsewhere) touchModified(handle, to.dir);
  if (!moved.isDirectory && whiteoutOwner === undefined) tellMove(handle, from, moved, to, target);
  if (moved.isDirectory) {
    if (elsewhere) setDotDot(handle, moved, to.dir.ino);
    // The directory that is replaced was counted where the moved one is counted now.
    if (elsewhere || target !== undefined) removeSubdirectory(from.dir);
    if (elsewhere && target === undefined) addSubdirectory(volume, to.dir);
  }
  if (target !== undefined) {
    if (target.isDirectory) dropDirectory(handle, target);
    else dropLink(handle, target);
  }
}

/** The new name comes before the old one goes: a replay never finds the file without any. */
function tellMove({ changes }: Handle, from: Place, moved: Inode, to: Place, target: Inode | undefined): void {
  if (target !== undefined) changes?.removeName(to.dir, to.name, target);
  changes?.addName(to.dir, to.name, moved);
  changes?.removeName(from.dir, from.name, moved);
}

function exchangeEntries(handle: Handle, from: Place, moved: Inode, to: Place, target: Inode): void {
  const { volume } = handle;
  const elsewhere = from.dir !== to.dir;
  if (elsewhere && moved.isDirectory !== target.isDirectory) {
    checkSubdirectoryLimit(volume, moved.isDirectory ? to.dir : from.dir);
  }
  replaceEntry(handle, to.dir, to.name, moved.ino, entryTypeOf(moved.mode));
  replaceEntry(handle, from.dir, from.name, target.ino, entryTypeOf(target.mode));
  touchNamed(handle, moved);
  touchNamed(handle, target);
  touchModified(handle, from.dir);
  touchModified(handle, to.dir);
  if (!elsewhere) return;
  if (moved.isDirectory) setDotDot(handle, moved, to.dir.ino);
  if (target.isDirectory) setDotDot(handle, target, from.dir.ino);
  if (moved.isDirectory === target.isDirectory) return;
  const [gains, loses] = moved.isDirectory ? [to.dir, from.dir] : [from.dir, to.dir];
  addSubdirectory(volume, gains);
  removeSubdirectory(loses);
}
