import type { BlockDevice } from "../device/device.js";
import { CorruptionError, UnsupportedFeatureError } from "../errors.js";
import { incompatFeature } from "../format/features.js";
import { SuperblockState } from "../format/superblock.js";
import { scanFastCommits } from "../journal/fast-commit-scan.js";
import { openJournal } from "../journal/journal-inode.js";
import { JournalSuperblock } from "../journal/journal-superblock.js";
import type { JournalLog } from "../journal/log.js";
import { type ReplayReport, recoverLog } from "../journal/replay.js";
import { replayToDevice } from "../journal/replay-to-device.js";
import { findEnd } from "../journal/scan.js";
import type { Volume } from "../volume.js";

/** What opening a journal for writing came to. */
export interface JournalState {
  readonly replay: ReplayReport | undefined;
  /** Why the journal was aborted when it was used last, 0 if it was not. */
  readonly errno: number;
  /** Number of the next transaction. */
  readonly sequence: number;
}

/**
 * Brings what the journal holds to its place on the device, and leaves an empty journal with the features that writing needs. A
 * crash in between changes nothing: the log is emptied when all is home.
 *
 * @throws CorruptionError journal-*; UnsupportedFeatureError; DeviceError
 */
export function emptyJournal(
  volume: Volume,
  journalDevice: BlockDevice | undefined,
  asyncCommit: boolean,
): JournalState {
  const log = openJournal(volume, journalDevice);
  const needed = (volume.features.incompat & incompatFeature.needs_recovery) !== 0;
  const { errno } = log;
  let replay: ReplayReport | undefined;
  let sequence = (log.sequence + 1) >>> 0;
  if (log.start !== 0) {
    if (needed) {
      replay = replayAll(volume, log);
      sequence = (log.sequence + replay.transactions + 1) >>> 0;
    } else {
      // Whoever cleared the flag has brought everything home, or does not want it (jbd2_journal_wipe).
      sequence = (endOfUnneeded(log) + 1) >>> 0;
    }
  }
  const superblock = new JournalSuperblock(log);
  superblock.setFeatures(volume, asyncCommit);
  superblock.setTail(0, (sequence - 1) >>> 0);
  log.storage.device.flush();
  return { replay, errno, sequence };
}

/** Forgets why the journal was aborted, once the file system's superblock says that there was an error. */
export function clearJournalError(log: JournalLog): void {
  const superblock = new JournalSuperblock(log);
  superblock.errno = 0;
  superblock.write();
}

function replayAll(volume: Volume, log: JournalLog): ReplayReport {
  const recovery = recoverLog(volume, log);
  const fast = scanFastCommits(volume, log, recovery.end);
  if (fast.records.length > 0) {
    throw new UnsupportedFeatureError(
      ["fast_commit"],
      "the journal holds fast commits, which are replayed for reading only: mount it read-only, or let e2fsck -p replay them",
    );
  }
  replayToDevice(volume, log, recovery);
  volume.environment.log(
    "info",
    `journal replayed: ${recovery.transactions} transactions, ${recovery.blocks.length} blocks`,
  );
  return {
    transactions: recovery.transactions,
    blocks: recovery.blocks.length,
    revoked: recovery.revoked,
    fastCommits: 0,
    fastCommitsStopped: fast.stopped,
    errno: log.errno,
  };
}

function endOfUnneeded(log: JournalLog): number {
  try {
    return findEnd(log);
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    return log.sequence + log.length; // above all that can be in the log
  }
}

/** Puts a journal's error on the file system's record. */
export function takeJournalError(volume: Volume, errno: number): void {
  if (errno === 0) return;
  volume.superblock.state |= SuperblockState.error;
  volume.environment.log("warning", `the journal was aborted with error ${-errno}; run e2fsck on the image`);
}
