import { HashVersion } from "../format/directory.js";
import { InodeFlag } from "../format/inode.js";
import { SuperblockFlag } from "../format/superblock.js";
import type { Inode } from "../inode/inode.js";
import type { Volume } from "../volume.js";

/** A hash version that computes nothing. */
const UNKNOWN_HASH = 0xff;

/** Whether the directory has an index (the kernel's is_dx). */
export function isIndexed(volume: Volume, dir: Inode): boolean {
  return volume.features.dirIndex && dir.has(InodeFlag.index);
}

/** Whether the directory is listed in the order of hashes, which needs no index where there is one block at most (is_dx_dir). */
export function isListedByHash(volume: Volume, dir: Inode): boolean {
  if (!volume.features.dirIndex) return false;
  return dir.has(InodeFlag.index) || dir.hasInlineData || blocksOf(volume, dir) === 1;
}

/** Whether entries carry their hash, because computing it needs a key: encrypted and case-insensitive directories. */
export function hashesInEntries(dir: Inode): boolean {
  return dir.has(InodeFlag.encrypt) && dir.has(InodeFlag.casefold);
}

/** Whether names are compared without regard to case. Encrypted names are compared as they are while there is no key. */
export function isCaseInsensitive(volume: Volume, dir: Inode): boolean {
  return volume.features.casefold && dir.has(InodeFlag.casefold) && !dir.has(InodeFlag.encrypt);
}

/** Whole blocks of the directory. */
export function blocksOf(volume: Volume, dir: Inode): number {
  return Math.floor(dir.size / volume.geometry.blockSize);
}

/** A hash version of an index or the superblock, made unsigned where the superblock says that bytes are unsigned. */
export function resolveHashVersion(volume: Volume, version: number): number {
  if (version > HashVersion.tea) return version;
  return (volume.superblock.flags & SuperblockFlag.unsignedHash) !== 0 ? version + 3 : version;
}

/** The hash version of directories that have no index; one that nobody knows where entries lack the hashes it takes from them. */
export function defaultHashVersion(volume: Volume, dir: Inode): number {
  if (hashesInEntries(dir)) return HashVersion.siphash;
  const version = volume.superblock.defaultHashVersion;
  return version === HashVersion.siphash ? UNKNOWN_HASH : resolveHashVersion(volume, version);
}
