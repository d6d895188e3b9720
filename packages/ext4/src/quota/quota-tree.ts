import type { CachedBlock } from "../cache/block-cache.js";
import {
  QUOTA_BLOCK_SIZE,
  QUOTA_DEPTH,
  QUOTA_ENTRIES,
  QUOTA_ROOT,
  QuotaDataLayout,
  type QuotaDataView,
  QuotaEntryLayout,
  type QuotaEntryView,
} from "../format/quota.js";
import type { Handle } from "../journal/handle.js";
import type { Volume } from "../volume.js";
import type { Grace } from "./limits.js";
import { QuotaBlocks } from "./quota-blocks.js";

/** Most places of entries that are remembered. */
const MOST_PLACES = 4096;

const ENTRY_SIZE = QuotaEntryLayout.size;

/** Where an entry lies. */
interface Place {
  /** Block of the quota file. */
  readonly quotaBlock: number;
  /** Block of the file system, and offset there. */
  readonly block: number;
  readonly offset: number;
}

/**
 * The file that says what each user, group or project has and may have: a radix tree over ids that leads to blocks of entries
 * (the kernel's quota_tree). All numbers are read from and written to cached blocks, so that what undoes these undoes them; only
 * where an entry lies is remembered.
 */
export class QuotaTree {
  readonly #blocks: QuotaBlocks;
  readonly #places = new Map<number, Place>();
  readonly #data: QuotaDataView = QuotaDataLayout.at(new DataView(new ArrayBuffer(QUOTA_BLOCK_SIZE)), 0);
  readonly #entry: QuotaEntryView = QuotaEntryLayout.at(new DataView(new ArrayBuffer(ENTRY_SIZE)), 0);

  /** @param type 0 user, 1 group, 2 project */
  constructor(volume: Volume, type: number, ino: number) {
    this.#blocks = new QuotaBlocks(volume, type, ino);
  }

  get ino(): number {
    return this.#blocks.ino;
  }

  /** Checks the file's header. @throws CorruptionError quota-file */
  verify(): void {
    this.#blocks.header();
  }

  /** Seconds that space and inodes may be above their soft limits. */
  grace(): Grace {
    const { blockGrace, inodeGrace } = this.#blocks.header();
    return { space: blockGrace, inodes: inodeGrace };
  }

  /** An id's entry, in place and valid until the next call; undefined when it has none. @throws CorruptionError quota-file */
  find(id: number): QuotaEntryView | undefined {
    const place = this.#place(id);
    return place && this.#at(place);
  }

  /** As `find`, to be changed; an entry of zeros is made where there is none. @throws FileSystemError ENOSPC */
  change(handle: Handle, id: number): QuotaEntryView {
    const place = this.#place(id) ?? this.#insert(handle, id);
    handle.modify(this.#blocks.readAt(place.quotaBlock, place.block));
    return this.#at(place);
  }

  /** Removes an id's entry, and the blocks that held nothing else. */
  remove(handle: Handle, id: number): void {
    const place = this.#place(id);
    if (place === undefined) return;
    // As it is now: a leaf that is freed may be one of the blocks above it as well.
    const path = this.#path(id);
    const leaf = path[QUOTA_DEPTH];
    if (leaf !== place.quotaBlock || path.indexOf(leaf) < QUOTA_DEPTH) {
      throw this.#blocks.corrupt(
        place.quotaBlock,
        `the way to the entry of id ${id} does not lead there, or leads through it`,
      );
    }
    this.#places.delete(id);
    this.#removeEntry(handle, place);
    for (let level = QUOTA_DEPTH - 1; level >= 0; level--) {
      const block = path[level]!;
      const cached = this.#blocks.change(handle, block);
      const offset = this.#blocks.offset(block);
      cached.view.setUint32(offset + 4 * digit(id, level), 0, true);
      if (level === 0 || !isZero(cached, offset, QUOTA_BLOCK_SIZE)) return;
      this.#blocks.free(handle, block);
    }
  }

