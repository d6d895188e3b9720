import { crc32c } from "../../checksum/crc32c.js";
import { MAX_WRITTEN_EXTENT } from "../../format/extent.js";
import {
  FastCommitAddRange,
  FastCommitDelRange,
  FastCommitEntry,
  FastCommitHead,
  FastCommitHeader,
  FastCommitInode,
  FastCommitTag,
  FastCommitTail,
} from "../../format/journal.js";
import { MAX_UNWRITTEN_EXTENT } from "../../map/extent-list.js";

/**
 * Bytes that are left at the end of a block at least, for the tag that fills it: its header and one more byte. Of a header alone
 * at a block's very end, those who replay differ in whether they count it.
 */
const LEAST_PAD = FastCommitHeader.size + 1;

/** The inverse of fast-commit-scan.ts: lays down the tags of one fast commit. No tag crosses a block's end. */
export class FastCommitTags {
  readonly #blockSize: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #end: number;
  #at = 0;
  /** Where what the next tail's checksum covers begins. */
  #start = 0;
  #tailEnd = 0;

  /** @param most blocks of one fast commit */
  constructor(blockSize: number, most: number) {
    this.#blockSize = blockSize;
    this.#bytes = new Uint8Array(most * blockSize);
    this.#view = new DataView(this.#bytes.buffer);
    this.#end = 0;
  }

  /** Begins a fast commit of `most` blocks at most. */
  begin(most: number): void {
    this.#at = 0;
    this.#start = 0;
    this.#end = Math.min(most * this.#blockSize, this.#bytes.length);
  }

  /** Bytes up to the last tail's end, without what fills its block. */
  get length(): number {
    return this.#tailEnd;
  }
  /** Whole blocks; after a tail. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  /**
   * Begins a tag.
   *
   * @returns offset of its value, -1 when there is no more room
   */
  #tag(tag: number, length: number): number {
    const size = FastCommitHeader.size + length;
    let left = this.#blockSize - (this.#at % this.#blockSize);
    if (size + LEAST_PAD > left) {
      if (size + LEAST_PAD > this.#blockSize) return -1;
      this.#pad(left);
      left = this.#blockSize;
    }
    // A tail has to follow, perhaps in a block of its own.
    const rest = left - size >= FastCommitHeader.size + FastCommitTail.size ? 0 : this.#blockSize;
    if (this.#at + left + rest > this.#end) return -1;
    return this.#put(tag, length);
  }

  #put(tag: number, length: number): number {
    const value = this.#at + FastCommitHeader.size;
    this.#view.setUint16(this.#at, tag, true);
    this.#view.setUint16(this.#at + FastCommitHeader.offset.length, length, true);
    this.#at = value + length;
    return value;
  }

  #pad(left: number): void {
    const length = left - FastCommitHeader.size;
    const at = this.#put(FastCommitTag.pad, length);
    this.#bytes.fill(0, at, at + length);
  }

  /** The first tag of a transaction's fast commits. */
  head(tid: number): boolean {
    const at = this.#tag(FastCommitTag.head, FastCommitHead.size);
    if (at < 0) return false;
    this.#view.setUint32(at + FastCommitHead.offset.features, 0, true);
    this.#view.setUint32(at + FastCommitHead.offset.tid, tid, true);
    return true;
  }

  /** The end of a fast commit, and of its last block. There is room for it always. */
  tail(tid: number): void {
    let left = this.#blockSize - (this.#at % this.#blockSize);
    if (left < FastCommitHeader.size + FastCommitTail.size) {
      this.#pad(left);
      left = this.#blockSize;
    }
    const length = left - FastCommitHeader.size;
    const at = this.#put(FastCommitTag.tail, length);
    this.#bytes.fill(0, at, at + length);
    this.#view.setUint32(at + FastCommitTail.offset.tid, tid, true);
    const sum = at + FastCommitTail.offset.checksum;
    this.#view.setUint32(sum, crc32c(0, this.#bytes, this.#start, sum), true);
    this.#start = this.#at;
    this.#tailEnd = at + FastCommitTail.size;
  }

  /** @param raw the on-disk inode, or its beginning */
  inode(ino: number, raw: Uint8Array): boolean {
    const at = this.#tag(FastCommitTag.inode, FastCommitInode.size + raw.length);
    if (at < 0) return false;
    this.#view.setUint32(at, ino, true);
    this.#bytes.set(raw, at + FastCommitInode.size);
    return true;
  }

  entry(tag: number, parent: number, ino: number, name: Uint8Array): boolean {
    const at = this.#tag(tag, FastCommitEntry.size + name.length);
    if (at < 0) return false;
    this.#view.setUint32(at + FastCommitEntry.offset.parent, parent, true);
    this.#view.setUint32(at + FastCommitEntry.offset.inode, ino, true);
    this.#bytes.set(name, at + FastCommitEntry.size);
    return true;
  }

  /** As many tags as the range needs, which hold no more than an extent does each. */
  addRange(ino: number, fileBlock: number, count: number, block: number, unwritten: boolean): boolean {
    const most = unwritten ? MAX_UNWRITTEN_EXTENT : MAX_WRITTEN_EXTENT;
    for (let done = 0; done < count; done += most) {
      const length = Math.min(most, count - done);
      const at = this.#tag(FastCommitTag.addRange, FastCommitAddRange.size);
      if (at < 0) return false;
      const { offset } = FastCommitAddRange;
      this.#view.setUint32(at + offset.inode, ino, true);
      this.#view.setUint32(at + offset.fileBlock, fileBlock + done, true);
      this.#view.setUint16(at + offset.length, unwritten ? MAX_WRITTEN_EXTENT + length : length, true);
      this.#view.setUint16(at + offset.blockHi, Math.floor((block + done) / 2 ** 32), true);
      this.#view.setUint32(at + offset.blockLo, (block + done) % 2 ** 32, true);
    }
    return true;
  }

  delRange(ino: number, fileBlock: number, count: number): boolean {
    const at = this.#tag(FastCommitTag.delRange, FastCommitDelRange.size);
    if (at < 0) return false;
    this.#view.setUint32(at + FastCommitDelRange.offset.inode, ino, true);
    this.#view.setUint32(at + FastCommitDelRange.offset.fileBlock, fileBlock, true);
    this.#view.setUint32(at + FastCommitDelRange.offset.length, count, true);
    return true;
  }
}
