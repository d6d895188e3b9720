import { crc32c } from "../checksum/crc32c.js";
import { CorruptionError, UnsupportedFeatureError } from "../errors.js";
import { MAX_WRITTEN_EXTENT } from "../format/extent.js";
import { GOOD_OLD_INODE_SIZE } from "../format/inode.js";
import {
  FastCommitAddRange,
  FastCommitDelRange,
  FastCommitEntry,
  FastCommitHead,
  FastCommitHeader,
  FastCommitInode,
  FastCommitTag,
  FastCommitTail,
} from "../format/journal.js";
import { MAX_FILE_BLOCKS } from "../map/mapping.js";
import { checkBlockRange, type Volume } from "../volume.js";
import type { JournalLog } from "./log.js";

/** A range of file blocks that was given blocks, or lost them (`block` is 0). */
export interface RangeRecord {
  readonly tag: typeof FastCommitTag.addRange | typeof FastCommitTag.delRange;
  readonly ino: number;
  readonly fileBlock: number;
  /** Blocks. */
  readonly length: number;
  readonly block: number;
  readonly unwritten: boolean;
}

/** A directory entry that was added or removed. */
export interface EntryRecord {
  readonly tag: typeof FastCommitTag.create | typeof FastCommitTag.link | typeof FastCommitTag.unlink;
  readonly parent: number;
  readonly ino: number;
  readonly name: Uint8Array;
}

/** An inode as it was at the fast commit: the beginning of the on-disk inode. */
export interface InodeRecord {
  readonly tag: typeof FastCommitTag.inode;
  readonly ino: number;
  readonly raw: Uint8Array;
}

export type FastCommitRecord = RangeRecord | EntryRecord | InodeRecord;

export interface FastCommits {
  /** Those of the complete fast commits, in order. */
  readonly records: readonly FastCommitRecord[];
  /** Complete fast commits. */
  readonly count: number;
  /** Why the scan stopped before the area's end, where that was not the end of the fast commits; for the log. */
  readonly stopped: string | undefined;
}

/** The area is 1 MiB as mke2fs makes it; more than this is not read. */
const MAX_AREA = 64 * 1024 * 1024;
const MAX_RECORDS = 2 ** 19;

/**
 * Reads the fast commits that follow the last complete transaction.
 *
 * A fast commit counts when its tail carries the number of the running transaction and the checksum of all before it. The
 * first that does not ends the scan: it was being written when the system stopped (or is left from an earlier
 * transaction). The kernel refuses the mount when already the first one is incomplete; here the state of the last full
 * commit, which is consistent, is shown, and `stopped` says what was left out.
 *
 * @param tid number of the transaction that the fast commits belong to
 * @throws UnsupportedFeatureError for a format that is not known, CorruptionError for records that are whole and impossible
 */
export function scanFastCommits(volume: Volume, log: JournalLog, tid: number): FastCommits {
  const { blockSize, fastCommitFirst, fastCommitEnd } = log;
  const records: FastCommitRecord[] = [];
  let complete = 0;
  let count = 0;
  let crc = 0;
  const end = Math.min(fastCommitEnd, fastCommitFirst + Math.floor(MAX_AREA / blockSize));
  const block = new Uint8Array(blockSize);
  const view = new DataView(block.buffer);
  const finish = (stopped?: string): FastCommits => ({ records: records.slice(0, complete), count, stopped });

  for (let place = fastCommitFirst; place < end; place++) {
    log.read(place, block);
    if (place === fastCommitFirst && view.getUint16(0, true) !== FastCommitTag.head) return finish();
    let length: number;
    for (let at = 0; at + FastCommitHeader.size <= blockSize; at += FastCommitHeader.size + length) {
      const tag = view.getUint16(at, true);
      length = view.getUint16(at + 2, true);
      const value = at + FastCommitHeader.size;
      const where = `tag ${tag} of ${length} bytes at ${at} of block ${place} of the journal`;
      if (length > blockSize - value || !lengthFits(volume, tag, length))
        return finish(count === 0 ? where : undefined);
      if (tag === FastCommitTag.tail) {
        const tail = FastCommitTail.at(view, value);
        crc = crc32c(crc, block, at, value + FastCommitTail.offset.checksum);
        if (tail.tid !== tid)
          return finish(records.length > complete && count === 0 ? `${where}: another transaction` : undefined);
        if (tail.checksum !== crc) return finish(`${where}: wrong checksum`);
        complete = records.length;
        count++;
        crc = 0;
        continue;
      }
      if (tag === FastCommitTag.head) {
        const head = FastCommitHead.at(view, value);
        if (head.tid !== tid) return finish();
        if (head.features !== 0) {
          throw new UnsupportedFeatureError(
            [`fast_commit 0x${head.features.toString(16)}`],
            "the journal holds fast commits of an unknown format; noload reads the file system without them",
          );
        }
      }
      crc = crc32c(crc, block, at, value + length);
      const record = decode(tag, view, value, length);
      if (record === undefined) continue;
      if (records.length >= MAX_RECORDS) {
        throw new CorruptionError(
          "journal-block",
          { fileBlock: place },
          `more than ${MAX_RECORDS} fast-commit records`,
        );
      }
      records.push(record);
    }
  }
  return finish();
}

