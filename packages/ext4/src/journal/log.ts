import { crc32c } from "../checksum/crc32c.js";
import { CorruptionError, UnsupportedFeatureError } from "../errors.js";
import {
  DEFAULT_FAST_COMMIT_BLOCKS,
  JOURNAL_MAGIC,
  JournalBlockType,
  JournalChecksumType,
  JournalSuperblockLayout,
  journalIncompat,
  MAX_JOURNAL_BLOCKS,
  MIN_JOURNAL_BLOCKS,
} from "../format/journal.js";
import type { Volume } from "../volume.js";
import { checksumWithout } from "./checksum.js";
import type { JournalStorage } from "./storage.js";
import { uuidText } from "./uuid.js";

/** How the journal protects its blocks: not at all, a CRC of whole transactions, or one for each block. */
export type JournalChecksum = 0 | 1 | 2 | 3;

/** An opened journal: its superblock, checked, and its blocks by their place in the journal. */
export class JournalLog {
  readonly storage: JournalStorage;
  /** The journal's superblock as it was read. */
  readonly superblock: Uint8Array;
  readonly blockSize: number;
  /** First block of the log, and one past the last: where the log wraps around. */
  readonly first: number;
  readonly last: number;
  /** First block of the fast-commit area and one past its last; equal without fast commits. */
  readonly fastCommitFirst: number;
  readonly fastCommitEnd: number;
  /** Where recovery starts; 0 when there is nothing to recover. */
  readonly start: number;
  /** Number of the first transaction to recover. */
  readonly sequence: number;
  /** Why the journal was aborted, as the kernel noted it; 0 if it was not. */
  readonly errno: number;
  readonly checksum: JournalChecksum;
  readonly asyncCommit: boolean;
  readonly is64Bit: boolean;
  /** Seed of checksums v2 and v3. */
  readonly seed: number;

  /**
   * @param fastCommits whether to leave room for fast commits where the journal, which is empty then, does not say that it has any
   * @throws CorruptionError, UnsupportedFeatureError for features of the journal that are not known
   */
  constructor(volume: Volume, storage: JournalStorage, fastCommits = false) {
    this.storage = storage;
    const { blockSize, length, ino, superblockPlace } = storage;
    this.blockSize = blockSize;
    const wrong = (evidence: string) =>
      new CorruptionError("journal-superblock", { inode: ino, fileBlock: superblockPlace }, evidence);
    if (length < MIN_JOURNAL_BLOCKS) {
      throw new CorruptionError("journal-inode", { inode: ino }, `the journal has ${length} blocks`);
    }
    const block = new Uint8Array(blockSize);
    this.read(superblockPlace, block);
    this.superblock = block.subarray(0, JournalSuperblockLayout.size);
    const sb = JournalSuperblockLayout.at(new DataView(block.buffer), 0);
    if (sb.magic !== JOURNAL_MAGIC) throw wrong(`magic number 0x${sb.magic.toString(16)}`);
    const type = sb.blockType;
    if (type !== JournalBlockType.superblockV1 && type !== JournalBlockType.superblockV2) {
      throw wrong(`block type ${type}`);
    }
    if (sb.blockSize !== blockSize) throw wrong(`block size ${sb.blockSize}, the file system's is ${blockSize}`);

    const isV2 = type === JournalBlockType.superblockV2;
    const compat = isV2 ? sb.featureCompat : 0;
    const incompat = isV2 ? sb.featureIncompat : 0;
    refuseUnknown(incompat, isV2 ? sb.featureRoCompat : 0);
    const has = (bit: number) => (incompat & bit) !== 0;
    const kinds = [
      (compat & 1) !== 0,
      has(journalIncompat.journal_checksum_v2),
      has(journalIncompat.journal_checksum_v3),
    ];
    if (kinds.filter(Boolean).length > 1) throw wrong("more than one kind of checksum is switched on");
    this.checksum = (kinds.indexOf(true) + 1) as JournalChecksum;
    this.asyncCommit = has(journalIncompat.journal_async_commit);
    this.is64Bit = has(journalIncompat.journal_64bit);
    this.seed = crc32c(0xffff_ffff, sb.uuid);
    if (this.checksum >= 2) {
      if (sb.checksumType !== JournalChecksumType.crc32c) throw wrong(`checksum type ${sb.checksumType}`);
      const { size, offset } = JournalSuperblockLayout;
      const computed = checksumWithout(0xffff_ffff, block.subarray(0, size), offset.checksum);
      if (computed !== sb.checksum) {
        throw new CorruptionError(
          "journal-checksum",
          { inode: ino, fileBlock: superblockPlace },
          `journal superblock: 0x${sb.checksum.toString(16)} stored, 0x${computed.toString(16)} computed`,
        );
      }
    }

    const end = sb.maxLength;
    if (end > length || end < MIN_JOURNAL_BLOCKS) throw wrong(`length ${end} of a file of ${length} blocks`);
    if (end > MAX_JOURNAL_BLOCKS) throw wrong(`${end} blocks; at most ${MAX_JOURNAL_BLOCKS}`);
    let fastCommitBlocks = 0;
    if (has(journalIncompat.fast_commit) || (fastCommits && isV2)) {
      fastCommitBlocks = sb.fastCommitBlocks === 0 ? DEFAULT_FAST_COMMIT_BLOCKS : sb.fastCommitBlocks;
      if (fastCommitBlocks > end - MIN_JOURNAL_BLOCKS) {
        if (!fastCommits) throw wrong(`${fastCommitBlocks} of ${end} blocks for fast commits`);
        fastCommitBlocks = 0;
      }
    }
    this.last = end - fastCommitBlocks;
    // The kernel leaves the block between the two areas unused.
    this.fastCommitFirst = fastCommitBlocks > 0 ? this.last + 1 : end;
    this.fastCommitEnd = end;
    this.first = sb.first;
    if (this.first === 0 || this.first >= this.last)
      throw wrong(`the log starts at block ${this.first} of ${this.last}`);
    // As much as mke2fs leaves, which begins behind the superblock.
    if (this.length < MIN_JOURNAL_BLOCKS - superblockPlace - 1) throw wrong(`a log of ${this.length} blocks`);
    this.start = sb.start;
    if (this.start !== 0 && (this.start < this.first || this.start >= this.last)) {
      throw wrong(`recovery starts at block ${this.start}, the log lies from ${this.first} to ${this.last - 1}`);
    }
    if (storage.ino === 0) checkUsers(volume, sb.userCount, sb.users);
    this.sequence = sb.sequence;
    this.errno = sb.errno | 0;
  }

