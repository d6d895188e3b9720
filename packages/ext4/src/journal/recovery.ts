import { CorruptionError } from "../errors.js";
import { JournalBlockType, TagFlag } from "../format/journal.js";
import { BlockTable } from "./block-table.js";
import { loggedBlockChecksum } from "./checksum.js";
import { readRevokes, TagReader, tailMatches } from "./descriptor.js";
import type { JournalLog } from "./log.js";
import { findEnd, type LogBlock, LogReader } from "./scan.js";

/** What a log asks to be replayed. */
export interface Recovery {
  /** Number of the first transaction that is not complete: the one that fast commits belong to. */
  readonly end: number;
  /** Complete transactions. */
  readonly transactions: number;
  /** Logged blocks that a revoke record took back. */
  readonly revoked: number;
  /** The last logged copy of each block that is not revoked; see BlockTable.sorted. */
  readonly blocks: Float64Array;
  readonly places: Float64Array;
  readonly escaped: Uint8Array;
}

/**
 * Reads the log as jbd2's recovery does, in four passes: the end of the log, the logged blocks, the revoke records, the
 * checksums of the blocks that are left. jbd2 gathers all revoke records first; here they are compared with the last copy of
 * each logged block instead, which is the same rule and needs no memory for records of blocks that were never logged.
 *
 * @param blockLimit logged blocks must have numbers below it
 */
export function recover(log: JournalLog, blockLimit: number, secret: number): Recovery {
  const end = findEnd(log);
  const table = new BlockTable(secret);
  const tags = new TagReader(log);
  const at = (place: number) => ({ inode: log.ino, fileBlock: place });

  walk(log, end, (block, reader) => {
    if (block.type !== JournalBlockType.descriptor) return;
    for (tags.start(block.view); tags.next(); ) {
      const place = reader.skip(1);
      if (!(tags.block < blockLimit)) {
        throw new CorruptionError("journal-block", at(block.place), `a tag names block ${tags.block} of ${blockLimit}`);
      }
      table.set(tags.block, place, block.sequence, (tags.flags & TagFlag.escape) !== 0);
    }
  });

  let revoked = 0;
  walk(log, end, (block, reader) => {
    if (block.type === JournalBlockType.descriptor) reader.skip(tags.count(block.view));
    if (block.type !== JournalBlockType.revoke) return;
    const complete = readRevokes(log, block.view, (number) => {
      if (table.revoke(number, block.sequence)) revoked++;
    });
    if (!complete) throw new CorruptionError("journal-block", at(block.place), "a revoke block is longer than a block");
  });

  if (log.checksum >= 2) {
    const logged = new Uint8Array(log.blockSize);
    walk(log, end, (block, reader) => {
      if (block.type !== JournalBlockType.descriptor) return;
      for (tags.start(block.view); tags.next(); ) {
        const place = reader.skip(1);
        if (!table.isCurrent(tags.block, place)) continue;
        log.read(place, logged);
        const computed = loggedBlockChecksum(log.seed, block.sequence, logged);
        if (tags.checksum === (log.checksum === 3 ? computed : computed & 0xffff)) continue;
        throw new CorruptionError(
          "journal-checksum",
          at(place),
          `the copy of block ${tags.block} has a wrong checksum`,
        );
      }
    });
  }
  return { end, transactions: (end - log.sequence) >>> 0, revoked, ...table.sorted() };
}

/** Visits the descriptor and revoke blocks of the complete transactions, in order. The visitor skips the logged blocks. */
function walk(log: JournalLog, end: number, visit: (block: LogBlock, reader: LogReader) => void): void {
  const reader = new LogReader(log);
  while (reader.sequence !== end && reader.next()) {
    if (reader.type === JournalBlockType.commit) {
      reader.sequence = (reader.sequence + 1) >>> 0;
    } else {
      if (!tailMatches(log, reader.data, reader.view)) break; // the first pass saw a good one: the device changed
      visit(reader, reader);
    }
  }
  if (reader.sequence !== end) {
    throw new CorruptionError(
      "journal-block",
      { inode: log.ino, fileBlock: reader.place },
      `the log changed while it was read: transaction ${reader.sequence}, expected ${end}`,
    );
  }
}
