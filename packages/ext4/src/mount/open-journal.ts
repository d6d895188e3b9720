import { CachedBlock } from "../cache/block-cache.js";
import type { CopyOnWriteDevice } from "../device/copy-on-write.js";
import type { BlockDevice } from "../device/device.js";
import { IoAtOnce } from "../device/io-sequence.js";
import { CorruptionError, UnsupportedFeatureError } from "../errors.js";
import { applyFastCommits } from "../fast-commit/apply.js";
import { incompatFeature } from "../format/features.js";
import { SuperblockState } from "../format/superblock.js";
import { scanFastCommits } from "../journal/fast-commit-scan.js";
import { openJournal } from "../journal/journal-inode.js";
import { JournalSuperblock } from "../journal/journal-superblock.js";
import type { JournalLog } from "../journal/log.js";
import { type ReplayReport, recoverLog, replayedDevice } from "../journal/replay.js";
import { replayToDevice } from "../journal/replay-to-device.js";
import { findEnd } from "../journal/scan.js";
import { JournalWriter } from "../journal/writer.js";
import type { KeptState } from "../survival/kept-state.js";
import { restore } from "../survival/restore.js";
import type { Volume } from "../volume.js";
import { warnOfStoppedFastCommits } from "./mount-read-only.js";

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
 * @param kept what a process kept that died with the file system mounted: it becomes one more transaction, and nothing is lost that
 *   was durable if there is a crash meanwhile
 * @throws CorruptionError journal-*; UnsupportedFeatureError; DeviceError
 */
export function emptyJournal(
  volume: Volume,
  journalDevice: BlockDevice | undefined,
  asyncCommit: boolean,
  kept?: KeptState,
): JournalState {
  const log = openJournal(volume, journalDevice);
  const needed = (volume.features.incompat & incompatFeature.needs_recovery) !== 0;
  const { errno } = log;
  let replay: ReplayReport | undefined;
  let sequence = (log.sequence + 1) >>> 0;
  if (kept !== undefined) {
    sequence = (replayWithKept(volume, log, kept) + 1) >>> 0;
  } else if (log.start !== 0) {
    if (needed) {
      replay = replayAll(volume, log);
      // Of the fast commits one more transaction was made.
      sequence = (log.sequence + replay.transactions + (replay.fastCommits > 0 ? 2 : 1)) >>> 0;
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

function replayAll(volume: Volume, log: JournalLog): ReplayReport {
  const recovery = recoverLog(volume, log);
  const fast = scanFastCommits(volume, log, recovery.end);
  const { environment } = volume;
  const report = {
    transactions: recovery.transactions,
    blocks: recovery.blocks.length,
    revoked: recovery.revoked,
    fastCommits: fast.count,
    fastCommitsStopped: fast.stopped,
    errno: log.errno,
  };
  // Before anything is written: when that cannot be done, the journal stays as it is.
  const changed =
    fast.records.length > 0
      ? applyFastCommits(replayedDevice(volume, log, recovery), fast.records, environment)
      : undefined;
  if (changed !== undefined) checkRoom(volume, log, changed);
  replayToDevice(volume, log, recovery);
  if (changed !== undefined) commitChanges(volume, log, recovery.end, changed);
  environment.log(
    "info",
    `journal replayed: ${report.transactions} transactions, ${report.blocks} blocks, ${report.fastCommits} fast commits`,
  );
  warnOfStoppedFastCommits(environment, report);
  return report;
}

/**
 * Replays the log, and makes one transaction of what was kept. It takes the place of the fast commits, which are a part of it.
 *
 * @returns the number of that transaction
 */
function replayWithKept(volume: Volume, log: JournalLog, kept: KeptState): number {
  const { environment, device } = volume;
  const recovery = log.start === 0 ? undefined : recoverLog(volume, log);
  const end = recovery?.end ?? (log.sequence + 1) >>> 0;
  const changed = restore(recovery === undefined ? device : replayedDevice(volume, log, recovery), kept, environment);
  if (recovery !== undefined) replayToDevice(volume, log, recovery);
  if (changed.count > 0) commitChanges(volume, log, end, changed);
  environment.log(
    "info",
    `${recovery?.transactions ?? 0} transactions replayed, and ${changed.count} kept blocks written`,
  );
  return end;
}

/** @throws UnsupportedFeatureError when one transaction cannot hold what fast commits change */
function checkRoom(volume: Volume, log: JournalLog, changed: CopyOnWriteDevice): void {
  if (new JournalWriter(volume, log, 0).hasRoom(changed.count, 0)) return;
  throw new UnsupportedFeatureError(
    ["fast_commit"],
    `the journal holds fast commits that change ${changed.count} blocks, more than fit into it: let e2fsck -p replay them`,
  );
}

/**
 * Makes one transaction of what fast commits changed, and brings it home. It has the number of the transaction that they belong to:
 * until it is complete they are replayed, and from then on they count no more.
 *
 * @param sequence number of the transaction; all before it are home and durable
 */
function commitChanges(volume: Volume, log: JournalLog, sequence: number, changed: CopyOnWriteDevice): void {
  // The log of the transactions before may be overwritten only when nobody reads it any more.
  new JournalSuperblock(log).setTail(log.first, sequence);
  log.storage.device.flush();
  const blocks = changed.changes().map(([block, data]) => new CachedBlock(block, data));
  const io = new IoAtOnce();
  new JournalWriter(volume, log, sequence).append(io, blocks, new Set());
  volume.cache.writeHome(blocks, io);
  volume.device.flush();
}

function endOfUnneeded(log: JournalLog): number {
  try {
    return findEnd(log);
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    return log.sequence + log.length; // above all that can be in the log
  }
}

/** What ext4 calls the errors that end a journal. */
const JOURNAL_ERRORS = new Map([
  [5, "IO failure"],
  [12, "Out of memory"],
  [30, "Journal has aborted"],
  [74, "Filesystem failed CRC"],
  [117, "Corrupt filesystem"],
]);

/** Puts a journal's error on the file system's record, as ext4_clear_journal_err does. */
export function takeJournalError({ superblock, environment }: Volume, errno: number): void {
  if (errno === 0) return;
  superblock.state |= SuperblockState.error;
  const error = JOURNAL_ERRORS.get(-errno) ?? `error ${-errno}`;
  environment.log("warning", `Filesystem error recorded from previous mount: ${error}`);
  environment.log("warning", "Marking fs in need of filesystem check: run e2fsck on the image");
}
