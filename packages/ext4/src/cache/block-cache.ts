import type { BlockDevice } from "../device/device.js";
import type { IoSequence } from "../device/io-sequence.js";
import { isEngineError } from "../errors.js";
import type { Volume } from "../volume.js";

/** Brings the checksum of a changed block up to date; runs once, when the block's transaction commits. */
export type Seal = (volume: Volume, block: CachedBlock) => void;

/**
 * One cached block of metadata. `data` and `view` show the same bytes.
 *
 * Whoever verifies a block leaves its mark in `verifiedAs` (the kind of structure) and `verifiedFor` (the inode that the
 * checksum is seeded with, 0 if none), so that a block is checked once while it stays in the cache, and again when it turns
 * up in another role: a hostile image may point two structures at one block.
 */
export class CachedBlock {
  readonly block: number;
  readonly data: Uint8Array;
  readonly view: DataView;
  verifiedAs = 0;
  verifiedFor = 0;
  /** Number of the last verification as a leaf of a directory: another one, and what was remembered of it may not be right. */
  verification = 0;
  /** Number of the transaction that the block was changed in last and that is not durable, 0 if none. */
  transaction = 0;
  /** Number of the last durable transaction that has a change of it which has not been written to its place yet, 0 if none. */
  loggedIn = 0;
  /** Number of the handle that saved the bytes to be able to undo its changes, and these with what the block was. The handle's business. */
  savedIn = 0;
  saved: Uint8Array | undefined = undefined;
  /** The bytes that it saved, [savedFrom, savedTo), in their places in `saved`: it changes no others. */
  savedFrom = 0;
  savedTo = 0;
  savedSeal: Seal | undefined = undefined;
  savedSealSeed = 0;
  savedVerifiedAs = 0;
  savedVerifiedFor = 0;
  seal: Seal | undefined = undefined;
  /** Seed of the checksum that `seal` computes: the owning inode's. */
  sealSeed = 0;
  /** Whether the block may not be evicted: it is changed, and its place on the device is not. */
  pinned = false;
  /** Neighbours in the order of use; the cache's business. */
  newer: CachedBlock | undefined = undefined;
  older: CachedBlock | undefined = undefined;

  constructor(block: number, data: Uint8Array) {
    this.block = block;
    this.data = data;
    this.view = new DataView(data.buffer, data.byteOffset, data.length);
  }
}

/** What a block was verified as: the values of `CachedBlock.verifiedAs`. 0 is "nothing yet". */
export const Verified = {
  descriptors: 1,
  extents: 2,
  indirect: 3,
  directoryLeaf: 4,
  directoryIndex: 5,
  xattrs: 6,
  orphans: 7,
  inodeTable: 8,
  blockBitmap: 9,
  inodeBitmap: 10,
  superblock: 11,
  quota: 12,
  data: 13,
} as const;

/** What V8 needs for a block besides its bytes (measured: 480): for 1 KiB, half as much again. */
const OBJECTS = 512;

/**
 * The cache of metadata blocks: least recently used goes first, never more than its capacity. Blocks that were handed out
 * stay valid for whoever holds them after eviction. They are changed through a handle only (journal/handle.ts), which pins them:
 * pinned blocks stay until their changes are home, and whoever pins bounds their number.
 */
export class BlockCache {
  readonly blockSize: number;
  /** Blocks. */
  readonly capacity: number;
  /** Number of blocks that may be read: block numbers are below it. */
  readonly blockCount: number;
  hits = 0;
  misses = 0;
  readonly #device: BlockDevice;
  readonly #blocks = new Map<number, CachedBlock>();
  /** Bytes of the longest run of blocks that is read or written at once. */
  readonly #mostBytes: number;
  /** Where a run is read to; made when there is one. */
  #run: Uint8Array | undefined;
  #newest: CachedBlock | undefined = undefined;
  #oldest: CachedBlock | undefined = undefined;

  /**
   * @param blockSize bytes, a power of two
   * @param blockCount blocks that the file system has; reading past it is a caller's error
   * @param capacityBytes bound of what the cached blocks take of memory; at least 64 blocks are kept
   */
  constructor(device: BlockDevice, blockSize: number, blockCount: number, capacityBytes: number) {
    this.#device = device;
    this.blockSize = blockSize;
    this.blockCount = blockCount;
    this.capacity = Math.max(64, Math.floor(capacityBytes / (blockSize + OBJECTS)));
    this.#mostBytes = Math.max(128 * 1024, blockSize);
  }

