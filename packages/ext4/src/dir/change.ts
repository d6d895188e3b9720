import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import type { Volume } from "../volume.js";

/** The door for changes of directories. Times, link counts and the inodes that entries name are the caller's. */

/** Most blocks of metadata that one of the operations below modifies, what its new blocks take of maps and bitmaps included. */
export function directoryCredits(_volume: Volume): number {
  return 40;
}

/**
 * Adds an entry.
 *
 * @param name 1 to 255 bytes
 * @param fileType EXT4_FT_*
 * @throws FileSystemError EEXIST when the name is there, ENOSPC, ENAMETOOLONG, EINVAL, ENOTDIR, ENOKEY; CorruptionError, DeviceError
 */
export function addEntry(_handle: Handle, _dir: Inode, _name: Uint8Array, _ino: number, _fileType: number): void {
  throw new Error("to be written");
}

/**
 * Removes an entry.
 *
 * @returns the inode number that it named
 * @throws FileSystemError ENOENT, EINVAL for `.` and `..`; CorruptionError, DeviceError
 */
export function removeEntry(_handle: Handle, _dir: Inode, _name: Uint8Array): number {
  throw new Error("to be written");
}

/**
 * Makes an entry that is there name another inode; its spelling stays.
 *
 * @returns the inode number that it named
 * @throws FileSystemError ENOENT, ENOKEY; CorruptionError, DeviceError
 */
export function replaceEntry(
  _handle: Handle,
  _dir: Inode,
  _name: Uint8Array,
  _ino: number,
  _fileType: number,
): number {
  throw new Error("to be written");
}

/** Gives a new directory its `.` and `..`: inside the inode where the file system has inline_data, else in a first block. */
export function initDirectory(_handle: Handle, _dir: Inode, _parentIno: number): void {
  throw new Error("to be written");
}

/** Whether a directory has no entries but `.` and `..`. */
export function isEmpty(_volume: Volume, _dir: Inode): boolean {
  throw new Error("to be written");
}

/** Makes `..` name another directory. */
export function setDotDot(_handle: Handle, _dir: Inode, _parentIno: number): void {
  throw new Error("to be written");
}
