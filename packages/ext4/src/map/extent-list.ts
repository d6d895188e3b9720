import { MAX_WRITTEN_EXTENT } from "../format/extent.js";

/** Longest extent whose blocks are unwritten: one less than ee_len could tell apart from a written one. */
export const MAX_UNWRITTEN_EXTENT = MAX_WRITTEN_EXTENT - 1;

/** More than any change of the tree makes: the neighbours, and three parts of which one is cut in two. */
const MOST = 8;

/** A few extents in the order of the file, which joins those that one entry can stand for. */
export class ExtentList {
  count = 0;
  readonly fileBlock = new Float64Array(MOST);
  readonly length = new Float64Array(MOST);
  readonly block = new Float64Array(MOST);
  readonly unwritten = new Uint8Array(MOST);

  clear(): void {
    this.count = 0;
  }

  /** Adds an extent behind the others: to the last one if it continues that, else as one entry or two. */
  add(fileBlock: number, length: number, block: number, unwritten: boolean): void {
    const most = unwritten ? MAX_UNWRITTEN_EXTENT : MAX_WRITTEN_EXTENT;
    const last = this.count - 1;
    if (
      last >= 0 &&
      this.fileBlock[last]! + this.length[last]! === fileBlock &&
      this.block[last]! + this.length[last]! === block &&
      (this.unwritten[last] === 1) === unwritten &&
      this.length[last]! + length <= most
    ) {
      this.length[last] = this.length[last]! + length;
      return;
    }
    const first = Math.min(length, most);
    this.append(fileBlock, first, block, unwritten);
    if (length > first) this.append(fileBlock + first, length - first, block + first, unwritten);
  }

  /** ee_len of extent `n`. */
  rawLength(n: number): number {
    return this.length[n]! + (this.unwritten[n] === 1 ? MAX_WRITTEN_EXTENT : 0);
  }

  /** Adds an extent, no longer than one may be, as an entry of its own. */
  append(fileBlock: number, length: number, block: number, unwritten: boolean): void {
    const n = this.count++;
    this.fileBlock[n] = fileBlock;
    this.length[n] = length;
    this.block[n] = block;
    this.unwritten[n] = unwritten ? 1 : 0;
  }
}
