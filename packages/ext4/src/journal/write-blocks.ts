import type { CachedBlock } from "../cache/block-cache.js";
import { crc32c } from "../checksum/crc32c.js";
import type { Timestamp } from "../environment.js";
import {
  BLOCK_TAIL_SIZE,
  BlockTag,
  BlockTag3,
  CommitHeader,
  JOURNAL_MAGIC,
  JournalBlockType,
  JournalChecksumType,
  JournalHeader,
  RevokeHeader,
  TAG_UUID_SIZE,
  TagFlag,
} from "../format/journal.js";
import { crc32be, loggedBlockChecksum } from "./checksum.js";
import { tagSize } from "./descriptor.js";
import type { JournalLog } from "./log.js";
import type { LogStream } from "./log-stream.js";

/** The inverse of descriptor.ts and scan.ts: how the blocks of a transaction are laid down. */

/** Logged blocks that one descriptor block has tags for; its first tag is followed by a UUID. */
export function tagsPerBlock(log: JournalLog): number {
  return Math.floor((endOf(log) - JournalHeader.size - TAG_UUID_SIZE) / tagSize(log));
}

/** Revocations that one revoke block holds. */
export function revokesPerBlock(log: JournalLog): number {
  return Math.floor((endOf(log) - RevokeHeader.size) / (log.is64Bit ? 8 : 4));
}

function endOf(log: JournalLog): number {
  return log.blockSize - (log.checksum >= 2 ? BLOCK_TAIL_SIZE : 0);
}

/** Begins a block of the log: all zeros behind its header. @returns its offset in the stream's bytes */
function begin(log: JournalLog, stream: LogStream, type: number, sequence: number): number {
  const at = stream.next();
  stream.data.fill(0, at, at + log.blockSize);
  stream.view.setUint32(at, JOURNAL_MAGIC);
  stream.view.setUint32(at + JournalHeader.offset.blockType, type);
  stream.view.setUint32(at + JournalHeader.offset.sequence, sequence);
  return at;
}

/** The checksum that ends descriptor and revoke blocks. */
function seal(log: JournalLog, stream: LogStream, at: number): void {
  if (log.checksum < 2) return;
  // The checksum's own bytes are zeros.
  const sum = crc32c(log.seed, stream.data, at, at + log.blockSize);
  stream.view.setUint32(at + log.blockSize - BLOCK_TAIL_SIZE, sum);
}

/** Revoke blocks for all of `revoked`. */
export function writeRevokes(log: JournalLog, stream: LogStream, sequence: number, revoked: ReadonlySet<number>): void {
  const size = log.is64Bit ? 8 : 4;
  const end = RevokeHeader.size + revokesPerBlock(log) * size;
  let at = -1;
  let offset = end;
  const finish = () => {
    stream.view.setUint32(at + RevokeHeader.offset.count, offset);
    seal(log, stream, at);
  };
  for (const block of revoked) {
    if (offset === end) {
      if (at >= 0) finish();
      at = begin(log, stream, JournalBlockType.revoke, sequence);
      offset = RevokeHeader.size;
    }
    if (log.is64Bit) stream.view.setUint32(at + offset, Math.floor(block / 2 ** 32));
    stream.view.setUint32(at + offset + size - 4, block % 2 ** 32);
    offset += size;
  }
  if (at >= 0) finish();
}

/**
 * Descriptor blocks and, behind each, the blocks that it describes, as they are in memory.
 *
 * @returns the CRC of all of it, for the commit block of a journal with checksums v1; meaningless for others
 */
