import { DeviceError } from "../errors.js";
import type { Inode } from "../inode/inode.js";
import { mapBlocks } from "../map/map-blocks.js";
import { BlockMapping, MappingType } from "../map/mapping.js";
import type { Volume } from "../volume.js";

/** Bytes of zeros at most. */
const MOST = 128 * 1024;

const mapping = new BlockMapping();
let zeros: Uint8Array | undefined;

/**
 * Writes zeros to unwritten blocks of a file behind those that were written just now, so that they become written together. Somebody who
 * fills allocated space bit by bit, each made durable (a database's log), then waits for a transaction now and again only, not each time.
 * More each time, never more than twice what was written, and never behind the end of the file, where the size would have to change as well.
 * What ext4 does for small extents (extent_max_zeroout_kb) does not know of a direction.
 *
 * @param first block that was written, and was unwritten before
 * @param end block behind the last one
 * @returns the block behind the last one that may be converted
 * @throws CorruptionError, DeviceError where metadata cannot be read
 */
export function zeroAhead(volume: Volume, inode: Inode, first: number, end: number): number {
  const { device, geometry } = volume;
  const { blockSize } = geometry;
  const most = Math.floor(MOST / blockSize);
  const goesOn = first === inode.convertedTo && first > 0;
  let count = 0;
  if (goesOn && 2 * (end - first) <= most) {
    mapBlocks(volume, inode, end, mapping);
    const wanted = Math.min(most, 2 * Math.max(inode.zeroedAhead, end - first));
    if (mapping.type === MappingType.unwritten) {
      count = Math.max(0, Math.min(wanted, mapping.length, Math.floor(inode.size / blockSize) - end));
    }
  }
  if (count > 0) {
    zeros ??= new Uint8Array(MOST);
    try {
      device.write(mapping.block * blockSize, zeros.subarray(0, count * blockSize));
    } catch (error) {
      // Nobody has written there: who does is told.
      if (!(error instanceof DeviceError)) throw error;
      count = 0;
    }
  }
  inode.convertedTo = end + count;
  inode.zeroedAhead = count;
  return end + count;
}
