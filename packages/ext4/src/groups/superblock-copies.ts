import { compatFeature, roCompatFeature } from "../format/features.js";
import type { Volume } from "../volume.js";

function isPowerOf(base: number, value: number): boolean {
  let power = base;
  while (power < value) power *= base;
  return power === value;
}

/** Whether sparse_super puts a copy of the superblock into the group: groups 0, 1 and the powers of 3, 5 and 7. */
export function isSparseGroup(group: number): boolean {
  if (group <= 1) return true;
  return (group & 1) === 1 && (isPowerOf(3, group) || isPowerOf(5, group) || isPowerOf(7, group));
}

/** Whether the group holds a superblock, the primary or a copy (ext4_bg_has_super). */
export function hasSuperblock(volume: Volume, group: number): boolean {
  if (group === 0) return true;
  if (volume.features.compat & compatFeature.sparse_super2) {
    return group === volume.superblock.backupGroup0 || group === volume.superblock.backupGroup1;
  }
  if (!(volume.features.roCompat & roCompatFeature.sparse_super)) return true;
  return isSparseGroup(group);
}
