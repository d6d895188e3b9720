import type { CachedBlock } from "../cache/block-cache.js";
import type { Inode } from "../inode/inode.js";
import type { Volume } from "../volume.js";
import { IndexPath } from "./htree.js";
import { NokeyName } from "./nokey-name.js";
import { SortedEntries } from "./sorted-entries.js";

/**
 * Leaves that share a hash are sorted together, so many bytes or blocks of them at most. Names of equal hashes are rare:
 * an honest run is two or three leaves, and a hostile one is to cost little each time that a listing comes by.
 */
const BATCH_BYTES = 256 * 1024;
const BATCH_BLOCKS = 4;

/** Most leaves that names of one hash may fill. */
export function mostLeavesOfHash(volume: Volume): number {
  return Math.max(BATCH_BLOCKS, BATCH_BYTES / volume.geometry.blockSize);
}

/** What a listing works with; a visitor may list another directory meanwhile, so each listing takes one of its own. */
export class Listing {
  readonly path = new IndexPath();
  readonly entries = new SortedEntries();
  readonly nokey = new NokeyName();
  /** Cookie of the last entry that was numbered. */
  high = 0;
  low = 0;
  /** Directory whose one leaf `entries` holds, sorted, and as of which change. Then the range of hashes that it was checked to be in. */
  sortedFor: Inode | undefined = undefined;
  sortedAt = 0;
  /** Of the leaf: another directory may have the same block, and have changed it since. */
  sortedVerification = 0;
  sortedFrom = 0;
  sortedTo = 0;
  sortedBy = 0;

  /** Sorts the entries of one leaf, for the next call as well. */
  sortLeaf(dir: Inode, leaf: CachedBlock, from: number, to: number, version: number): void {
    this.entries.sort();
    this.sortedFor = dir;
    this.sortedAt = dir.entryChanges;
    this.sortedVerification = leaf.verification;
    this.sortedFrom = from;
    this.sortedTo = to;
    this.sortedBy = version;
  }

  /** Whether `entries` are those of this leaf already: the same bytes, and nothing has changed in the directory. */
  holds(dir: Inode, leaf: CachedBlock, from: number, to: number, version: number): boolean {
    return (
      this.sortedFor === dir &&
      this.sortedAt === dir.entryChanges &&
      this.entries.regions[0] === leaf.data &&
      this.sortedVerification === leaf.verification &&
      this.sortedFrom === from &&
      this.sortedTo === to &&
      this.sortedBy === version
    );
  }

  startBatch(): void {
    this.entries.clear();
    this.sortedFor = undefined;
  }
}
