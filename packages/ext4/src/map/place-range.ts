import { UnsupportedFeatureError } from "../errors.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import { placeExtent, setUnwritten } from "./extent-change.js";
import { makeRoomForStep } from "./map-allocation.js";
import { mapBlocks } from "./map-blocks.js";
import { BlockMapping, MappingType } from "./mapping.js";
import { removeRange } from "./remove-range.js";

/**
 * Maps file blocks to blocks that are known, and marked as used already: what a fast commit says. What lies elsewhere is freed,
 * what lies there already becomes written or unwritten. May restart the handle.
 *
 * @param count at most what one extent holds
 * @throws UnsupportedFeatureError for a file without extents, of which no fast commit tells; CorruptionError, DeviceError;
 *   FileSystemError ENOSPC when the tree has to grow and cannot
 */
export function placeRange(
  handle: Handle,
  inode: Inode,
  fileBlock: number,
  count: number,
  block: number,
  unwritten: boolean,
): void {
  if (!inode.hasExtents) {
    const message = `the journal has fast commits of inode ${inode.ino}, which has no extents; let e2fsck -p replay them`;
    throw new UnsupportedFeatureError(["fast_commit"], message);
  }
  const { volume } = handle;
  const found = new BlockMapping();
  const end = fileBlock + count;
  const wantedType = unwritten ? MappingType.unwritten : MappingType.mapped;
  for (let at = fileBlock; at < end; ) {
    mapBlocks(volume, inode, at, found);
    const { type } = found;
    const length = Math.min(found.length, end - at);
    const target = block + at - fileBlock;
    if (type !== MappingType.hole && found.block === target) {
      if (type !== wantedType) setUnwritten(handle, inode, at, at + length, unwritten);
    } else {
      if (type !== MappingType.hole) removeRange(handle, inode, at, at + length);
      makeRoomForStep(handle, inode);
      placeExtent(handle, inode, at, length, target, unwritten);
    }
    at += length;
  }
}