  #at({ quotaBlock, block, offset }: Place): QuotaEntryView {
    return this.#entry.at(this.#blocks.readAt(quotaBlock, block).view, offset);
  }

  #place(id: number): Place | undefined {
    const known = this.#places.get(id);
    if (known !== undefined) return known;
    const path = this.#path(id);
    const leaf = path[QUOTA_DEPTH];
    if (leaf === undefined) return undefined;
    const place = this.#placeIn(leaf, id);
    if (place === undefined) throw this.#blocks.corrupt(leaf, `the entry of id ${id} is not where the tree leads`);
    this.#remember(id, place);
    return place;
  }

  /** The blocks that the digits of an id lead through, from the root on, as far as they go: QUOTA_DEPTH + 1 at most. */
  #path(id: number): number[] {
    const path = [QUOTA_ROOT];
    for (let level = 0; level < QUOTA_DEPTH; level++) {
      const block = path[level]!;
      const next = this.#blocks.read(block).view.getUint32(this.#blocks.offset(block) + 4 * digit(id, level), true);
      if (next === 0) break;
      path.push(this.#blocks.check(next, block));
    }
    return path;
  }

  #placeIn(quotaBlock: number, id: number): Place | undefined {
    const cached = this.#blocks.read(quotaBlock);
    const first = this.#blocks.offset(quotaBlock) + QuotaDataLayout.size;
    for (let n = 0; n < QUOTA_ENTRIES; n++) {
      const offset = first + n * ENTRY_SIZE;
      if (cached.view.getUint32(offset, true) !== id || isZero(cached, offset, ENTRY_SIZE)) continue;
      return { quotaBlock, block: cached.block, offset };
    }
    return undefined;
  }

  #remember(id: number, place: Place): void {
    if (this.#places.size >= MOST_PLACES) this.#places.clear();
    this.#places.set(id, place);
  }

  #insert(handle: Handle, id: number): Place {
    const blocks = this.#blocks;
    const path = this.#path(id);
    while (path.length <= QUOTA_DEPTH) {
      const level = path.length - 1;
      const parent = path[level]!;
      const isLeaf = path.length === QUOTA_DEPTH;
      const child = isLeaf ? this.#leafWithRoom(handle) : blocks.allocate(handle);
      blocks.change(handle, parent).view.setUint32(blocks.offset(parent) + 4 * digit(id, level), child, true);
      path.push(child);
    }
    const place = this.#claimEntry(handle, path[QUOTA_DEPTH]!, id);
    this.#remember(id, place);
    handle.onUndo(() => this.#places.delete(id));
    return place;
  }

  #leafWithRoom(handle: Handle): number {
    const { freeEntry } = this.#blocks.header();
    if (freeEntry !== 0) return this.#blocks.check(freeEntry, 0);
    const leaf = this.#blocks.allocate(handle);
    this.#blocks.changeHeader(handle).freeEntry = leaf;
    return leaf;
  }

  #claimEntry(handle: Handle, leaf: number, id: number): Place {
    const cached = this.#blocks.change(handle, leaf);
    const base = this.#blocks.offset(leaf);
    const { entries } = this.#data.at(cached.view, base);
    if (entries + 1 >= QUOTA_ENTRIES) this.#unlink(handle, leaf);
    this.#data.at(cached.view, base).entries = entries + 1;
    for (let n = 0; n < QUOTA_ENTRIES; n++) {
      const offset = base + QuotaDataLayout.size + n * ENTRY_SIZE;
      if (!isZero(cached, offset, ENTRY_SIZE)) continue;
      cached.view.setUint32(offset, id, true);
      return { quotaBlock: leaf, block: cached.block, offset };
    }
    throw this.#blocks.corrupt(leaf, `${entries} entries, and no room for one more`);
  }

  #removeEntry(handle: Handle, { quotaBlock, offset }: Place): void {
    const cached = this.#blocks.change(handle, quotaBlock);
    const base = this.#blocks.offset(quotaBlock);
    const { entries } = this.#data.at(cached.view, base);
    if (entries === 0 || entries > QUOTA_ENTRIES) throw this.#blocks.corrupt(quotaBlock, `${entries} entries`);
    cached.data.fill(0, offset, offset + ENTRY_SIZE);
    this.#data.entries = entries - 1;
    if (entries === 1) {
      this.#unlink(handle, quotaBlock);
      this.#blocks.free(handle, quotaBlock);
    } else if (entries === QUOTA_ENTRIES) this.#link(handle, quotaBlock);
  }

  /** Takes a block of entries off the list of those with room. */
  #unlink(handle: Handle, leaf: number): void {
    const blocks = this.#blocks;
    const cached = blocks.change(handle, leaf);
    const { nextFree, previousFree } = this.#data.at(cached.view, blocks.offset(leaf));
    if (nextFree !== 0) this.#dataAt(handle, blocks.check(nextFree, leaf)).previousFree = previousFree;
    if (previousFree !== 0) this.#dataAt(handle, blocks.check(previousFree, leaf)).nextFree = nextFree;
    else if (blocks.header().freeEntry === leaf) blocks.changeHeader(handle).freeEntry = nextFree;
    const data = this.#dataAt(handle, leaf);
    data.nextFree = 0;
    data.previousFree = 0;
  }

  #link(handle: Handle, leaf: number): void {
    const blocks = this.#blocks;
    const first = blocks.header().freeEntry;
    if (first !== 0) this.#dataAt(handle, blocks.check(first, 0)).previousFree = leaf;
    const data = this.#dataAt(handle, leaf);
    data.nextFree = first;
    data.previousFree = 0;
    blocks.changeHeader(handle).freeEntry = leaf;
  }

  #dataAt(handle: Handle, leaf: number): QuotaDataView {
    return this.#data.at(this.#blocks.change(handle, leaf).view, this.#blocks.offset(leaf));
  }
}

/** Which reference of a tree block of a level an id follows. */
function digit(id: number, level: number): number {
  return (id >>> (8 * (QUOTA_DEPTH - 1 - level))) & 0xff;
}

function isZero({ data }: CachedBlock, offset: number, length: number): boolean {
  for (let at = offset; at < offset + length; at++) if (data[at] !== 0) return false;
  return true;
}
