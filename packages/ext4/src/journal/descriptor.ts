import {
  BLOCK_TAIL_SIZE,
  BlockTag,
  BlockTag3,
  JournalHeader,
  RevokeHeader,
  TAG_UUID_SIZE,
  TagFlag,
} from "../format/journal.js";
import { checksumWithout } from "./checksum.js";
import type { JournalLog } from "./log.js";

/** Bytes of a block tag without its UUID. The sizes with checksum v2 are an accident that became the format. */
export function tagSize(log: JournalLog): number {
  if (log.checksum === 3) return BlockTag3.size;
  return BlockTag.size - (log.is64Bit ? 0 : 4) + (log.checksum === 2 ? 2 : 0);
}

/** Reads the tags of a descriptor block, one after the other. */
export class TagReader {
  block = 0;
  flags = 0;
  /** As stored: 32 bits with checksum v3, the low 16 with v2, meaningless without. */
  checksum = 0;
  readonly #log: JournalLog;
  readonly #size: number;
  readonly #end: number;
  #view: DataView = new DataView(new ArrayBuffer(0));
  #at = 0;

  constructor(log: JournalLog) {
    this.#log = log;
    this.#size = tagSize(log);
    this.#end = log.blockSize - (log.checksum >= 2 ? BLOCK_TAIL_SIZE : 0);
  }

  /** Starts at the first tag of the descriptor block `view`. */
  start(view: DataView): this {
    this.#view = view;
    this.#at = JournalHeader.size;
    this.flags = 0;
    return this;
  }

  /** Steps to the next tag; false behind the last. */
  next(): boolean {
    const at = this.#at;
    if ((this.flags & TagFlag.last) !== 0 || at + this.#size > this.#end) return false;
    const view = this.#view;
    const v3 = this.#log.checksum === 3;
    this.flags = v3 ? view.getUint32(at + BlockTag3.offset.flags) : view.getUint16(at + BlockTag.offset.flags);
    this.checksum = v3 ? view.getUint32(at + BlockTag3.offset.checksum) : view.getUint16(at + BlockTag.offset.checksum);
    this.block = view.getUint32(at);
    if (this.#log.is64Bit) this.block += view.getUint32(at + BlockTag.offset.blockHi) * 2 ** 32;
    this.#at = at + this.#size + ((this.flags & TagFlag.sameUuid) === 0 ? TAG_UUID_SIZE : 0);
    return true;
  }

  /** Tags of the descriptor block `view`: the logged blocks that follow it. */
  count(view: DataView): number {
    this.start(view);
    let count = 0;
    while (this.next()) count++;
    return count;
  }
}

/** Whether the checksum at the end of a descriptor or revoke block matches; true when the journal has none. */
export function tailMatches(log: JournalLog, block: Uint8Array, view: DataView): boolean {
  if (log.checksum < 2) return true;
  const offset = log.blockSize - BLOCK_TAIL_SIZE;
  return checksumWithout(log.seed, block, offset) === view.getUint32(offset);
}

/** Calls `visit` for each block number in the revoke block `view`; false when its length is not right. */
export function readRevokes(log: JournalLog, view: DataView, visit: (block: number) => void): boolean {
  const count = RevokeHeader.at(view, 0).count;
  const room = log.blockSize - (log.checksum >= 2 ? BLOCK_TAIL_SIZE : 0);
  if (count > room) return false;
  const size = log.is64Bit ? 8 : 4;
  for (let at = RevokeHeader.size; at + size <= count; at += size) {
    visit(log.is64Bit ? view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4) : view.getUint32(at));
  }
  return true;
}
