import { isInodeUsed } from "../alloc/claim.js";
import { FileSystemError } from "../errors.js";
import { decodeInode } from "../inode/decode-inode.js";
import type { Inode } from "../inode/inode.js";
import { readRawInode } from "../inode/inode-table.js";
import type { Volume } from "../volume.js";

/**
 * An inode that is in use, with or without links; undefined for any other. The object is the shared one.
 *
 * @throws CorruptionError, DeviceError
 */
export function usedInode(volume: Volume, ino: number): Inode | undefined {
  if (!isInodeUsed(volume, ino)) return undefined;
  const cached = volume.inodes.get(ino);
  if (cached !== undefined) return cached;
  try {
    const inode = readRawInode(volume, ino);
    decodeInode(volume, inode, true);
    volume.inodes.add(inode);
    return inode;
  } catch (error) {
    if (error instanceof FileSystemError && error.code === "ESTALE") return undefined;
    throw error;
  }
}
