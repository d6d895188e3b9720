import { FileSystemError, isEngineError } from "../errors.js";
import { groupDescriptor } from "../groups/group-table.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import type { CommitListener } from "../journal/transactions.js";
import { MOST_SUMMED_GROUPS } from "../superblock/overhead.js";
import type { Volume } from "../volume.js";
import { blockBitmap, blockBitmapChecksum, isBlockUninit } from "./block-bitmap.js";
import { addFreeBlocks, freeBlockCount } from "./free-counts.js";
import { clusterRatio } from "./group-geometry.js";
import { GroupSpace } from "./group-space.js";
import { GrowthWindows } from "./growth-windows.js";
import { inodeBitmap, inodeBitmapChecksum, isInodeUninit } from "./inode-bitmap.js";

/** Groups that are known in memory at most. */
const MOST_SPACES = 65_536;
/** Groups whose longest runs are remembered: 512 TiB of them. */
const MOST_BOUNDS = 2 ** 22;
/** Damaged groups that are remembered and put on record, or tolerated while counting. */
const MOST_DAMAGED = 65_536;
const MOST_DAMAGED_COUNTED = 1024;
/** Random bytes that are fetched together. */
const RANDOM_BYTES = 1024;

/**
 * What the allocators know in memory: free space by group, damaged groups, which bitmaps need their checksum at the next commit, and
 * how to take the current handle's share of it back.
 */
export class Allocator implements CommitListener {
  readonly windows = new GrowthWindows();
  /** Groups in which nothing more is allocated or freed, as their bitmaps are wrong. */
  readonly badBlockBitmaps = new Set<number>();
  readonly badInodeBitmaps = new Set<number>();
  /**
   * By group, no run of free clusters is longer: searches pass over the others by this alone. It grows by GroupSpace.forgetBounds only, where
   * what was freed may be used, and where an allocation is undone.
   */
  readonly longest: Int32Array;
  /** Group in which space was found last, away from where it was looked for. */
  lastGroup = 0;
  /** Clusters that were freed by transactions which are not durable. */
  held = 0;
  /** Directories of the file system. */
  directories = 0;
  readonly #volume: Volume;
  readonly #spaces = new Map<number, GroupSpace>();
  /** What the running and the committing transaction freed: group, first cluster, end, in turn. */
  #freed: number[] = [];
  #committing: number[] = [];
  /** Groups whose bitmaps the running transaction changed. */
  readonly #blockBitmaps = new Set<number>();
  readonly #inodeBitmaps = new Set<number>();
  readonly #random = new Uint8Array(RANDOM_BYTES);
  #randomLeft = 0;

  // The current handle's share.
  #handle = 0;
  readonly #touched: GroupSpace[] = [];
  /** What was allocated: group, first cluster, end, in turn. */
  readonly #taken: number[] = [];
  readonly #createdInodes: Inode[] = [];
  readonly #freedInodes: Inode[] = [];
  #heldBefore = 0;
  #freedBefore = 0;
  #directoriesBefore = 0;
  readonly #undo = () => this.#takeBack();

  constructor(volume: Volume) {
    this.#volume = volume;
    const { groupCount, clustersPerGroup } = volume.geometry;
    this.longest = new Int32Array(Math.min(groupCount, MOST_BOUNDS)).fill(clustersPerGroup);
    volume.transactions?.onCommit(this);
    this.#count();
  }

