import { CorruptionError, type CorruptionLocation, DeviceError } from "../errors.js";
import { incompatFeature } from "../format/features.js";
import type { Volume } from "../volume.js";
import {
  descriptorBlock,
  descriptorBlockCount,
  type GroupDescriptor,
  groupDescriptor,
  groupFirstBlock,
  groupOfBlock,
} from "./group-table.js";
import { hasSuperblock } from "./superblock-copies.js";

/** Groups that are examined together at most where flex groups are bigger: so many descriptors cost about a millisecond. */
const MOST_GROUPS = 1024;
/** Up to so many groups (16 TiB of 128 MiB groups), all are examined together before anything is written, or where metadata does not lie in its flex group. */
const MOST_GROUPS_TOGETHER = 131_072;
/** Damaged descriptors that a mount for writing puts up with: each costs an exception. */
const MOST_DAMAGED = 1024;
/** Numbers that are kept of all groups together: 4 MiB. */
const MOST_NUMBERS = 524_288;
/** mke2fs makes no smaller groups. With smaller ones a hostile extent would span thousands. */
const FEWEST_BLOCKS = 256;

/**
 * The blocks that hold the file system's own metadata, which no file may map (the kernel's block_validity): superblocks and
 * descriptor tables, bitmaps, inode tables, and the journal but for the journal's inode.
 *
 * What is only read is examined when the first block in a group is asked for, with its flex group, as metadata lies in the flex
 * group that it describes; that takes a block of descriptors or a few. Where the last group's metadata lies elsewhere (mke2fs -E
 * packed_meta_blocks), all groups are examined at once, and before anything is written as well (checkLayout). Of more groups than
 * MOST_GROUPS_TOGETHER, what a single descriptor has elsewhere is not known for metadata. A damaged descriptor protects nothing,
 * and is reported to whoever needs what it says.
 */
export class SystemZone {
  /** Groups that are examined together: a power of two, or all; 0 before the first question. */
  #span = 0;
  /** Starts and ends of runs of metadata, in turn, ascending and disjoint; by the number of the span. */
  readonly #spans = new Map<number, Float64Array>();
  #numbers = 0;
  #last = -1;
  #lastRuns: Float64Array = new Float64Array(0);
  #journalInode = 0;
  #journal: Float64Array = new Float64Array(0);

  /** Takes the journal's blocks, starts and ends in turn, as metadata that only `ino` may map. */
  protectJournal(ino: number, runs: Float64Array): void {
    this.#journalInode = ino;
    this.#journal = runs;
  }

  /** Takes what is metadata of all groups, starts and ends in turn. */
  protectGroups({ geometry }: Volume, runs: Float64Array): void {
    this.#span = geometry.groupCount;
    this.#spans.clear();
    this.#spans.set(0, runs);
    this.#numbers = runs.length;
    this.#last = -1;
  }