  /** Most blocks that one `prefetch` reads. */
  get longestRun(): number {
    return Math.min(this.#mostBytes / this.blockSize, this.capacity >> 1);
  }

  /** Cached blocks. */
  get size(): number {
    return this.#blocks.size;
  }

  /**
   * The block, from the cache or the device.
   *
   * @param block a block number that the caller has checked: 0 <= block < blockCount
   * @throws DeviceError when the device cannot read it
   */
  read(block: number): CachedBlock {
    const cached = this.#blocks.get(block);
    if (cached !== undefined) {
      this.hits++;
      if (cached !== this.#newest && !cached.pinned) {
        this.#unlink(cached);
        this.#push(cached);
      }
      return cached;
    }
    this.misses++;
    const data = new Uint8Array(this.blockSize);
    this.#device.read(block * this.blockSize, data);
    return this.#insert(block, data);
  }

  /** The block if it is cached, without counting as a use. */
  peek(block: number): CachedBlock | undefined {
    return this.#blocks.get(block);
  }

  /** The block without reading it: for one whose bytes will all be replaced. A block that was not cached is all zeros. */
  createBlock(block: number): CachedBlock {
    return this.#blocks.get(block) ?? this.#insert(block, new Uint8Array(this.blockSize));
  }

  /** Keeps a block that is in the cache, or was, from being evicted. */
  pin(block: CachedBlock): void {
    if (block.pinned) return;
    const cached = this.#blocks.get(block.block);
    // Its changes would be lost: no operation may hold a block while others change another copy.
    if (cached?.pinned === true) throw new Error(`two copies of block ${block.block} are changed`);
    if (cached !== undefined) this.#unlink(cached);
    // It may have been evicted while its holder had it, and read again by somebody else since.
    if (cached !== block) this.#blocks.set(block.block, block);
    block.pinned = true;
  }

  unpin(block: CachedBlock): void {
    if (!block.pinned) return;
    block.pinned = false;
    this.#push(block);
    this.#evict();
  }

  /** Forgets a block, pinned or not, and what was changed in it. */
  drop(block: CachedBlock): void {
    if (this.#blocks.get(block.block) !== block) return;
    if (!block.pinned) this.#unlink(block);
    block.pinned = false;
    this.#blocks.delete(block.block);
  }

  /** Lays down the writes of blocks to their places on the device, those that lie in a row together. @param blocks are sorted */
  writeHome(blocks: CachedBlock[], io: IoSequence): void {
    blocks.sort((a, b) => a.block - b.block);
    const { blockSize } = this;
    const most = this.#mostBytes / blockSize;
    for (let first = 0; first < blocks.length; ) {
      const start = blocks[first]!.block;
      let count = 1;
      while (count < most && blocks[first + count]?.block === start + count) count++;
      const bytes = io.take(count * blockSize).subarray(0, count * blockSize);
      for (let n = 0; n < count; n++) bytes.set(blocks[first + n]!.data, n * blockSize);
      io.write(this.#device, start * blockSize, bytes);
      first += count;
    }
  }

  /** Reads up to `count` blocks from `block` on in one device access, those that are not cached yet. A hint: errors are left to `read`. */
  prefetch(block: number, count: number): void {
    let first = block;
    let end = Math.min(block + count, block + this.longestRun, this.blockCount);
    while (first < end && this.#blocks.has(first)) first++;
    while (end > first && this.#blocks.has(end - 1)) end--;
    if (end - first < 2) return;
    this.#run ??= new Uint8Array(this.#mostBytes);
    const bytes = this.#run.subarray(0, (end - first) * this.blockSize);
    try {
      this.#device.read(first * this.blockSize, bytes);
    } catch (error) {
      if (!isEngineError(error)) throw error;
      return; // whoever needs one of these blocks reads it alone and gets the error
    }
    for (let at = first; at < end; at++) {
      if (this.#blocks.has(at)) continue;
      const offset = (at - first) * this.blockSize;
      this.#insert(at, bytes.slice(offset, offset + this.blockSize));
    }
  }

  /** Forgets everything. */
  clear(): void {
    this.#blocks.clear();
    this.#newest = undefined;
    this.#oldest = undefined;
  }

  #insert(block: number, data: Uint8Array): CachedBlock {
    const cached = new CachedBlock(block, data);
    this.#blocks.set(block, cached);
    this.#push(cached);
    this.#evict();
    return cached;
  }

  /** Evicts the oldest that are not pinned, but never the newest: somebody has just asked for it. */
  #evict(): void {
    while (this.#blocks.size > this.capacity && this.#oldest !== this.#newest) {
      const oldest = this.#oldest!;
      this.#unlink(oldest);
      this.#blocks.delete(oldest.block);
    }
  }

  #push(block: CachedBlock): void {
    block.older = this.#newest;
    block.newer = undefined;
    if (this.#newest !== undefined) this.#newest.newer = block;
    this.#newest = block;
    this.#oldest ??= block;
  }

  #unlink(block: CachedBlock): void {
    if (block.newer !== undefined) block.newer.older = block.older;
    else this.#newest = block.older;
    if (block.older !== undefined) block.older.newer = block.newer;
    else this.#oldest = block.newer;
    block.newer = undefined;
    block.older = undefined;
  }
}
