import { claimBlocks } from "../alloc/claim.js";
import { CopyOnWriteDevice } from "../device/copy-on-write.js";
import type { BlockDevice } from "../device/device.js";
import { isEmpty } from "../dir/change.js";
import { type Environment, systemEnvironment } from "../environment.js";
import { CorruptionError, UnsupportedFeatureError } from "../errors.js";
import { SUPERBLOCK_OFFSET } from "../format/superblock.js";
import type { FastCommitRecord } from "../journal/fast-commit-scan.js";
import { NoJournal } from "../journal/no-journal.js";
import { protectJournal } from "../journal/protect-journal.js";
import { Transactions } from "../journal/transactions.js";
import { makeRoomForStep } from "../map/map-allocation.js";
import { placeRange } from "../map/place-range.js";
import { removeRange } from "../map/remove-range.js";
import { deleteInode, hasBlocks } from "../namespace/release.js";
import { orphans } from "../orphan/orphans.js";
import { openVolume } from "../superblock/open-volume.js";
import type { Volume } from "../volume.js";
import { applyEntry } from "./entries.js";
import { type FastCommitHistory, historyOf, type InodeHistory } from "./history.js";
import { applyInode, initNewDirectory, replayStep } from "./inodes.js";
import { usedInode } from "./used-inode.js";

/** Bytes of changed blocks that are kept in memory: a fast-commit area of 1 MiB comes to far less. */
const MOST_CHANGED = 64 * 1024 * 1024;
const CACHE_BYTES = 4 * 1024 * 1024;
const FEWEST_CACHED_BLOCKS = 512;
/** A thousand times what the entries of an area of 1 MiB need in directories with an index. */
const MOST_BLOCK_READS = 2 ** 27;

export interface ApplyOptions {
  /** As in the mount's options. */
  readonly superblock?: number;
  readonly blockValidity?: boolean;
}

/**
 * Does again what fast commits say, with the engine that writes, on top of a device whose full transactions are replayed. The
 * changes stay in memory: a mount for reading shows them, a mount for writing makes one transaction of them.
 *
 * Fast commits log inodes, extents and names. What follows from these is made here, as the kernel's replay does: bitmaps and
 * counters, nodes of extent trees, blocks of directories, the deletion of what lost its last name; and what that forgets, the links
 * and times of directories, quota.
 *
 * @param device is not written
 * @param records as scanFastCommits gives them
 * @returns the changed device, which can only be read
 * @throws CorruptionError for records that cannot be, and for what they lead to; UnsupportedFeatureError; DeviceError also when
 *   too much would change; FileSystemError ENOSPC
 */
export function applyFastCommits(
  device: BlockDevice,
  records: readonly FastCommitRecord[],
  environment: Environment = systemEnvironment,
  options: ApplyOptions = {},
): CopyOnWriteDevice {
  const { geometry } = openVolume(device, options, environment);
  const changed = new CopyOnWriteDevice(device, geometry.blockSize, MOST_CHANGED / geometry.blockSize);
  const cacheBytes = Math.max(CACHE_BYTES, FEWEST_CACHED_BLOCKS * geometry.blockSize);
  // Copies of the group descriptors are old; those that the journal brought up to date follow the primary superblock.
  const superblockBlock = Math.floor(SUPERBLOCK_OFFSET / geometry.blockSize);
  const volume = { ...openVolume(changed, { ...options, cacheBytes }, environment), superblockBlock };
  volume.transactions = new Transactions(volume, new NoJournal(volume));
  protectJournal(volume);
  apply(volume, historyOf(volume, records));
  volume.transactions.close();
  changed.freeze();
  return changed;
}

function apply(volume: Volume, history: FastCommitHistory): void {
  const orphaned = orphansOf(volume);
  const inodes: InodeHistory[] = [];
  for (const inode of history.inodes.values()) {
    if (applyInode(volume, inode, orphaned.has(inode.ino))) inodes.push(inode);
  }
  const files = inodes.filter((inode) => mapsBlocks(volume, inode));
  // Before anything is allocated, so that it is not there.
  for (const file of files) claimRanges(volume, file);
  for (const file of files) applyRanges(volume, file);
  // What one file gave up another one may have.
  for (const file of files) claimRanges(volume, file);
  for (const inode of inodes) initNewDirectory(volume, inode);
  history.entries.forEach((entry, index) => {
    const counted = history.inodes.get(entry.record.ino)?.entriesCounted ?? 0;
    applyEntry(volume, entry, index >= counted);
    checkBudget(volume);
  });
  const named = new Set([...history.inodes.keys(), ...history.entries.map(({ record }) => record.ino)]);
  for (const ino of named) if (!orphaned.has(ino)) deleteUnlinked(volume, ino);
}

/** Ends what a hostile directory makes endless: each name may be looked for in all of its blocks. */
function checkBudget({ cache }: Volume): void {
  if (cache.hits + cache.misses <= MOST_BLOCK_READS) return;
  throw new UnsupportedFeatureError(["fast_commit"], `replaying them takes more than ${MOST_BLOCK_READS} block reads`);
}

/** Those that the last full commit left: they stay on their list, for the mount to deal with. */
function orphansOf(volume: Volume): ReadonlySet<number> {
  try {
    return new Set(orphans(volume));
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    volume.environment.log("warning", `fast commits are replayed without regard to orphans: ${error.message}`);
    return new Set();
  }
}

/** Whether fast commits say which blocks a file has. Of what is stored in the inode the kernel may log any, and means none. */
function mapsBlocks(volume: Volume, { ino, ranges }: InodeHistory): boolean {
  const inode = usedInode(volume, ino);
  if (inode === undefined || ranges.length === 0 || inode.hasInlineData) return false;
  if (!inode.isDirectory && hasBlocks(volume, inode)) return true;
  throw new CorruptionError("journal-block", { inode: ino }, "fast commit: blocks of what is no file");
}

function claimRanges(volume: Volume, { ino, ranges }: InodeHistory): void {
  for (const { block, length } of ranges) {
    if (block !== 0) replayStep(volume, (handle) => claimBlocks(handle, ino, block, length));
  }
}

function applyRanges(volume: Volume, { ino, ranges }: InodeHistory): void {
  const inode = usedInode(volume, ino);
  if (inode === undefined) return;
  replayStep(volume, (handle) => {
    for (const { fileBlock, length, block, unwritten } of ranges) {
      makeRoomForStep(handle, inode);
      if (block === 0) removeRange(handle, inode, fileBlock, fileBlock + length);
      else placeRange(handle, inode, fileBlock, length, block, unwritten);
    }
  });
}

/** Deletes what has no name left: nobody has it open. */
function deleteUnlinked(volume: Volume, ino: number): void {
  const inode = usedInode(volume, ino);
  if (inode === undefined || inode.linksCount !== 0) return;
  if (inode.isDirectory && !isEmpty(volume, inode)) {
    throw new CorruptionError("journal-block", { inode: ino }, "fast commit: a directory with entries loses its name");
  }
  deleteInode(volume, inode);
}
