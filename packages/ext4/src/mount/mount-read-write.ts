import type { BlockDevice } from "../device/device.js";
import type { Environment } from "../environment.js";
import { compatFeature, incompatFeature, roCompatFeature } from "../format/features.js";
import { SuperblockState } from "../format/superblock.js";
import { openJournal } from "../journal/journal-inode.js";
import { NoJournal } from "../journal/no-journal.js";
import type { ReplayReport } from "../journal/replay.js";
import { type TransactionLog, Transactions } from "../journal/transactions.js";
import { JournalWriter } from "../journal/writer.js";
import { keepErrors } from "../superblock/error-record.js";
import { openVolume } from "../superblock/open-volume.js";
import { writeSuperblock } from "../superblock/write-superblock.js";
import type { Volume } from "../volume.js";
import { MultiMountProtection } from "./mmp.js";
import { checkVolume } from "./mount-read-only.js";
import { clearJournalError, emptyJournal, takeJournalError } from "./open-journal.js";
import { dataModeOf, type MountOptions } from "./options.js";
import { checkWritable } from "./writable-features.js";
import { WritableMount } from "./writable-mount.js";

export interface WritableVolume {
  readonly volume: Volume;
  readonly replay: ReplayReport | undefined;
  readonly mount: WritableMount;
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
  const protection = MultiMountProtection.take(volume, options);
  try {
    let replay: ReplayReport | undefined;
    let log: TransactionLog | undefined;
    const barrier = options.barrier ?? true;
    const before = volume.superblock;
    if (volume.features.hasJournal) {
      const state = emptyJournal(volume, options.journalDevice, options.asyncCommit ?? false);
      replay = state.replay;
      volume = openVolume(device, { ...options, cacheBytes }, environment);
      if (replay !== undefined) keepErrors(before, volume.superblock);
      takeJournalError(volume, state.errno);
      const journal = openJournal(volume, options.journalDevice);
      log = new JournalWriter(volume, journal, state.sequence, { barrier });
      if (state.errno !== 0) {
        writeSuperblock(volume);
        volume.device.flush();
        clearJournalError(journal);
      }
    } else {
      volume = openVolume(device, { ...options, cacheBytes }, environment);
      log = new NoJournal(volume, barrier);
    }
    checkVolume(volume);
    const wasValid = (volume.superblock.state & SuperblockState.valid) !== 0;
    const interval = options.commitInterval ?? 0;
    volume.transactions = new Transactions(volume, log, {
      ...(interval > 0 ? { commitInterval: interval * 1000 } : {}),
      journalData: (options.data ?? dataModeOf(volume.superblock)) === "journal",
    });
    markMounted(volume, options);
    return { volume, replay, mount: new WritableMount(volume, protection, wasValid) };
  } catch (error) {
    protection?.release();
    throw error;
  }
}

/** Says in the superblock that the file system is mounted (ext4_setup_super), before anything else is written. */
function markMounted(volume: Volume, options: MountOptions): void {
  const { superblock, features, environment } = volume;
  const { seconds } = environment.clock.now();
  if (features.hasJournal) superblock.featureIncompat |= incompatFeature.needs_recovery;
  else superblock.state &= ~SuperblockState.valid;
  if ((features.compat & compatFeature.orphan_file) !== 0) superblock.featureRoCompat |= roCompatFeature.orphan_present;
  if (superblock.maxMountCount === 0) superblock.maxMountCount = DEFAULT_MAX_MOUNT_COUNT;
  superblock.mountCount = (superblock.mountCount + 1) & 0xffff;
  superblock.mountTime = seconds % 0x1_0000_0000;
  superblock.mountTimeHi = Math.floor(seconds / 0x1_0000_0000) & 0xff;
  if (options.mountPoint !== undefined) superblock.lastMounted = lastMounted(options.mountPoint);
  writeSuperblock(volume);
  volume.device.flush();
}

/** The path as the superblock has room for it; a byte a char. */
function lastMounted(path: string): Uint8Array {
  const field = new Uint8Array(64);
  for (let at = 0; at < Math.min(path.length, field.length - 1); at++) field[at] = path.charCodeAt(at);
  return field;
}
