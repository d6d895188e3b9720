import { allocatorOf } from "../alloc/allocator.js";
import { goalFor } from "../alloc/goal.js";
import { type CachedBlock, Verified } from "../cache/block-cache.js";
import { CorruptionError, FileSystemError } from "../errors.js";
import { I_BLOCK_OFFSET } from "../format/inode.js";
import { groupOfBlock } from "../groups/group-table.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import type { Volume } from "../volume.js";
import { DIRECT, readIndirect } from "./indirect.js";
import { allocateForMap, freeFromMap, holdsMetadata, makeRoomForStep } from "./map-allocation.js";
import { type BlockMapping, MappingType } from "./mapping.js";

/** Levels of indirect blocks that i_block has a pointer for each. */
const LEVELS = 3;

/** Block pointers are 32 bits wide. */
const MAX_POINTER = 0xffff_ffff;

/**
 * Fills the beginning of the hole that `out` shows, which begins with the block that is wanted, and adds the indirect blocks that
 * are missing on the way to it. A run ends with the indirect block that points to it.
 *
 * @param count blocks, at most the hole's
 */
export function allocateIndirect(handle: Handle, inode: Inode, count: number, out: BlockMapping): void {
  const { volume } = handle;
  refuseBigalloc(volume, inode);
  const { fileBlock } = out;
  const perBlock = volume.geometry.blockSize / 4;
  let levels = 0;
  let span = 1;
  let within = 0;
  if (fileBlock >= DIRECT) {
    within = fileBlock - DIRECT;
    for (levels = 1, span = perBlock; within >= span; levels++) {
      within -= span;
      span *= perBlock;
    }
  }
  let goal = goalFor(volume, inode, fileBlock);
  let node: CachedBlock | undefined; // that the pointer in hand is in; undefined for the inode
  let at = I_BLOCK_OFFSET + 4 * (levels === 0 ? fileBlock : DIRECT + levels - 1);
  for (let level = 0; level < levels; level++) {
    const pointer = (node?.view ?? inode.view).getUint32(at, true);
    let child: CachedBlock;
    if (pointer !== 0) child = readIndirect(volume, inode, pointer, level, fileBlock);
    else {
      child = createIndirect(handle, inode, goal);
      setPointer(handle, inode, node, at, child.block);
      goal = child.block + 1;
    }
    node = child;
    span /= perBlock;
    at = 4 * Math.floor(within / span);
    within %= span;
  }
  const { view } = node ?? inode;
  const end = node === undefined ? I_BLOCK_OFFSET + 4 * DIRECT : volume.geometry.blockSize;
  const most = Math.min(count, (end - at) / 4);
  let wanted = 1;
  while (wanted < most && view.getUint32(at + 4 * wanted, true) === 0) wanted++;
  const run = allocateForMap(handle, inode, goal, wanted, holdsMetadata(volume, inode));
  for (let n = 0; n < run.count; n++) setPointer(handle, inode, node, at + 4 * n, run.block + n);
  out.set(MappingType.mapped, fileBlock, run.count, run.block);
  out.isNew = true;
}

/** Unmaps and frees a range of file blocks, last first, and with them the indirect blocks that point nowhere any more. */
export function removeIndirect(handle: Handle, inode: Inode, from: number, to: number): void {
  const { volume } = handle;
  refuseBigalloc(volume, inode);
  makeRoomForStep(handle, inode);
  const removal = new Removal(handle, inode, from, to);
  const perBlock = volume.geometry.blockSize / 4;
  for (let levels = LEVELS; levels > 0; levels--) {
    let first = DIRECT;
    for (let level = 1; level < levels; level++) first += perBlock ** level;
    const at = I_BLOCK_OFFSET + 4 * (DIRECT + levels - 1);
    if (first < to && first + perBlock ** levels > from) removal.removeBelow(undefined, at, levels, 0, first);
  }
  removal.removeData(undefined, I_BLOCK_OFFSET, DIRECT, 0);
  removal.flush();
}

/** One removal from a file with block pointers. */
class Removal {
  readonly #handle: Handle;
  readonly #inode: Inode;
  readonly #from: number;
  readonly #to: number;
  readonly #perBlock: number;
  readonly #metadata: boolean;
  /** Blocks that no pointer names any more and that are not freed yet. */
  #block = 0;
  #count = 0;
  /** Indirect blocks of groups in which nothing is freed: there, that a block is met again shows nowhere else. */
  readonly #met = new Set<number>();

