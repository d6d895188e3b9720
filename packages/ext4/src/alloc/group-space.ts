import type { Volume } from "../volume.js";
import { clearBits, countClear, setBits } from "./bits.js";
import { clustersInGroup, wholeClustersInGroup } from "./group-geometry.js";
import type { GrowthWindow } from "./growth-windows.js";

/** What is known in memory of the free clusters of a group. Bounds that are too wide cost time, never a wrong answer. */
export class GroupSpace {
  readonly group: number;
  /** Clusters that may be allocated. */
  readonly clusters: number;
  /** Those that are counted: one more where the file system ends inside of a cluster. */
  readonly #counted: number;
  /** By group; see Allocator.longest. */
  readonly #longest: Int32Array;
  /** No cluster below is free. */
  lowest = 0;
  /** No inode below this index is free. */
  lowestInode = 0;
  /**
   * The bitmap with the clusters still set that were freed by transactions which are not durable: they must not be used again
   * before. Undefined when there are none.
   */
  held: DataView | undefined = undefined;
  /** Number of these clusters. */
  heldCount = 0;
  /** Space behind files that grow. */
  readonly windows: GrowthWindow[] = [];
  /** Whether the allocator's current handle has changed it. */
  isTouched = false;

  constructor(volume: Volume, group: number, longest: Int32Array) {
    this.group = group;
    this.#longest = longest;
    this.clusters = wholeClustersInGroup(volume, group);
    this.#counted = clustersInGroup(volume, group);
  }

  /** No run of free clusters is longer. */
  get longest(): number {
    return this.#longest[this.group] ?? this.clusters;
  }
  set longest(clusters: number) {
    this.#longest[this.group] = clusters;
  }

  /** Notes that [from, end) was allocated. */
  took(from: number, end: number): void {
    if (this.held !== undefined) setBits(this.held, from, end);
    if (from <= this.lowest && this.lowest < end) this.lowest = end;
  }

  /** Notes that [from, end) is being freed; `bitmap` has the bits still set. */
  hold(bitmap: DataView, from: number, end: number): void {
    if (this.held === undefined) {
      const copy = new Uint8Array(bitmap.byteLength);
      copy.set(new Uint8Array(bitmap.buffer, bitmap.byteOffset, bitmap.byteLength));
      this.held = new DataView(copy.buffer);
    }
    this.heldCount += end - from;
  }

  /** The transaction that freed [from, end) is durable: it may be used. */
  release(from: number, end: number): void {
    if (this.held === undefined) return;
    clearBits(this.held, from, end);
    this.heldCount -= end - from;
    if (this.heldCount <= 0) this.#holdNothing();
    else this.forgetBounds();
  }

  #holdNothing(): void {
    this.held = undefined;
    this.heldCount = 0;
    this.forgetBounds();
  }

  /** Takes back that [from, end) was allocated. */
  untake(from: number, end: number): void {
    if (this.held !== undefined) clearBits(this.held, from, end);
    this.forgetBounds();
  }

  /** After an undo: how much is held follows from the descriptor. */
  recount(freeClusters: number): void {
    this.lowestInode = 0;
    if (this.held === undefined) return;
    this.heldCount = freeClusters - countClear(this.held, this.#counted);
    if (this.heldCount <= 0) this.#holdNothing();
  }

  forgetBounds(): void {
    this.longest = this.clusters;
    this.lowest = 0;
  }
}