/** Refuses what no fast commit can say. Done for complete ones only: what precedes a torn end may be anything. */
export function checkRecord(volume: Volume, record: FastCommitRecord): void {
  const { inodeCount } = volume.geometry;
  const { ino } = record;
  const wrong = (evidence: string) => new CorruptionError("journal-block", { inode: ino }, `fast commit: ${evidence}`);
  if (!(ino >= 1 && ino <= inodeCount)) throw wrong(`inode ${ino} of ${inodeCount}`);
  if ("parent" in record) {
    if (!(record.parent >= 1 && record.parent <= inodeCount)) throw wrong(`inode ${record.parent} of ${inodeCount}`);
    if (record.name.includes(0x2f) || record.name.includes(0)) throw wrong("a name with a slash or a zero byte");
    return;
  }
  if (record.tag === FastCommitTag.inode) return;
  const { fileBlock, length, block } = record;
  if (length === 0) throw wrong("an empty range");
  if (record.tag === FastCommitTag.delRange) return;
  if (fileBlock + length > MAX_FILE_BLOCKS) throw wrong(`a range from ${fileBlock}, ${length} blocks long`);
  checkBlockRange(volume, block, length, "journal-block", { inode: ino, fileBlock });
}

/** The kernel's ext4_fc_value_len_isvalid; tags that are not known have no valid length. */
function lengthFits(volume: Volume, tag: number, length: number): boolean {
  switch (tag) {
    case FastCommitTag.addRange:
      return length === FastCommitAddRange.size;
    case FastCommitTag.delRange:
      return length === FastCommitDelRange.size;
    case FastCommitTag.create:
    case FastCommitTag.link:
    case FastCommitTag.unlink:
      return length > FastCommitEntry.size && length <= FastCommitEntry.size + 255;
    case FastCommitTag.inode:
      return (
        length >= FastCommitInode.size + GOOD_OLD_INODE_SIZE &&
        length <= FastCommitInode.size + volume.geometry.inodeSize
      );
    case FastCommitTag.pad:
      return true;
    case FastCommitTag.tail:
      return length >= FastCommitTail.size;
    case FastCommitTag.head:
      return length === FastCommitHead.size;
    default:
      return false;
  }
}

function decode(tag: number, view: DataView, value: number, length: number): FastCommitRecord | undefined {
  switch (tag) {
    case FastCommitTag.addRange: {
      const range = FastCommitAddRange.at(view, value);
      const raw = range.length;
      const unwritten = raw > MAX_WRITTEN_EXTENT;
      return {
        tag,
        ino: range.inode,
        fileBlock: range.fileBlock,
        length: unwritten ? raw - MAX_WRITTEN_EXTENT : raw,
        block: range.blockHi * 2 ** 32 + range.blockLo,
        unwritten,
      };
    }
    case FastCommitTag.delRange: {
      const { inode, fileBlock, length } = FastCommitDelRange.at(view, value);
      return { tag, ino: inode, fileBlock, length, block: 0, unwritten: false };
    }
    case FastCommitTag.create:
    case FastCommitTag.link:
    case FastCommitTag.unlink: {
      const { parent, inode } = FastCommitEntry.at(view, value);
      return { tag, parent, ino: inode, name: copy(view, value + FastCommitEntry.size, value + length) };
    }
    case FastCommitTag.inode:
      return {
        tag,
        ino: FastCommitInode.at(view, value).inode,
        raw: copy(view, value + FastCommitInode.size, value + length),
      };
    default:
      return undefined;
  }
}

function copy(view: DataView, start: number, end: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + start, end - start).slice();
}
