import type { BlockDevice } from "../device/device.js";
import type { Environment } from "../environment.js";
import { CorruptionError, isEngineError, UnsupportedFeatureError } from "../errors.js";
import { applyFastCommits } from "../fast-commit/apply.js";
import { incompatFeature } from "../format/features.js";
import { ReservedInode } from "../format/inode.js";
import { SuperblockState } from "../format/superblock.js";
import { readInode } from "../inode/inode-table.js";
import { protectJournal } from "../journal/protect-journal.js";
import { journalHasTransactions, type ReplayReport, replayJournal } from "../journal/replay.js";
import { openVolume } from "../superblock/open-volume.js";
import type { Volume } from "../volume.js";
import type { MountOptions } from "./options.js";

/** The only encoding that casefold knows: UTF-8 by Unicode 12.1. */
const ENCODING_UTF8 = 1;

export interface MountedVolume {
  readonly volume: Volume;
  readonly replay: ReplayReport | undefined;
}

/** The steps of a read-only mount; see FileSystem.mount. */
export function mountReadOnly(device: BlockDevice, options: MountOptions, environment: Environment): MountedVolume {
  let volume = openVolume(device, options, environment);
  let replay: ReplayReport | undefined;
  if (needsRecovery(volume, options)) {
    if (options.loadJournal === false) {
      environment.log("warning", "the journal is not replayed: what is read may be inconsistent");
    } else {
      const replayed = replayJournal(volume, options.journalDevice);
      replay = replayed.report;
      const { device, fastCommits } = replayed;
      const consistent = fastCommits.length > 0 ? applyFastCommits(device, fastCommits, environment, options) : device;
      volume = openVolume(consistent, options, environment);
      volume.superblock.featureIncompat &= ~incompatFeature.needs_recovery;
      if (replay.errno !== 0) volume.superblock.state |= SuperblockState.error;
      environment.log(
        "info",
        `journal replayed into memory: ${replay.transactions} transactions, ${replay.blocks} blocks, ${replay.fastCommits} fast commits`,
      );
      warnOfStoppedFastCommits(environment, replay);
    }
  }
  checkVolume(volume);
  return { volume, replay };
}

/** Says that fast commits are left out. */
export function warnOfStoppedFastCommits(environment: Environment, report: ReplayReport): void {
  const { fastCommits, fastCommitsStopped } = report;
  if (fastCommitsStopped === undefined) return;
  environment.log(
    "warning",
    `fast commits after number ${fastCommits} are left out, because of ${fastCommitsStopped}: what was synced last may be ` +
      "missing; run e2fsck on a copy of the image to see whether it finds more",
  );
}

/** What has to be right before anything is served. */
export function checkVolume(volume: Volume, forWriting = false): void {
  checkEncoding(volume);
  if (volume.superblock.state & SuperblockState.error) {
    volume.environment.log("warning", "the file system has recorded errors; run e2fsck on the image");
  }
  warnOfMountOptions(volume);
  const root = readInode(volume, ReservedInode.root);
  if (!root.isDirectory || root.size === 0 || root.blocks === 0) {
    throw new CorruptionError("inode-type", { inode: root.ino }, "the root directory is none, or is empty");
  }
  protectJournal(volume, forWriting);
}

/** The kernel takes the words of s_mount_opts for options; here they have to be given. */
function warnOfMountOptions({ superblock, environment }: Volume): void {
  const { mountOptions } = superblock;
  if (mountOptions[0] === 0) return;
  const words = String.fromCharCode(...mountOptions)
    .replace(/\0.*$/s, "")
    .replace(/[^\x20-\x7e]/g, "?");
  environment.log("warning", `mount options in the superblock have no effect, and have to be given with -o: ${words}`);
}

/**
 * Whether the journal holds what the file system lacks. The kernel sets needs_recovery in the primary superblock before its
 * first transaction and clears it when all is written home, so that the flag decides there, for a journal on another device
 * as well. Copies of the superblock do not follow: for them the journal is asked itself.
 */
function needsRecovery(volume: Volume, options: MountOptions): boolean {
  const { features, superblock, environment } = volume;
  if (!features.hasJournal) return false;
  if ((features.incompat & incompatFeature.needs_recovery) !== 0) return true;
  const primary = options.superblock === undefined || options.superblock === 1;
  if (primary || options.loadJournal === false) return false;
  if (superblock.journalInode === 0 && options.journalDevice === undefined) {
    environment.log(
      "warning",
      "a copy of the superblock does not tell whether the journal, on another device, is needed",
    );
    return false;
  }
  try {
    return journalHasTransactions(volume, options.journalDevice);
  } catch (error) {
    if (!isEngineError(error)) throw error;
    environment.log("warning", `the journal is not looked at: ${String(error)}`);
    return false;
  }
}

function checkEncoding({ features, superblock }: Volume): void {
  if (features.casefold && superblock.encoding !== ENCODING_UTF8) {
    throw new UnsupportedFeatureError(["casefold"], `names are in encoding ${superblock.encoding}, which is unknown`);
  }
}
