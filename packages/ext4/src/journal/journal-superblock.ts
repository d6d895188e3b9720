import { IoAtOnce, type IoSequence } from "../device/io-sequence.js";
import {
  JournalBlockType,
  JournalChecksumType,
  JournalSuperblockLayout,
  type JournalSuperblockView,
  journalCompat,
  journalIncompat,
} from "../format/journal.js";
import type { Volume } from "../volume.js";
import { checksumWithout } from "./checksum.js";
import type { JournalLog } from "./log.js";

/** First byte that a superblock of version 1 does not have. */
const VERSION_1_SIZE = 0x24;

/** A journal's superblock, to be changed. It is written as a whole, with its checksum. */
export class JournalSuperblock {
  readonly #log: JournalLog;
  readonly #bytes: Uint8Array;
  readonly #fields: JournalSuperblockView;

  constructor(log: JournalLog) {
    this.#log = log;
    this.#bytes = log.superblock.slice();
    this.#fields = JournalSuperblockLayout.at(new DataView(this.#bytes.buffer), 0);
  }

  /**
   * Switches on what the kernel switches on when it mounts for writing: revoke records, 64-bit block numbers and checksums v3
   * where the file system has the like. Only for a journal that is empty, and takes effect when it is opened anew.
   *
   * @param asyncCommit whether commit blocks are written without waiting for the blocks before them
   */
  setFeatures(volume: Volume, asyncCommit: boolean): void {
    const fields = this.#fields;
    if (fields.blockType === JournalBlockType.superblockV1) {
      this.#bytes.fill(0, VERSION_1_SIZE);
      fields.blockType = JournalBlockType.superblockV2;
      fields.userCount = 1;
    }
    let compat = fields.featureCompat;
    let incompat = fields.featureIncompat;
    incompat |= journalIncompat.journal_incompat_revoke;
    if (volume.features.is64Bit) incompat |= journalIncompat.journal_64bit;
    if (volume.features.metadataCsum) {
      compat &= ~journalCompat.journal_checksum;
      incompat &= ~journalIncompat.journal_checksum_v2;
      incompat |= journalIncompat.journal_checksum_v3;
      fields.checksumType = JournalChecksumType.crc32c;
    }
    const checksummed =
      (compat & journalCompat.journal_checksum) !== 0 ||
      (incompat & (journalIncompat.journal_checksum_v2 | journalIncompat.journal_checksum_v3)) !== 0;
    if (asyncCommit && !checksummed) compat |= journalCompat.journal_checksum;
    if (asyncCommit) incompat |= journalIncompat.journal_async_commit;
    else incompat &= ~journalIncompat.journal_async_commit;
    fields.featureCompat = compat;
    fields.featureIncompat = incompat >>> 0;
  }

  /**
   * Says where recovery starts, and lays down the write of the superblock. Whoever needs it durable flushes. That there
   * are fast commits it says, as the kernel does, of a log that is not empty only: others are for those who know of none, too.
   *
   * @param start place of the first block of the log; 0 for an empty log
   * @param sequence number of the transaction there; of an empty log, one that is smaller than all that follow
   */
  setTail(start: number, sequence: number, io?: IoSequence): void {
    const fields = this.#fields;
    fields.start = start;
    fields.sequence = sequence;
    if (fields.blockType === JournalBlockType.superblockV2) {
      const { fast_commit } = journalIncompat;
      const others = fields.featureIncompat & ~fast_commit;
      const has = start !== 0 && this.#log.fastCommitFirst < this.#log.fastCommitEnd;
      fields.featureIncompat = (has ? others | fast_commit : others) >>> 0;
    }
    this.write(io);
  }

  /** @param errno negative; 0 when there is no error any more */
  set errno(errno: number) {
    this.#fields.errno = errno >>> 0;
  }

  write(io: IoSequence = new IoAtOnce()): void {
    const fields = this.#fields;
    const incompat = fields.blockType === JournalBlockType.superblockV2 ? fields.featureIncompat : 0;
    if ((incompat & (journalIncompat.journal_checksum_v2 | journalIncompat.journal_checksum_v3)) !== 0) {
      fields.checksum = checksumWithout(0xffff_ffff, this.#bytes, JournalSuperblockLayout.offset.checksum);
    }
    const { storage, blockSize } = this.#log;
    const { length } = this.#bytes;
    const bytes = io.take(length).subarray(0, length);
    bytes.set(this.#bytes);
    io.write(storage.device, storage.locate(storage.superblockPlace) * blockSize, bytes);
  }
}
