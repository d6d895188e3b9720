import { type CachedBlock, Verified } from "../cache/block-cache.js";
import { CorruptionError } from "../errors.js";
import { I_BLOCK_OFFSET } from "../format/inode.js";
import { checkOutsideMetadata } from "../groups/system-zone.js";
import type { Inode } from "../inode/inode.js";
import { checkBlockRange, type Volume } from "../volume.js";
import { type BlockMapping, MAX_FILE_BLOCKS, MappingType } from "./mapping.js";

/** Pointers in i_block that name data blocks. One each to an indirect, a double and a triple indirect block follow. */
export const DIRECT = 12;
const POINTERS = 15;
const DIRECT_END = I_BLOCK_OFFSET + 4 * DIRECT;

/** Indirect blocks on the way down, top first, and the byte offsets of the pointers that were followed. One descent at a time. */
const chain = new Float64Array(POINTERS - DIRECT);
const slots = new Float64Array(POINTERS - DIRECT + 1);

/** File blocks that block pointers can map: 12 + n + n² + n³ where n pointers fit a block, and never more than MAX_FILE_BLOCKS. */
export function indirectLimit(blockSize: number): number {
  const n = blockSize / 4;
  return Math.min(DIRECT + n + n * n + n * n * n, MAX_FILE_BLOCKS);
}

/** Maps a block of a file that has block pointers; see mapBlocks. */
export function mapIndirect(volume: Volume, inode: Inode, fileBlock: number, out: BlockMapping): void {
  const { blockSize } = volume.geometry;
  if (fileBlock >= indirectLimit(blockSize)) {
    beyondLimit(inode, blockSize, fileBlock, out);
    return;
  }
  const perBlock = blockSize / 4;
  let levels = 0; // of indirect blocks above the data
  let span = 1; // file blocks that hang from the pointer in hand
  let within = 0; // and which of them is asked for
  if (fileBlock >= DIRECT) {
    within = fileBlock - DIRECT;
    for (levels = 1, span = perBlock; within >= span; levels++) {
      within -= span;
      span *= perBlock;
    }
  }

  let { view } = inode;
  let at = I_BLOCK_OFFSET + 4 * (levels === 0 ? fileBlock : DIRECT + levels - 1);
  let pointer = view.getUint32(at, true);
  let level = 0;
  while (pointer !== 0 && level < levels) {
    slots[level] = at;
    ({ view } = readIndirect(volume, inode, pointer, level, fileBlock));
    level++;
    span /= perBlock;
    at = 4 * Math.floor(within / span);
    within %= span;
    pointer = view.getUint32(at, true);
  }
  if (pointer === 0) {
    slots[level] = at;
    const next = holeEnd(volume, inode, level, span, fileBlock - within + span);
    out.set(MappingType.hole, fileBlock, next - fileBlock, 0);
    return;
  }

  if (!(pointer < volume.geometry.blockCount && pointer > volume.geometry.firstDataBlock)) {
    const block = level > 0 ? chain[level - 1]! : 0;
    checkBlockRange(volume, pointer, 1, "indirect-range", { inode: inode.ino, fileBlock, block, offset: at });
  }
  const end = level === 0 ? DIRECT_END : blockSize;
  // A pointer past the end of the file system is left to whoever asks for it.
  const longest = Math.min((end - at) / 4, volume.geometry.blockCount - pointer, MAX_FILE_BLOCKS - fileBlock);
  let length = 1;
  while (length < longest && view.getUint32(at + 4 * length, true) === pointer + length) length++;
  out.set(MappingType.mapped, fileBlock, keepClear(volume, inode, pointer, length, fileBlock), pointer);
}

/**
 * Where a hole ends, as far as the blocks on the way to it tell: at the next pointer in any of them, so a hole costs no more than
 * reading these blocks once.
 *
 * @param level of the missing pointer, which is at slots[level]
 * @param span file blocks that hang from a pointer of that level
 * @param next file block that follows the missing pointer's
 */
function holeEnd(volume: Volume, inode: Inode, level: number, span: number, next: number): number {
  const { blockSize } = volume.geometry;
  const perBlock = blockSize / 4;
  for (let above = level; above > 0; above--) {
    const { view } = volume.cache.read(chain[above - 1]!);
    for (let at = slots[above]! + 4; at < blockSize; at += 4) {
      if (view.getUint32(at, true) !== 0) return Math.min(next, MAX_FILE_BLOCKS);
      next += span;
    }
    span *= perBlock;
  }
  for (let index = (slots[0]! - I_BLOCK_OFFSET) / 4 + 1; index < POINTERS; index++) {
    if (inode.view.getUint32(I_BLOCK_OFFSET + 4 * index, true) !== 0) return Math.min(next, MAX_FILE_BLOCKS);
    next += index < DIRECT ? 1 : perBlock ** (index - DIRECT + 1);
  }
  return MAX_FILE_BLOCKS;
}

/** The indirect block that `pointer` names, at `level` of the chain; its pointers are checked when they are followed. */
export function readIndirect(
  volume: Volume,
  inode: Inode,
  pointer: number,
  level: number,
  fileBlock: number,
): CachedBlock {
  if (!(pointer < volume.geometry.blockCount && pointer > volume.geometry.firstDataBlock)) {
    const location = { inode: inode.ino, fileBlock, block: level > 0 ? chain[level - 1]! : 0, offset: slots[level]! };
    checkBlockRange(volume, pointer, 1, "indirect-range", location);
  }
  for (let above = 0; above < level; above++) {
    if (chain[above] === pointer) {
      throw new CorruptionError(
        "indirect-cycle",
        { inode: inode.ino, fileBlock, block: pointer },
        `the indirect block of level ${level + 1} is that of level ${above + 1}`,
      );
    }
  }
  chain[level] = pointer;
  const node = volume.cache.read(pointer);
  if (node.verifiedAs !== Verified.indirect || node.verifiedFor !== inode.ino) {
    checkOutsideMetadata(volume, pointer, 1, inode.ino, { inode: inode.ino, fileBlock, block: pointer });
    node.verifiedAs = Verified.indirect;
    node.verifiedFor = inode.ino;
  }
  return node;
}

/**
 * The blocks of a run that lie before the file system's metadata; the first one must. Asked for each run, as pointers are many
 * and few of them are ever followed.
 */
function keepClear(volume: Volume, inode: Inode, block: number, length: number, fileBlock: number): number {
  const found = volume.systemZone?.firstInside(volume, block, length, inode.ino) ?? -1;
  if (found === block) checkOutsideMetadata(volume, block, 1, inode.ino, { inode: inode.ino, fileBlock });
  return found < 0 ? length : found - block;
}

/** No pointer stands for these blocks: a file that has them is corrupt (the kernel's read fails), behind its end is a hole. */
function beyondLimit(inode: Inode, blockSize: number, fileBlock: number, out: BlockMapping): void {
  if (fileBlock < MAX_FILE_BLOCKS && fileBlock * blockSize < inode.size) {
    throw new CorruptionError(
      "inode-geometry",
      { inode: inode.ino, fileBlock },
      `${inode.size} bytes where block pointers reach ${indirectLimit(blockSize)} blocks of ${blockSize}`,
    );
  }
  out.set(MappingType.hole, fileBlock, Math.max(1, MAX_FILE_BLOCKS - fileBlock), 0);
}
