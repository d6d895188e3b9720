import { CorruptionError } from "../errors.js";
import {
  CommitHeader,
  JOURNAL_MAGIC,
  JournalBlockType,
  JournalChecksumType,
  JournalHeader,
} from "../format/journal.js";
import { checksumWithout, crc32be } from "./checksum.js";
import { TagReader, tailMatches } from "./descriptor.js";
import type { JournalLog } from "./log.js";

/** A block of the log that is not a logged one. */
export interface LogBlock {
  /** Its place in the journal. */
  readonly place: number;
  readonly type: number;
  /** Number of its transaction. */
  readonly sequence: number;
  readonly data: Uint8Array;
  readonly view: DataView;
}

/** Reads a log from its start on, block by block; never more blocks than the log has. */
export class LogReader implements LogBlock {
  place = 0;
  type = 0;
  sequence: number;
  readonly data: Uint8Array;
  readonly view: DataView;
  readonly #log: JournalLog;
  #next: number;
  #left: number;

  constructor(log: JournalLog) {
    this.#log = log;
    this.#next = log.start;
    this.#left = log.length;
    this.sequence = log.sequence;
    this.data = new Uint8Array(log.blockSize);
    this.view = new DataView(this.data.buffer);
  }

  /** Reads the next block; false when it is none of transaction `sequence`'s, which is where a log ends. */
  next(): boolean {
    if (this.#left === 0) return false;
    this.place = this.skip(1);
    this.#log.read(this.place, this.data);
    const header = JournalHeader.at(this.view, 0);
    if (header.magic !== JOURNAL_MAGIC || header.sequence !== this.sequence) return false;
    this.type = header.blockType;
    return true;
  }

  /** Passes over `count` blocks and returns the place of the first. */
  skip(count: number): number {
    const place = this.#next;
    if (count > this.#left) {
      throw new CorruptionError(
        "journal-block",
        { inode: this.#log.ino, fileBlock: this.place },
        `transaction ${this.sequence} is longer than the log`,
      );
    }
    this.#left -= count;
    this.#next = this.#log.after(place, count);
    return place;
  }
}

/**
 * The first pass: finds where the log ends, which is the number of the first transaction without a commit block.
 *
 * A checksum that does not match means one of three things, which are told apart as the kernel does: an interrupted commit
 * (asynchronous commits, no later transaction), left-overs of an older log (the commit time went back), or damage. Damage is
 * an error: what follows it in the log must not be replayed, and what precedes it is not the consistent state.
 */
export function findEnd(log: JournalLog): number {
  const reader = new LogReader(log);
  const tags = new TagReader(log);
  const logged = new Uint8Array(log.checksum === 1 ? log.blockSize : 0);
  let crc = 0xffff_ffff;
  let suspect = false;
  let lastCommitTime = 0;
  let interrupted: number | undefined;

  while (reader.next()) {
    switch (reader.type) {
      case JournalBlockType.descriptor: {
        suspect ||= !tailMatches(log, reader.data, reader.view);
        let count = tags.count(reader.view);
        if (log.checksum !== 1 || suspect || interrupted !== undefined) {
          reader.skip(count);
          break;
        }
        crc = crc32be(crc, reader.data);
        for (; count > 0; count--) {
          log.read(reader.skip(1), logged);
          crc = crc32be(crc, logged);
        }
        break;
      }
      case JournalBlockType.revoke:
        suspect ||= !tailMatches(log, reader.data, reader.view);
        break;
      case JournalBlockType.commit: {
        const commit = CommitHeader.at(reader.view, 0);
        const time = commit.commitSecondsHi * 2 ** 32 + commit.commitSecondsLo;
        if (suspect) {
          if (time >= lastCommitTime)
            throw damaged(log, reader, "a descriptor or revoke block before this commit block");
          return interrupted ?? reader.sequence;
        }
        // A whole transaction follows the interrupted one, so that one was damaged.
        if (log.checksum === 1 && interrupted !== undefined) throw damaged(log, reader, `transaction ${interrupted}`);
        if (!commitMatches(log, reader, crc)) {
          if (time < lastCommitTime) return interrupted ?? reader.sequence;
          if (!log.asyncCommit) throw damaged(log, reader, "the commit block");
          interrupted ??= reader.sequence;
        }
        crc = 0xffff_ffff;
        lastCommitTime = time;
        reader.sequence = (reader.sequence + 1) >>> 0;
        break;
      }
      default:
        return interrupted ?? reader.sequence;
    }
  }
  return interrupted ?? reader.sequence;
}

/** Whether a commit block's checksum is that of its transaction (v1: `crc`, or none stored) or its own (v2, v3). */
function commitMatches(log: JournalLog, block: LogBlock, crc: number): boolean {
  const commit = CommitHeader.at(block.view, 0);
  if (log.checksum === 0) return true;
  if (log.checksum >= 2) {
    if (checksumWithout(log.seed, block.data, CommitHeader.offset.checksum) === commit.checksum) return true;
    // A torn one is whole all the same: behind its header there are zeros (jbd2_commit_block_csum_verify_partial).
    const header = block.data.slice().fill(0, CommitHeader.size);
    return checksumWithout(log.seed, header, CommitHeader.offset.checksum) === commit.checksum;
  }
  const { checksumType: type, checksumSize: size, checksum } = commit;
  return (
    (type === JournalChecksumType.crc32 && size === 4 && checksum === crc) ||
    (type === 0 && size === 0 && checksum === 0)
  );
}

function damaged(log: JournalLog, block: LogBlock, what: string): CorruptionError {
  return new CorruptionError(
    "journal-checksum",
    { inode: log.ino, fileBlock: block.place },
    `${what} of transaction ${block.sequence} has a wrong checksum`,
  );
}