export function writeLogged(
  log: JournalLog,
  stream: LogStream,
  sequence: number,
  blocks: readonly CachedBlock[],
): number {
  const most = tagsPerBlock(log);
  const { blockSize } = log;
  let crc = 0xffff_ffff;
  for (let first = 0; first < blocks.length; first += most) {
    const end = Math.min(first + most, blocks.length);
    const descriptor = begin(log, stream, JournalBlockType.descriptor, sequence);
    let at = descriptor + JournalHeader.size;
    for (let n = first; n < end; n++) {
      const block = blocks[n]!;
      let flags = n === first ? 0 : TagFlag.sameUuid;
      if (n === end - 1) flags |= TagFlag.last;
      if (isEscaped(block)) flags |= TagFlag.escape;
      writeTag(log, stream.view, at, sequence, block, flags);
      at += tagSize(log);
      if (n === first) {
        stream.data.set(uuidOf(log), at);
        at += TAG_UUID_SIZE;
      }
    }
    seal(log, stream, descriptor);
    if (log.checksum === 1) crc = crc32be(crc, stream.data.subarray(descriptor, descriptor + blockSize));
    for (let n = first; n < end; n++) {
      const block = blocks[n]!;
      const to = stream.next();
      stream.data.set(block.data, to);
      if (isEscaped(block)) stream.view.setUint32(to, 0);
      if (log.checksum === 1) crc = crc32be(crc, stream.data.subarray(to, to + blockSize));
    }
  }
  return crc;
}

/** A logged block must not look like one of the log's own. */
function isEscaped(block: CachedBlock): boolean {
  return block.view.getUint32(0) === JOURNAL_MAGIC;
}

function writeTag(
  log: JournalLog,
  view: DataView,
  at: number,
  sequence: number,
  block: CachedBlock,
  flags: number,
): void {
  view.setUint32(at, block.block % 2 ** 32);
  if (log.is64Bit) view.setUint32(at + BlockTag.offset.blockHi, Math.floor(block.block / 2 ** 32));
  if (log.checksum < 2) {
    view.setUint16(at + BlockTag.offset.flags, flags);
    return;
  }
  const sum = checksumAsLogged(log, sequence, block, (flags & TagFlag.escape) !== 0);
  if (log.checksum === 3) {
    view.setUint32(at + BlockTag3.offset.flags, flags);
    view.setUint32(at + BlockTag3.offset.checksum, sum);
  } else {
    view.setUint16(at + BlockTag.offset.flags, flags);
    view.setUint16(at + BlockTag.offset.checksum, sum & 0xffff);
  }
}

function checksumAsLogged(log: JournalLog, sequence: number, block: CachedBlock, escaped: boolean): number {
  if (!escaped) return loggedBlockChecksum(log.seed, sequence, block.data);
  const copy = block.data.slice();
  copy.fill(0, 0, 4);
  return loggedBlockChecksum(log.seed, sequence, copy);
}

const UUID_OFFSET = 0x30;

function uuidOf(log: JournalLog): Uint8Array {
  return log.superblock.subarray(UUID_OFFSET, UUID_OFFSET + TAG_UUID_SIZE);
}

/** The block that makes a transaction complete. */
export function writeCommit(
  log: JournalLog,
  stream: LogStream,
  sequence: number,
  crc: number,
  { seconds, nanoseconds }: Timestamp,
): void {
  const at = begin(log, stream, JournalBlockType.commit, sequence);
  const { view } = stream;
  view.setUint32(at + CommitHeader.offset.commitSecondsHi, Math.floor(seconds / 2 ** 32) >>> 0);
  view.setUint32(at + CommitHeader.offset.commitSecondsLo, seconds >>> 0);
  view.setUint32(at + CommitHeader.offset.commitNanoseconds, nanoseconds);
  if (log.checksum === 1) {
    view.setUint8(at + CommitHeader.offset.checksumType, JournalChecksumType.crc32);
    view.setUint8(at + CommitHeader.offset.checksumSize, 4);
    view.setUint32(at + CommitHeader.offset.checksum, crc);
  } else if (log.checksum >= 2) {
    view.setUint32(at + CommitHeader.offset.checksum, crc32c(log.seed, stream.data, at, at + log.blockSize));
  }
}