  /** Blocks of the log: what recovery may read at most. */
  get length(): number {
    return this.last - this.first;
  }

  /** The block of the log `distance` blocks after `block`; `distance` is at most the log's length. */
  after(block: number, distance: number): number {
    const next = block + distance;
    return next >= this.last ? next - this.length : next;
  }

  /** Inode of the journal; 0 when it is on a device of its own. */
  get ino(): number {
    return this.storage.ino;
  }

  /** Reads a block of the journal into `target`, which has a block's size. */
  read(block: number, target: Uint8Array): void {
    this.storage.device.read(this.locate(block) * this.blockSize, target);
  }

  /** Where a block of the journal lies on its device. */
  locate(block: number): number {
    return this.storage.locate(block);
  }
}

function refuseUnknown(incompat: number, roCompat: number): void {
  const known = Object.values(journalIncompat).reduce((bits, bit) => bits | bit, 0);
  const names: string[] = [];
  for (let bit = 0; bit < 32; bit++) {
    if ((((incompat & ~known) >>> bit) & 1) !== 0) names.push(`FEATURE_I${bit}`);
    if (((roCompat >>> bit) & 1) !== 0) names.push(`FEATURE_R${bit}`);
  }
  if (names.length > 0) {
    throw new UnsupportedFeatureError(names, `the journal uses features that are not known: ${names.join(", ")}`);
  }
}

/** A journal on a device of its own says whose it is; the kernel takes one with a single user only. */
function checkUsers(volume: Volume, count: number, users: Uint8Array): void {
  const own = uuidText(volume.superblock.uuid);
  const user = uuidText(users.subarray(0, 16));
  if (count === 1 && user === own) return;
  throw new UnsupportedFeatureError(
    ["journal_dev"],
    `the journal's device serves ${count} file systems, the first with UUID ${user}; this one is ${own}`,
  );
}