  /** To be called before anything else is done in a handle. */
  enter(handle: Handle): void {
    if (handle.number === this.#handle) return;
    this.#handle = handle.number;
    for (let space = this.#touched.pop(); space !== undefined; space = this.#touched.pop()) space.isTouched = false;
    while (this.#taken.length > 0) this.#taken.pop();
    while (this.#createdInodes.length > 0) this.#createdInodes.pop();
    while (this.#freedInodes.length > 0) this.#freedInodes.pop();
    this.#heldBefore = this.held;
    this.#freedBefore = this.#freed.length;
    this.#directoriesBefore = this.directories;
    handle.onUndo(this.#undo);
  }

  #touch(space: GroupSpace): void {
    if (space.isTouched) return;
    space.isTouched = true;
    this.#touched.push(space);
  }

  space(group: number): GroupSpace {
    let space = this.#spaces.get(group);
    if (space === undefined) {
      if (this.#spaces.size >= MOST_SPACES) this.#dropSpaces();
      space = new GroupSpace(this.#volume, group, this.longest);
      this.#spaces.set(group, space);
    }
    return space;
  }

  #dropSpaces(): void {
    for (const space of this.#spaces.values()) {
      if (space.held === undefined && space.windows.length === 0 && !space.isTouched) {
        this.#spaces.delete(space.group);
      }
    }
  }

  /** Notes that the current handle allocated the clusters [from, end) of a group. */
  took(space: GroupSpace, from: number, end: number): void {
    space.took(from, end);
    this.#touch(space);
    this.#blockBitmaps.add(space.group);
    const log = this.#taken;
    const last = log.length - 3;
    if (last >= 0 && log[last] === space.group && log[last + 2] === from) log[last + 2] = end;
    else log.push(space.group, from, end);
  }

  /** Notes that the current handle frees the clusters [from, end) of a group; `bitmap` still has their bits. */
  freeing(space: GroupSpace, bitmap: DataView, from: number, end: number): void {
    space.hold(bitmap, from, end);
    this.#freed.push(space.group, from, end);
    this.#touch(space);
    this.#blockBitmaps.add(space.group);
    this.held += end - from;
  }

  /** Notes that a bitmap that was made up becomes one to be written. */
  blockBitmapInUse(group: number): void {
    this.#blockBitmaps.add(group);
  }

  createdInode(space: GroupSpace, inode: Inode): void {
    this.#touch(space);
    this.#inodeBitmaps.add(space.group);
    this.#createdInodes.push(inode);
  }

  /** Notes that an inode of a group is in use that was not allocated here. */
  claimedInode(group: number): void {
    this.#touch(this.space(group));
    this.#inodeBitmaps.add(group);
  }

  freedInode(space: GroupSpace, inode: Inode): void {
    this.#touch(space);
    this.#inodeBitmaps.add(space.group);
    this.#freedInodes.push(inode);
  }

  /** Marks a group's block bitmap as wrong and puts the error on record, once. */
  blockBitmapIsBad(group: number, error: unknown): void {
    this.#isBad(this.badBlockBitmaps, group, error);
  }

  inodeBitmapIsBad(group: number, error: unknown): void {
    this.#isBad(this.badInodeBitmaps, group, error);
  }

  /** What is too much to be remembered would be met again and again, and put on record each time. */
  #isBad(bad: Set<number>, group: number, error: unknown): void {
    if (bad.has(group) || bad.size >= MOST_DAMAGED) return;
    bad.add(group);
    this.#volume.report?.(error);
  }

  /** A random number of 32 bits. */
  random32(): number {
    if (this.#randomLeft === 0) {
      this.#volume.environment.random.fill(this.#random);
      this.#randomLeft = RANDOM_BYTES;
    }
    this.#randomLeft -= 4;
    const at = this.#randomLeft;
    const random = this.#random;
    return (random[at]! | (random[at + 1]! << 8) | (random[at + 2]! << 16) | (random[at + 3]! << 24)) >>> 0;
  }

  beforeCommit(handle: Handle): void {
    const volume = this.#volume;
    if (volume.features.metadataCsum) {
      for (const group of this.#blockBitmaps) {
        // What was undone may be as if it had never been used.
        if (isBlockUninit(volume, groupDescriptor(volume, group))) continue;
        const descriptor = handle.modifyGroup(group);
        descriptor.blockBitmapChecksum = blockBitmapChecksum(volume, blockBitmap(volume, descriptor));
      }
      for (const group of this.#inodeBitmaps) {
        if (isInodeUninit(volume, groupDescriptor(volume, group))) continue;
        const descriptor = handle.modifyGroup(group);
        descriptor.inodeBitmapChecksum = inodeBitmapChecksum(volume, inodeBitmap(volume, descriptor));
      }
    }
    this.#blockBitmaps.clear();
    this.#inodeBitmaps.clear();
    this.#committing = this.#freed;
    this.#freed = [];
  }

  afterCommit(): void {
    const freed = this.#committing;
    this.#committing = [];
    if (freed.length > 0) this.#volume.beforeReuse?.();
    for (let at = 0; at < freed.length; at += 3) {
      const [group, from, end] = [freed[at]!, freed[at + 1]!, freed[at + 2]!];
      this.space(group).release(from, end);
      this.held -= end - from;
    }
    this.askForCommit();
  }

  /** To be called when space was taken or freed: lets the next operation begin with a commit when more space waits for one than can be had. */
  askForCommit(): void {
    const { transactions } = this.#volume;
    if (transactions === undefined) return;
    const free = freeBlockCount(this.#volume) / clusterRatio(this.#volume);
    transactions.commitSoon = this.held > 0 && this.held * 2 > free;
  }

  #takeBack(): void {
    const volume = this.#volume;
    this.#handle = 0;
    const log = this.#taken;
    for (let at = 0; at < log.length; at += 3) this.space(log[at]!).untake(log[at + 1]!, log[at + 2]!);
    for (const space of this.#touched) space.recount(groupDescriptor(volume, space.group).freeClusters);
    for (const inode of this.#createdInodes) volume.inodes.delete(inode.ino);
    for (const inode of this.#freedInodes) if (volume.inodes.get(inode.ino) === undefined) volume.inodes.add(inode);
    this.held = this.#heldBefore;
    this.#freed.length = this.#freedBefore;
    this.directories = this.#directoriesBefore;
    this.askForCommit();
  }

  /**
   * Makes the superblock's counts what the descriptors' add up to, as the kernel does when it mounts: a crash may have left them
   * behind.
   */
  #count(): void {
    const volume = this.#volume;
    const { geometry, superblock } = volume;
    if (geometry.groupCount > MOST_SUMMED_GROUPS) return;
    let clusters = 0;
    let inodes = 0;
    let damaged = 0;
    for (let group = 0; group < geometry.groupCount; group++) {
      try {
        const descriptor = groupDescriptor(volume, group);
        clusters += descriptor.freeClusters;
        inodes += descriptor.freeInodes;
        this.directories += descriptor.usedDirectories;
      } catch (error) {
        if (!isEngineError(error)) throw error;
        if (++damaged > MOST_DAMAGED_COUNTED) return;
      }
    }
    addFreeBlocks(volume, clusters * clusterRatio(volume) - freeBlockCount(volume));
    superblock.freeInodesCount = Math.min(inodes, 0xffff_ffff);
  }
}

/** The allocators' memory of a volume. @throws FileSystemError EROFS on a read-only mount */
export function allocatorOf(volume: Volume): Allocator {
  if (volume.allocator === undefined) {
    if (volume.transactions === undefined) throw new FileSystemError("EROFS", "the file system is mounted read-only");
    volume.allocator = new Allocator(volume);
  }
  return volume.allocator;
}
