import type { BlockDevice } from "../device/device.js";
import { OverlayDevice } from "../device/overlay.js";
import { JOURNAL_MAGIC } from "../format/journal.js";
import type { Volume } from "../volume.js";
import { type FastCommitRecord, scanFastCommits } from "./fast-commit-scan.js";
import { openJournal } from "./journal-inode.js";
import type { JournalLog } from "./log.js";
import { type Recovery, recover } from "./recovery.js";

/** What a replay found, for the log and for `info`. */
export interface ReplayReport {
  /** Complete transactions in the log. */
  readonly transactions: number;
  /** Blocks whose contents come from the log. */
  readonly blocks: number;
  /** Logged blocks that a revoke record took back. */
  readonly revoked: number;
  /** Complete fast commits after the last transaction. */
  readonly fastCommits: number;
  /** Why fast commits were left out that look as if they belonged to the log; undefined if none were. */
  readonly fastCommitsStopped: string | undefined;
  /** Why the kernel aborted the journal (a negative errno), 0 if it did not: the file system needs e2fsck. */
  readonly errno: number;
}

/** The consistent state, as what has to be put over the device. */
export interface Replay {
  /** The device with the logged blocks over it; the device itself when the log is empty. */
  readonly device: BlockDevice;
  /** What fast commits changed after that: for applyFastCommits, with `device`. */
  readonly fastCommits: readonly FastCommitRecord[];
  readonly report: ReplayReport;
}

/**
 * Replays the journal into memory: the source is not written.
 *
 * The caller then works on `Replay.device`, or on what applyFastCommits makes of it: it reads the superblock again (it may be in
 * the log), starts with an empty cache and clears needs_recovery in its copy of the superblock. Contents of files with journalled
 * data lie in the log too, so file data is read through that device as well. What a crash left to be freed stays, as nothing is written: see orphan/.
 *
 * A log that is damaged in the middle is an error (the kernel refuses such a mount, too): neither the state before nor after
 * the damage is one that the file system was ever in. An unfinished transaction at the end is no damage; it is left out.
 *
 * @param volume stands on the raw device
 * @param journalDevice what holds the journal when the file system does not
 * @throws CorruptionError, UnsupportedFeatureError (features of the journal, a journal device that is missing), DeviceError
 */
export function replayJournal(volume: Volume, journalDevice?: BlockDevice): Replay {
  const log = openJournal(volume, journalDevice);
  const { errno } = log;
  if (log.start === 0) {
    const report = { transactions: 0, blocks: 0, revoked: 0, fastCommits: 0, fastCommitsStopped: undefined, errno };
    return { device: volume.device, fastCommits: [], report };
  }

  const recovery = recoverLog(volume, log);
  const { transactions, revoked } = recovery;
  const fast = scanFastCommits(volume, log, recovery.end);
  return {
    device: replayedDevice(volume, log, recovery),
    fastCommits: fast.records,
    report: {
      transactions,
      blocks: recovery.blocks.length,
      revoked,
      fastCommits: fast.count,
      fastCommitsStopped: fast.stopped,
      errno,
    },
  };
}

/** What the log of a journal that is not empty asks to be replayed. */
export function recoverLog(volume: Volume, log: JournalLog): Recovery {
  const { blockSize, blockCount } = volume.geometry;
  // Not blockCount alone: growing a file system logs blocks beyond its end before the superblock that moves the end.
  const blockLimit = Math.max(blockCount, Math.floor(volume.device.size / blockSize));
  const secret = new Uint8Array(4);
  volume.environment.random.fill(secret);
  return recover(log, blockLimit, new DataView(secret.buffer).getUint32(0));
}

/** Whether the log holds anything, whatever the file system's superblock says. @throws as replayJournal */
export function journalHasTransactions(volume: Volume, journalDevice?: BlockDevice): boolean {
  return openJournal(volume, journalDevice).start !== 0;
}

/** The device with the logged blocks over it; the device itself when there are none. */
export function replayedDevice(volume: Volume, log: JournalLog, { blocks, places, escaped }: Recovery): BlockDevice {
  if (blocks.length === 0) return volume.device;
  const magic = new Uint8Array(4);
  new DataView(magic.buffer).setUint32(0, JOURNAL_MAGIC);
  const sources = places.map((place) => log.locate(place));
  return new OverlayDevice(volume.device, log.blockSize, blocks, sources, escaped, magic, log.storage.device);
}
