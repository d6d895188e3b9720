import { FileSystemError } from "../errors.js";
import { roCompatFeature } from "../format/features.js";
import type { Handle } from "../journal/handle.js";
import { switchOnFeature } from "../superblock/switch-on-feature.js";
import type { Volume } from "../volume.js";
import { maxExtentFileSize, maxIndirectFileSize } from "./file-limits.js";
import type { Inode } from "./inode.js";

/** Files longer than this need the large_file feature, which the first of them switches on. */
const LARGE_FILE = 0x7fff_ffff;

/** Most bytes that a file can have. */
export function maxFileSize(volume: Volume, inode: Inode): number {
  const extents = inode.hasExtents || (inode.hasInlineData && volume.features.extents);
  return extents ? maxExtentFileSize(volume) : maxIndirectFileSize(volume);
}

/**
 * Sets the size of a file; its blocks and times are the caller's.
 *
 * @throws FileSystemError EFBIG
 */
export function setSize(handle: Handle, inode: Inode, size: number): void {
  const most = maxFileSize(handle.volume, inode);
  if (size > most) throw new FileSystemError("EFBIG", `a file of ${size} bytes; at most ${most} are possible`);
  handle.modifyInode(inode);
  // What is new below its end, or zeroed behind it, is in place before the size.
  if (size > inode.size || size % handle.volume.geometry.blockSize !== 0) handle.changes?.needData();
  inode.size = size;
  if (size > LARGE_FILE) switchOnFeature(handle, "featureRoCompat", roCompatFeature.large_file);
}
