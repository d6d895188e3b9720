import { isEngineError } from "../errors.js";
import { groupDescriptor, groupFirstBlock, groupOfBlock } from "../groups/group-table.js";
import type { Volume } from "../volume.js";
import { allocatorOf } from "./allocator.js";
import { findClear, findSet } from "./bits.js";
import { blockBitmap } from "./block-bitmap.js";
import { MOST_GROUPS } from "./find-space.js";
import { clusterRatio } from "./group-geometry.js";

/**
 * Tells the device what is free (FITRIM). Blocks that the running transaction freed are not: commit before.
 *
 * @param start first block to look at
 * @param length blocks
 * @param minimum shortest run in blocks that is worth it
 * @param discard called with block and count of each free run
 * @returns blocks that were discarded
 */
export function trim(
  volume: Volume,
  start: number,
  length: number,
  minimum: number,
  discard: (block: number, count: number) => void,
): number {
  const { firstDataBlock, blockCount } = volume.geometry;
  const allocator = allocatorOf(volume);
  const ratio = clusterRatio(volume);
  const from = Math.max(start, firstDataBlock);
  const end = Math.min(start + length, blockCount);
  if (!(from < end)) return 0;
  const first = groupOfBlock(volume, from);
  const last = Math.min(groupOfBlock(volume, end - 1), first + MOST_GROUPS - 1);
  let trimmed = 0;
  for (let group = first; group <= last; group++) {
    if (allocator.badBlockBitmaps.has(group)) continue;
    const space = allocator.space(group);
    const base = groupFirstBlock(volume, group);
    let bits: DataView;
    try {
      const descriptor = groupDescriptor(volume, group);
      if ((descriptor.freeClusters - space.heldCount) * ratio < Math.max(1, minimum)) continue;
      bits = space.held ?? blockBitmap(volume, descriptor).view;
    } catch (error) {
      if (!isEngineError(error)) throw error;
      allocator.blockBitmapIsBad(group, error);
      continue;
    }
    const past = Math.min(space.clusters, Math.floor((end - base) / ratio));
    let at = findClear(bits, Math.max(0, Math.ceil((from - base) / ratio)), past);
    while (at < past) {
      const runEnd = findSet(bits, at, past);
      const block = base + at * ratio;
      const count = Math.min((runEnd - at) * ratio, blockCount - block);
      if (count >= minimum) {
        discard(block, count);
        trimmed += count;
      }
      at = findClear(bits, runEnd, past);
    }
  }
  return trimmed;
}
