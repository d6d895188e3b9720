import { FileSystemError } from "../errors.js";
import { DirectoryEntryLayout, NAME_MAX } from "../format/directory.js";
import { InodeFlag } from "../format/inode.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import { ALLOCATE_CREDITS } from "../map/allocate-range.js";
import type { Volume } from "../volume.js";
import { addIndexed } from "./add-indexed.js";
import { addLinear, noteRoom } from "./add-linear.js";
import { casefold, FOLDED_MAX } from "./casefold.js";
import { alreadyThere, noKey } from "./entry-errors.js";
import { addInline, inlineRegionAt, removeInline, spillInline } from "./inline-directory.js";
import { isCaseInsensitive, isIndexed } from "./kind.js";
import { inodeOf, recordLength } from "./leaf.js";
import { EntryPlace, findEntry, isDotName } from "./lookup.js";
import { NameQuery } from "./name-query.js";
import { recordBefore, removeRecord, writeInode } from "./records.js";
import { NO_ROOM } from "./room.js";
import { leafEnd, sealLeaf } from "./seal.js";

/** The door for changes of directories. Times, link counts and the inodes that entries name are the caller's. */

export { initDirectory, isEmpty, setDotDot } from "./new-directory.js";

/** Blocks of a directory that an operation changes: a leaf and a way of three index blocks, as many new ones, and the inode. */
const OWN_BLOCKS = 9;

/**
 * Most blocks of metadata that one of the operations here modifies, what its new blocks take of maps and bitmaps included: these
 * are allocated in a row, and share what they take.
 */
export function directoryCredits(volume: Volume): number {
  return OWN_BLOCKS + Math.min(ALLOCATE_CREDITS, volume.transactions?.mostCredits ?? 0);
}

const query = new NameQuery();
const place = new EntryPlace();
const folded = new Uint8Array(FOLDED_MAX);
/** s_encoding_flags: names that are no UTF-8 are refused in case-insensitive directories. */
const STRICT_ENCODING = 1;

/**
 * Adds an entry.
 *
 * @param name 1 to 255 bytes
 * @param fileType EXT4_FT_*
 * @throws FileSystemError EEXIST when the name is there (as the directory compares names), ENOSPC, ENAMETOOLONG, EINVAL,
 *   ENOTDIR, ENOKEY in encrypted directories; CorruptionError, DeviceError
 */
export function addEntry(handle: Handle, dir: Inode, name: Uint8Array, ino: number, fileType: number): void {
  const { volume } = handle;
  checkNewName(volume, dir, name);
  if (!query.prepare(volume, dir, name)) throw new FileSystemError("EINVAL", "a name that cannot be");
  dir.entryChanges++;
  const entry = { name, ino, fileType };
  if (dir.hasInlineData) {
    const result = addInline(handle, dir, query, entry);
    if (result >= 0) throw alreadyThere(dir);
    if (result !== NO_ROOM) return;
    spillInline(handle, dir);
  }
  let mayIndex = volume.features.dirIndex;
  if (dir.has(InodeFlag.index)) {
    if (isIndexed(volume, dir) && addIndexed(handle, dir, query, entry)) return;
    // The index is of no use, or the file system knows no indexes any more; it would miss the new name.
    mayIndex = false;
    handle.modifyInode(dir);
    dir.flags &= ~InodeFlag.index;
  }
  addLinear(handle, dir, query, entry, mayIndex);
}

function checkNewName(volume: Volume, dir: Inode, name: Uint8Array): void {
  if (!dir.isDirectory) throw new FileSystemError("ENOTDIR", `inode ${dir.ino} is no directory`);
  if (name.length > NAME_MAX) throw new FileSystemError("ENAMETOOLONG", `a name of ${name.length} bytes`);
  if (name.length === 0 || name.includes(0x2f) || name.includes(0)) {
    throw new FileSystemError("EINVAL", "a name that is empty or contains / or a zero byte");
  }
  if (isDotName(name)) throw alreadyThere(dir);
  if (dir.has(InodeFlag.encrypt)) throw noKey(dir);
  const strict = isCaseInsensitive(volume, dir) && (volume.superblock.encodingFlags & STRICT_ENCODING) !== 0;
  if (strict && casefold(name, folded) < 0) {
    throw new FileSystemError("EINVAL", `directory ${dir.ino} takes names in UTF-8 only`);
  }
}

/**
 * Removes an entry. Blocks stay the directory's, as in the kernel.
 *
 * @returns the inode number that it named
 * @throws FileSystemError ENOENT, ENOTDIR, EINVAL for `.` and `..`; CorruptionError, DeviceError
 */
export function removeEntry(handle: Handle, dir: Inode, name: Uint8Array): number {
  const { volume } = handle;
  findExisting(volume, dir, name);
  const { block, data, offset } = place;
  const ino = inodeOf(data, offset);
  dir.entryChanges++;
  if (block === undefined) {
    removeInline(handle, dir, offset);
  } else {
    const { blockSize } = volume.geometry;
    const before = recordBefore(data, 0, offset, blockSize);
    const end = offset + recordLength(data, offset, blockSize);
    handle.modifyPart(block, before, Math.min(end, data.length), sealLeaf, dir.checksumSeed);
    removeRecord(volume, dir, data, before, leafEnd(volume), offset);
    noteRoom(dir, place.fileBlock);
  }
  return ino;
}

/**
 * Makes an entry that is there name another inode; its spelling stays.
 *
 * @returns the inode number that it named
 * @throws FileSystemError ENOENT, ENOTDIR, EINVAL for `.` and `..`, ENOKEY; CorruptionError, DeviceError
 */
export function replaceEntry(handle: Handle, dir: Inode, name: Uint8Array, ino: number, fileType: number): number {
  const { volume } = handle;
  if (dir.has(InodeFlag.encrypt)) throw noKey(dir);
  findExisting(volume, dir, name);
  const { block } = place;
  let { data, offset } = place;
  const old = inodeOf(data, offset);
  dir.entryChanges++;
  if (block === undefined) ({ data, at: offset } = inlineRegionAt(handle, dir, offset));
  else handle.modifyPart(block, offset, offset + DirectoryEntryLayout.size, sealLeaf, dir.checksumSeed);
  writeInode(data, offset, ino);
  if (volume.features.filetype) data[offset + DirectoryEntryLayout.offset.fileType] = fileType;
  return old;
}

/** Leaves in `place` where an entry is that can be changed. */
function findExisting(volume: Volume, dir: Inode, name: Uint8Array): void {
  if (!dir.isDirectory) throw new FileSystemError("ENOTDIR", `inode ${dir.ino} is no directory`);
  if (name.length > NAME_MAX) throw new FileSystemError("ENAMETOOLONG", `a name of ${name.length} bytes`);
  if (isDotName(name)) throw new FileSystemError("EINVAL", "the entries . and .. stay");
  if (name.length > 0 && findEntry(volume, dir, name, place)) return;
  throw new FileSystemError("ENOENT", `the name is not in directory ${dir.ino}`);
}
