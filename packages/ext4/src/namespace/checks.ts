import { lookup } from "../dir/directory.js";
import { noKey } from "../dir/entry-errors.js";
import { CorruptionError, FileSystemError } from "../errors.js";
import { compatFeature, roCompatFeature } from "../format/features.js";
import { InodeFlag, ReservedInode } from "../format/inode.js";
import type { Inode } from "../inode/inode.js";
import { readInode } from "../inode/inode-table.js";
import type { Volume } from "../volume.js";

/** Most links of an inode (EXT4_LINK_MAX). */
export const LINK_MAX = 65_000;

/** Refuses a change of a directory's entries that its state or flags forbid (the kernel's may_create). */
export function checkMayCreate(dir: Inode): void {
  if (!dir.isDirectory) throw new FileSystemError("ENOTDIR", `inode ${dir.ino} is no directory`);
  if (dir.linksCount === 0) throw new FileSystemError("ENOENT", `directory ${dir.ino} has been removed`);
  if (dir.has(InodeFlag.immutable)) throw new FileSystemError("EPERM", `directory ${dir.ino} is immutable`);
}

/** Refuses to take an entry away where a flag forbids it (may_delete). */
export function checkMayDelete(dir: Inode, victim: Inode): void {
  if (dir.has(InodeFlag.append | InodeFlag.immutable)) {
    throw new FileSystemError("EPERM", `directory ${dir.ino} is immutable or append-only`);
  }
  if (victim.has(InodeFlag.append | InodeFlag.immutable)) {
    throw new FileSystemError("EPERM", `inode ${victim.ino} is immutable or append-only`);
  }
}

/** Whether a directory's index lets its link count end in "many": dir_nlink. */
function countsManyLinks(volume: Volume, dir: Inode): boolean {
  return (volume.superblock.featureCompat & compatFeature.dir_index) !== 0 && dir.has(InodeFlag.index);
}

/** Refuses one more subdirectory than the link count of `dir` can take. */
export function checkSubdirectoryLimit(volume: Volume, dir: Inode): void {
  const many = (volume.superblock.featureRoCompat & roCompatFeature.dir_nlink) !== 0 && countsManyLinks(volume, dir);
  if (dir.linksCount >= LINK_MAX && !many) {
    throw new FileSystemError("EMLINK", `directory ${dir.ino} has ${dir.linksCount} links already`);
  }
}

/** A subdirectory more. Past the limit, an indexed directory's count becomes 1: "unknown". The caller has announced the change. */
export function addSubdirectory(volume: Volume, dir: Inode): void {
  dir.linksCount++;
  if (countsManyLinks(volume, dir) && (dir.linksCount > LINK_MAX || dir.linksCount === 2)) dir.linksCount = 1;
}

/** A subdirectory less. */
export function removeSubdirectory(dir: Inode): void {
  if (dir.linksCount > 2) dir.linksCount--;
}

/** Refuses what takes the key of an encrypted directory, which nobody has here. */
export function checkKey(dir: Inode): void {
  if (dir.has(InodeFlag.encrypt)) throw noKey(dir);
}

/** Refuses what would move or link something into another project's tree. */
export function checkProject(volume: Volume, dir: Inode, inode: Inode): void {
  const { featureRoCompat } = volume.superblock;
  if ((featureRoCompat & roCompatFeature.project) === 0 || !dir.has(InodeFlag.projectInherit)) return;
  if (dir.projectId !== inode.projectId) {
    throw new FileSystemError("EXDEV", `directory ${dir.ino} belongs to project ${dir.projectId}`);
  }
}

/**
 * Refuses to move directory `moved` below itself: walks from `dir` up to the root. A hostile image may have made its directories a
 * ring, which is noticed when one comes back at which an ever longer stretch of the way began.
 */
export function checkNotBelow(volume: Volume, moved: Inode, dir: Inode): void {
  let at = dir.ino;
  let mark = 0;
  for (let steps = 0, stretch = 1; at !== ReservedInode.root; steps++) {
    if (at === moved.ino) throw new FileSystemError("EINVAL", `directory ${moved.ino} cannot be moved below itself`);
    if (at === mark) {
      throw new CorruptionError("directory-entry", { inode: at }, "going up from the directory never ends at the root");
    }
    if (steps === stretch) {
      mark = at;
      stretch *= 2;
    }
    // Not put into the cache: a long way up would drive out what the caller has in hand.
    at = parentNumber(volume, volume.inodes.get(at) ?? readInode(volume, at));
  }
  if (moved.ino === ReservedInode.root) throw new FileSystemError("EINVAL", "the root cannot be moved");
}

/**
 * Refuses to move a directory whose `..` does not name the one that it leaves, as the kernel does (ext4_rename_dir_prepare): whose
 * link it is would not be known.
 */
export function checkParent(volume: Volume, moved: Inode, dir: Inode): void {
  const parent = parentNumber(volume, moved);
  if (parent === dir.ino) return;
  const evidence = `its \`..\` names inode ${parent}, and it lies in directory ${dir.ino}`;
  throw new CorruptionError("directory-entry", { inode: moved.ino }, evidence);
}

const dotDot = new Uint8Array([0x2e, 0x2e]);

/** The inode number of a directory's `..`. */
function parentNumber(volume: Volume, dir: Inode): number {
  const parent = lookup(volume, dir, dotDot);
  if (parent === 0) throw new CorruptionError("directory-entry", { inode: dir.ino }, "the directory has no `..`");
  return parent;
}

/** `.` and `..`, which no operation on names may create, take away or move. */
export function isDotName(name: Uint8Array): boolean {
  return name[0] === 0x2e && (name.length === 1 || (name.length === 2 && name[1] === 0x2e));
}

/** Refuses names that no entry can have. @throws FileSystemError EINVAL, ENAMETOOLONG */
export function checkName(name: Uint8Array): void {
  if (name.length === 0) throw new FileSystemError("ENOENT", "the name is empty");
  if (name.length > 255) throw new FileSystemError("ENAMETOOLONG", `a name of ${name.length} bytes; 255 are possible`);
  if (isDotName(name)) throw new FileSystemError("EINVAL", "`.` and `..` are no names to change");
  if (name.includes(0) || name.includes(0x2f)) {
    throw new FileSystemError("EINVAL", "a name cannot contain a slash or a zero byte");
  }
}

/** EXT4_FT_* of a directory entry, from a mode. */
export function entryTypeOf(mode: number): number {
  return ENTRY_TYPES[(mode >>> 12) & 0xf]!;
}

const ENTRY_TYPES = [0, 5, 3, 0, 2, 0, 4, 0, 1, 0, 7, 0, 6, 0, 0, 0];
