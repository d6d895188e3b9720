import { allocatorOf } from "../alloc/allocator.js";
import type { CopyOnWriteDevice } from "../device/copy-on-write.js";
import type { BlockDevice } from "../device/device.js";
import type { Environment } from "../environment.js";
import { FileSystemError } from "../errors.js";
import { compatFeature, incompatFeature, roCompatFeature } from "../format/features.js";
import { SuperblockState, type SuperblockView } from "../format/superblock.js";
import { checkLayout } from "../groups/system-zone.js";
import { FastCommitWriter, wantsFastCommits } from "../journal/fast-commit/writer.js";
import { openJournal } from "../journal/journal-inode.js";
import { NoJournal } from "../journal/no-journal.js";
import type { ReplayReport } from "../journal/replay.js";
import type { TransactionLog } from "../journal/transaction-log.js";
import { Transactions } from "../journal/transactions.js";
import { JournalWriter } from "../journal/writer.js";
import { keepErrors } from "../superblock/error-record.js";
import { openVolume } from "../superblock/open-volume.js";
import { writeSuperblock } from "../superblock/write-superblock.js";
import { KeptChanges } from "../survival/kept-changes.js";
import { KeptState } from "../survival/kept-state.js";
import { restore } from "../survival/restore.js";
import type { Volume } from "../volume.js";
import { MultiMountProtection } from "./mmp.js";
import { checkVolume } from "./mount-read-only.js";
import { emptyJournal, takeJournalError } from "./open-journal.js";
import { dataModeOf, type MountOptions } from "./options.js";
import { checkWritable } from "./writable-features.js";
import { WritableMount } from "./writable-mount.js";

export interface WritableVolume {
  readonly volume: Volume;
  readonly replay: ReplayReport | undefined;
  readonly mount: WritableMount;
  /** What is kept for another process. */
  readonly kept: KeptChanges | undefined;
  /** Whether the mount is that of a process that died. */
  readonly goesOn: boolean;
}

/** Bytes of metadata that are cached unless something else is asked for: transactions live in the cache, and long ones commit less often. */
const DEFAULT_CACHE_BYTES = 64 * 1024 * 1024;
/** Blocks that a cache has at least when it has to hold transactions. */
const FEWEST_CACHED_BLOCKS = 512;
/** What the kernel sets s_max_mnt_count to when it is 0. */
const DEFAULT_MAX_MOUNT_COUNT = 20;

/**
 * The steps of a mount for writing: protection against a second one, the journal's replay onto the device, the superblock. What
 * a crash left to be deleted is still there: cleanOrphans is the next step.
 *
 * @throws CorruptionError, UnsupportedFeatureError, DeviceError as a mount for reading; FileSystemError EROFS, EBUSY
 */
export function mountReadWrite(device: BlockDevice, options: MountOptions, environment: Environment): WritableVolume {
  let volume = openVolume(device, options, environment);
  checkWritable(volume, options);
  const cacheBytes = Math.max(
    options.cacheBytes ?? DEFAULT_CACHE_BYTES,
    FEWEST_CACHED_BLOCKS * volume.geometry.blockSize,
  );
  const { survival } = options;
  const state = survival === undefined ? undefined : KeptState.of(survival.region);
  if (state?.aborted === true) {
    throw new FileSystemError(
      "EROFS",
      "the journal had been aborted when the process died that had the file system mounted",
    );
  }
  const protection =
    state === undefined ? MultiMountProtection.take(volume, options) : MultiMountProtection.takeOver(volume, options);
  try {
    const opened = openLog(volume, { ...options, cacheBytes }, state);
    const { log, replay } = opened;
    volume = opened.volume;
    checkLayout(volume);
    checkVolume(volume, true);
    const wasValid = state?.wasValid ?? (volume.superblock.state & SuperblockState.valid) !== 0;
    const interval = options.commitInterval ?? 0;
    volume.transactions = new Transactions(volume, log, {
      ...(interval > 0 ? { commitInterval: interval * 1000 } : {}),
      ...(survival === undefined
        ? {}
        : { mostBlocks: KeptChanges.mostBlocks(survival.region, volume.geometry.blockSize) }),
      journalData: (options.data ?? dataModeOf(volume.superblock)) === "journal",
    });
    if (!volume.transactions.journalsAllData) volume.transactions.fastCommits = opened.fastCommits;
    allocatorOf(volume); // counts what is free
    markMounted(volume, options, state !== undefined);
    const kept = survival === undefined ? undefined : new KeptChanges(survival.region);
    kept?.begin(volume, wasValid);
    const mount = new WritableMount(volume, protection, wasValid);
    return { volume, replay, mount, kept, goesOn: state !== undefined };
  } catch (error) {
    // A mount that was to go on is still somebody's.
    if (state === undefined) protection?.release();
    throw error;
  }
}