  constructor(handle: Handle, inode: Inode, from: number, to: number) {
    this.#handle = handle;
    this.#inode = inode;
    this.#from = from;
    this.#to = to;
    this.#perBlock = handle.volume.geometry.blockSize / 4;
    this.#metadata = holdsMetadata(handle.volume, inode);
  }

  /**
   * Removes what hangs from the pointer at `at` of `node`, the indirect block it names included when nothing is left in it.
   *
   * @param node undefined for the inode
   * @param levels of indirect blocks, the one that the pointer names included
   * @param depth number of indirect blocks above that
   * @param first file block that the pointer stands for
   */
  removeBelow(node: CachedBlock | undefined, at: number, levels: number, depth: number, first: number): void {
    const inode = this.#inode;
    const pointer = (node?.view ?? inode.view).getUint32(at, true);
    if (pointer === 0) return;
    const { volume } = this.#handle;
    const child = readIndirect(volume, inode, pointer, depth, first);
    if (allocatorOf(volume).badBlockBitmaps.has(groupOfBlock(volume, pointer))) {
      if (this.#met.has(pointer)) {
        const location = { inode: inode.ino, fileBlock: first, block: pointer };
        throw new CorruptionError("indirect-cycle", location, "the indirect block is in the file twice");
      }
      this.#met.add(pointer);
    }
    const perBlock = this.#perBlock;
    if (levels === 1) this.removeData(child, 0, perBlock, first);
    else {
      const span = perBlock ** (levels - 1);
      const low = Math.max(0, Math.floor((this.#from - first) / span));
      const high = Math.min(perBlock, Math.ceil((this.#to - first) / span));
      for (let n = high - 1; n >= low; n--) this.removeBelow(child, 4 * n, levels - 1, depth + 1, first + n * span);
    }
    if (!isEmpty(child)) return;
    this.#makeRoom();
    setPointer(this.#handle, inode, node, at, 0);
    freeFromMap(this.#handle, inode, pointer, 1, true);
  }

  /** Removes data whose pointers, `count` from `base` on in `node`, stand for the file blocks from `first` on. */
  removeData(node: CachedBlock | undefined, base: number, count: number, first: number): void {
    const { view } = node ?? this.#inode;
    const low = Math.max(0, this.#from - first);
    const high = Math.min(count, this.#to - first);
    for (let n = high - 1; n >= low; n--) {
      const pointer = view.getUint32(base + 4 * n, true);
      if (pointer === 0) continue;
      if (this.#count > 0 && pointer === this.#block - 1) this.#block--;
      else {
        this.flush();
        this.#makeRoom();
        this.#block = pointer;
      }
      this.#count++;
      setPointer(this.#handle, this.#inode, node, base + 4 * n, 0);
    }
  }

  flush(): void {
    if (this.#count === 0) return;
    freeFromMap(this.#handle, this.#inode, this.#block, this.#count, this.#metadata);
    this.#count = 0;
  }

  /** May restart the handle: what was unmapped is freed before. */
  #makeRoom(): void {
    this.flush();
    makeRoomForStep(this.#handle, this.#inode);
  }
}

function setPointer(handle: Handle, inode: Inode, node: CachedBlock | undefined, at: number, block: number): void {
  if (block > MAX_POINTER) {
    throw new FileSystemError("ENOSPC", `block pointers of 32 bits cannot name block ${block}, which was free`);
  }
  if (node !== undefined) handle.modify(node);
  (node ?? inode).view.setUint32(at, block, true);
}

function createIndirect(handle: Handle, inode: Inode, goal: number): CachedBlock {
  const { block } = allocateForMap(handle, inode, goal, 1, true);
  const node = handle.create(block);
  node.verifiedAs = Verified.indirect;
  node.verifiedFor = inode.ino;
  return node;
}

function isEmpty({ view, data }: CachedBlock): boolean {
  for (let at = 0; at < data.length; at += 4) {
    if (view.getUint32(at, true) !== 0) return false;
  }
  return true;
}

/** The kernel does not know block pointers in a file system with bigalloc either. */
function refuseBigalloc(volume: Volume, inode: Inode): void {
  if (!volume.features.bigalloc) return;
  throw new CorruptionError("inode-geometry", { inode: inode.ino }, "block pointers in a file system with bigalloc");
}