  /**
   * The first of `count` blocks from `block` on that is metadata, or -1.
   *
   * @param block checked to lie in the file system, with its count
   * @param ino inode that maps the blocks
   */
  firstInside(volume: Volume, block: number, count: number, ino: number): number {
    const { blocksPerGroup, groupCount } = volume.geometry;
    if (this.#span === 0) this.#span = spanOfGroups(volume);
    if (blocksPerGroup < FEWEST_BLOCKS && this.#span < groupCount) return -1; // and nothing is written
    const end = block + count;
    const last = this.#spanOf(volume, end - 1);
    for (let span = this.#spanOf(volume, block); span <= last; span++) {
      const found = firstOverlap(this.#runsOf(volume, span), block, end);
      if (found >= 0) return found;
    }
    return ino === this.#journalInode ? -1 : firstOverlap(this.#journal, block, end);
  }

  #spanOf(volume: Volume, block: number): number {
    return Math.floor(groupOfBlock(volume, block) / this.#span);
  }

  #runsOf(volume: Volume, span: number): Float64Array {
    if (span === this.#last) return this.#lastRuns;
    let runs = this.#spans.get(span);
    if (runs === undefined) {
      runs = metadataRuns(volume, span * this.#span, Math.min((span + 1) * this.#span, volume.geometry.groupCount));
      if (this.#numbers + runs.length > MOST_NUMBERS) {
        this.#spans.clear();
        this.#numbers = 0;
      }
      this.#spans.set(span, runs);
      this.#numbers += runs.length;
    }
    this.#last = span;
    this.#lastRuns = runs;
    return runs;
  }
}

/** Whether there are so many and so small groups that one extent would span thousands whose metadata is not known together. */
export function hasTooManySmallGroups({ geometry }: Volume): boolean {
  return geometry.blocksPerGroup < FEWEST_BLOCKS && geometry.groupCount > MOST_GROUPS_TOGETHER;
}

/**
 * Refuses groups whose metadata lies in that of others, as the kernel does when it mounts for writing (ext4_check_descriptors,
 * ext4_setup_system_zone): what is written for one would damage the other. Of more than MOST_GROUPS_TOGETHER nothing is looked at.
 *
 * @throws CorruptionError group-descriptor-location, or what is wrong with one of more than MOST_DAMAGED damaged descriptors
 */
export function checkLayout(volume: Volume): void {
  const { groupCount } = volume.geometry;
  if (groupCount > MOST_GROUPS_TOGETHER) return;
  const ranges = metadataRanges(volume, 0, groupCount, MOST_DAMAGED);
  const { starts, ends } = ranges;
  // No two overlap if each, in ascending order, ends before the next start; which end belongs to which start does not matter.
  for (let n = 1; n < starts.length; n++) {
    if (ends[n - 1]! <= starts[n]!) continue;
    const evidence = "the block holds metadata of more than one kind or group";
    throw new CorruptionError("group-descriptor-location", { block: starts[n]! }, evidence);
  }
  volume.systemZone?.protectGroups(volume, union(ranges));
}

/** Groups to examine together so that what describes a block is among them. */
function spanOfGroups(volume: Volume): number {
  const { geometry, features, superblock } = volume;
  const flexible = (features.incompat & incompatFeature.flex_bg) !== 0 && superblock.logGroupsPerFlex < 32;
  const flex = flexible ? 2 ** superblock.logGroupsPerFlex : 1;
  const span = flex <= MOST_GROUPS ? Math.max(flex, geometry.descriptorsPerBlock) : MOST_GROUPS;
  if (!flexible || geometry.groupCount > MOST_GROUPS_TOGETHER) return span;
  const last = geometry.groupCount - 1;
  const first = groupFirstBlock(volume, last - (last % span));
  const descriptor = descriptorIfGood(volume, last);
  const isLocal =
    descriptor === undefined ||
    (descriptor.blockBitmap >= first && descriptor.inodeBitmap >= first && descriptor.inodeTable >= first);
  return isLocal ? span : geometry.groupCount;
}

function descriptorIfGood(volume: Volume, group: number): GroupDescriptor | undefined {
  try {
    return groupDescriptor(volume, group);
  } catch (error) {
    if (error instanceof CorruptionError || error instanceof DeviceError) return undefined;
    throw error;
  }
}

/**
 * Refuses blocks of which one holds the file system's own metadata.
 *
 * @param block checked to lie in the file system, with its count
 * @param ino inode that maps the blocks
 * @throws CorruptionError block-range
 */
export function checkOutsideMetadata(
  volume: Volume,
  block: number,
  count: number,
  ino: number,
  location: CorruptionLocation,
): void {
  const found = volume.systemZone?.firstInside(volume, block, count, ino) ?? -1;
  if (found < 0) return;
  throw new CorruptionError(
    "block-range",
    location,
    `inode ${ino} maps blocks ${block} to ${block + count - 1}, and ${found} holds metadata of the file system`,
  );
}

/** The first block of [block, end) in ascending runs of starts and ends, or -1. */
function firstOverlap(runs: Float64Array, block: number, end: number): number {
  let low = 0;
  let high = runs.length >> 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (runs[2 * middle + 1]! <= block) low = middle + 1;
    else high = middle;
  }
  if (2 * low === runs.length || runs[2 * low]! >= end) return -1;
  return Math.max(runs[2 * low]!, block);
}

/** Ranges [starts[i], ends[i]), both ascending; which end belongs to which start is forgotten. */
interface Ranges {
  readonly starts: Float64Array;
  readonly ends: Float64Array;
}

/**
 * The metadata that the groups from `first` to `end - 1` and their descriptors name.
 *
 * @throws the error of a damaged descriptor when there are more than `mostDamaged`
 */
function metadataRanges(volume: Volume, first: number, end: number, mostDamaged = Number.POSITIVE_INFINITY): Ranges {
  const { geometry } = volume;
  prefetchDescriptors(volume, first, end);
  const parts = [new Stream(), new Stream(), new Stream(), new Stream()] as const;
  const [fixed, blockBitmaps, inodeBitmaps, inodeTables] = parts;
  let damaged = 0;
  for (let group = first; group < end; group++) {
    fixed.add(groupFirstBlock(volume, group), fixedBlocks(volume, group));
    const descriptor = damaged < mostDamaged ? descriptorIfGood(volume, group) : groupDescriptor(volume, group);
    if (descriptor === undefined) {
      damaged++;
      continue;
    }
    blockBitmaps.add(descriptor.blockBitmap, 1);
    inodeBitmaps.add(descriptor.inodeBitmap, 1);
    inodeTables.add(descriptor.inodeTable, geometry.inodeTableBlocks);
  }
  return { starts: ascending(parts.map((part) => part.starts)), ends: ascending(parts.map((part) => part.ends)) };
}

function ascending(parts: readonly number[][]): Float64Array {
  const all = new Float64Array(parts.reduce((count, part) => count + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all.sort();
}

/** The metadata of the groups from `first` to `end - 1`, as ascending runs. */
function metadataRuns(volume: Volume, first: number, end: number): Float64Array {
  return union(metadataRanges(volume, first, end));
}

function prefetchDescriptors(volume: Volume, first: number, end: number): void {
  const { descriptorsPerBlock } = volume.geometry;
  const from = Math.floor(first / descriptorsPerBlock);
  const to = Math.min(Math.ceil(end / descriptorsPerBlock), descriptorBlockCount(volume));
  if (volume.features.metaBg) return; // each in a place of its own
  const step = Math.max(1, Math.floor(volume.cache.longestRun));
  for (let index = from; index < to; index += step) {
    volume.cache.prefetch(descriptorBlock(volume, index), Math.min(step, to - index));
  }
}

/** Blocks at the start of a group that a superblock and descriptors take (ext4_num_base_meta_blocks). */
export function fixedBlocks(volume: Volume, group: number): number {
  const { geometry, features, superblock } = volume;
  const copy = hasSuperblock(volume, group) ? 1 : 0;
  const metaGroup = Math.floor(group / geometry.descriptorsPerBlock);
  // With 1 KiB blocks and block 0 inside the file system (bigalloc), the superblock is in block 1.
  const before = group === 0 && geometry.blockSize === 1024 && geometry.firstDataBlock === 0 ? 1 : 0;
  if (!features.metaBg) return before + copy * (1 + descriptorBlockCount(volume));
  if (metaGroup < superblock.firstMetaBlockGroup) return before + copy * (1 + superblock.firstMetaBlockGroup);
  const place = group - metaGroup * geometry.descriptorsPerBlock;
  const holds = place <= 1 || place === geometry.descriptorsPerBlock - 1;
  return before + copy + (holds ? 1 : 0);
}

/** Ranges of one kind, of which those that follow each other are one: flex_bg packs them so. */
class Stream {
  readonly starts: number[] = [];
  readonly ends: number[] = [];

  add(start: number, count: number): void {
    if (count <= 0) return;
    const last = this.ends.length - 1;
    if (last >= 0 && this.ends[last] === start) this.ends[last] = start + count;
    else {
      this.starts.push(start);
      this.ends.push(start + count);
    }
  }
}

/** Ranges as ascending disjoint runs. Only how many start and end by a block matters, not which. */
function union({ starts, ends }: Ranges): Float64Array {
  const runs: number[] = [];
  for (let at = 0, closed = 0; at < starts.length; ) {
    runs.push(starts[at++]!);
    for (; closed < at; closed++) while (at < starts.length && starts[at]! <= ends[closed]!) at++;
    runs.push(ends[closed - 1]!);
  }
  return Float64Array.from(runs);
}
