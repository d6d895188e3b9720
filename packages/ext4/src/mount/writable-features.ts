import { FileSystemError, UnsupportedFeatureError } from "../errors.js";
import { featureNames, roCompatFeature } from "../format/features.js";
import { hasTooManySmallGroups } from "../groups/system-zone.js";
import type { Volume } from "../volume.js";
import type { MountOptions } from "./options.js";

/** Read-only compatible features that writing keeps true. */
const writable =
  roCompatFeature.sparse_super |
  roCompatFeature.large_file |
  roCompatFeature.btree_dir |
  roCompatFeature.huge_file |
  roCompatFeature.uninit_bg |
  roCompatFeature.dir_nlink |
  roCompatFeature.extra_isize |
  roCompatFeature.quota |
  roCompatFeature.bigalloc |
  roCompatFeature.metadata_csum |
  roCompatFeature.project |
  roCompatFeature.verity |
  roCompatFeature.orphan_present;

/**
 * Refuses what may be read but not written.
 *
 * @throws UnsupportedFeatureError for features, by name; FileSystemError EROFS for a device or mount options that forbid it
 */
export function checkWritable(volume: Volume, options: MountOptions): void {
  const { features, device } = volume;
  if (device.readOnly) throw new FileSystemError("EROFS", "the device is read-only");
  if (options.superblock !== undefined && options.superblock !== 1) {
    throw new FileSystemError("EROFS", "through a copy of the superblock, the file system can only be read");
  }
  if (options.loadJournal === false && features.hasJournal) {
    throw new FileSystemError("EROFS", "without its journal, the file system can only be read");
  }
  const refused = features.roCompat & ~writable;
  if (refused !== 0) {
    const names = featureNames("ro_compat", refused);
    throw new UnsupportedFeatureError(
      names,
      `the file system uses features that cannot be written: ${names.join(", ")}; mount it read-only`,
    );
  }
  if (hasTooManySmallGroups(volume)) {
    const { groupCount, blocksPerGroup } = volume.geometry;
    const message = `${groupCount} groups of ${blocksPerGroup} blocks cannot be written; mount it read-only`;
    throw new UnsupportedFeatureError(["small_groups"], message);
  }
  if (features.bigalloc && !features.extents) {
    throw new UnsupportedFeatureError(["bigalloc"], "bigalloc without extents cannot be written; mount it read-only");
  }
}
