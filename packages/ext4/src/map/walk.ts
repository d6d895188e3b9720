import { CorruptionError } from "../errors.js";
import type { Inode } from "../inode/inode.js";
import type { Volume } from "../volume.js";
import { mapBlocks } from "./map-blocks.js";
import { BlockMapping, MAX_FILE_BLOCKS, MappingType } from "./mapping.js";

/** Gets one object for all calls. Returns false to stop. */
export type MappingVisitor = (mapping: Readonly<BlockMapping>) => boolean;

/**
 * Visits the mappings of the file blocks `from` to `to - 1` in order, holes included, each as long as it can be: neighbours that
 * continue each other are one. The first and the last are cut to the range.
 *
 * @param from 0 or more
 * @param to exclusive; beyond MAX_FILE_BLOCKS nothing is visited
 * @throws CorruptionError, DeviceError; also what `visit` throws
 */
export function forEachMapping(volume: Volume, inode: Inode, from: number, to: number, visit: MappingVisitor): void {
  const end = Math.min(to, MAX_FILE_BLOCKS);
  const step = new BlockMapping();
  const run = new BlockMapping();
  let steps = 0;
  for (let at = from; at < end; at += step.length) {
    checkSteps(volume, inode, ++steps);
    mapBlocks(volume, inode, at, step);
    if (step.length > end - at) step.length = end - at;
    if (continues(run, step)) {
      run.length += step.length;
      continue;
    }
    if (run.length > 0 && !visit(run)) return;
    run.set(step.type, step.fileBlock, step.length, step.block);
  }
  if (run.length > 0) visit(run);
}

/**
 * Ends walks over hostile block pointers, which may name one indirect block a million times (extents cannot: a node fits into
 * one place of a tree). Each step of an honest walk ends at a block, of data or of pointers, that no other step ends at.
 */
function checkSteps(volume: Volume, inode: Inode, steps: number): void {
  if (inode.hasExtents || steps <= 2 * volume.geometry.blockCount) return;
  const { blockCount } = volume.geometry;
  throw new CorruptionError("indirect-cycle", { inode: inode.ino }, `more mappings than ${blockCount} blocks can make`);
}

function continues(run: BlockMapping, step: BlockMapping): boolean {
  if (run.length === 0 || run.type !== step.type) return false;
  return run.type === MappingType.hole || run.block + run.length === step.block;
}
