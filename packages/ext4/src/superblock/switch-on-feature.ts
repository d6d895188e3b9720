import { GOOD_OLD_INODE_SIZE, ReservedInode } from "../format/inode.js";
import { GOOD_OLD_REVISION } from "../format/superblock.js";
import type { Handle } from "../journal/handle.js";

/**
 * Says in the superblock that a feature is in use, once. The original revision has no features: it becomes the next one, which has, as in the
 * kernel (ext4_update_dynamic_rev).
 */
export function switchOnFeature(handle: Handle, set: "featureCompat" | "featureRoCompat", bit: number): void {
  const { superblock } = handle.volume;
  if ((superblock[set] & bit) !== 0) return;
  handle.changes?.refuse();
  handle.modifySuperblock();
  superblock[set] |= bit;
  if (superblock.revLevel !== GOOD_OLD_REVISION) return;
  superblock.revLevel = GOOD_OLD_REVISION + 1;
  superblock.firstInode = ReservedInode.firstOrdinary;
  superblock.inodeSize = GOOD_OLD_INODE_SIZE;
}