interface OpenedLog {
  readonly volume: Volume;
  readonly log: TransactionLog;
  readonly fastCommits?: FastCommitWriter;
  readonly replay: ReplayReport | undefined;
}

/**
 * Replays the journal, where there is one, and opens the volume as it then is.
 *
 * @param before the volume as it was found
 * @param kept what a process kept that died with the file system mounted
 */
function openLog(before: Volume, options: MountOptions, kept: KeptState | undefined): OpenedLog {
  const { device, environment } = before;
  const { journalDevice, asyncCommit = false } = options;
  const barrier = options.barrier ?? true;
  // Whoever wrote last may have died, and not the machine: its last commit block, and its data, need not be durable yet, and what they
  // make good must not be home before them.
  device.flush();
  journalDevice?.flush();
  if (!before.features.hasJournal) {
    if (kept !== undefined) bringHome(before, restore(device, kept, environment));
    const volume = openVolume(device, options, environment);
    keepErrors(before.superblock, volume.superblock);
    return { volume, log: new NoJournal(volume, barrier), replay: undefined };
  }
  const { replay, errno, sequence } = emptyJournal(before, journalDevice, asyncCommit, kept);
  const volume = openVolume(device, options, environment);
  if (replay !== undefined || kept !== undefined) keepErrors(before.superblock, volume.superblock);
  takeJournalError(volume, errno);
  const journal = openJournal(volume, journalDevice, wantsFastCommits(volume));
  const log = new JournalWriter(volume, journal, sequence, { barrier });
  if (errno !== 0) {
    writeSuperblock(volume);
    volume.device.flush();
    log.clearError();
  }
  if (journal.fastCommitFirst === journal.fastCommitEnd) return { volume, log, replay };
  const fastCommits = new FastCommitWriter(volume, journal, log, barrier);
  fastCommits.clear();
  return { volume, log, fastCommits, replay };
}

function bringHome({ device, geometry }: Volume, changed: CopyOnWriteDevice): void {
  for (const [block, data] of changed.changes()) device.write(block * geometry.blockSize, data);
  device.flush();
}

/** Says in the superblock that the file system is mounted (ext4_setup_super), before anything else is written. */
function markMounted(volume: Volume, options: MountOptions, goesOn: boolean): void {
  const { superblock, features, environment } = volume;
  if (features.hasJournal) superblock.featureIncompat |= incompatFeature.needs_recovery;
  else superblock.state &= ~SuperblockState.valid;
  if ((features.compat & compatFeature.orphan_file) !== 0) superblock.featureRoCompat |= roCompatFeature.orphan_present;
  if (!goesOn) countMount(superblock, options, environment.clock.now().seconds);
  writeSuperblock(volume);
  volume.device.flush();
}

function countMount(superblock: SuperblockView, options: MountOptions, seconds: number): void {
  if (superblock.maxMountCount === 0) superblock.maxMountCount = DEFAULT_MAX_MOUNT_COUNT;
  superblock.mountCount = (superblock.mountCount + 1) & 0xffff;
  superblock.mountTime = seconds % 0x1_0000_0000;
  superblock.mountTimeHi = Math.floor(seconds / 0x1_0000_0000) & 0xff;
  if (options.mountPoint !== undefined) superblock.lastMounted = lastMounted(options.mountPoint);
}

/** The path as the superblock has room for it; a byte a char. */
function lastMounted(path: string): Uint8Array {
  const field = new Uint8Array(64);
  for (let at = 0; at < Math.min(path.length, field.length - 1); at++) field[at] = path.charCodeAt(at);
  return field;
}
