import { CorruptionError } from "../errors.js";
import { compatFeature } from "../format/features.js";
import { InodeLayout } from "../format/inode.js";
import { readRawInode } from "../inode/inode-table.js";
import type { Volume } from "../volume.js";
import { OrphanFile } from "./orphan-file.js";

/** More orphans than this on the list are taken for damage; each was open, or being truncated, when the system stopped. */
export const MAX_ORPHANS = 2 ** 20;

/**
 * Inode numbers of the orphans: files that had no name left but were open, and files whose truncation was not finished.
 * Whoever mounts the file system for writing frees the former and ends the latter.
 *
 * Reading needs neither. What a user of the read-only view sees:
 * - An orphan without a name is in no directory. Its inode and blocks count as used in statfs.
 * - A file whose truncation was in progress has its new, shorter size: the size is in the first transaction of a truncation,
 *   the blocks go in that one and in later ones. Its contents end at the new size. Some of the blocks behind may still be
 *   mapped: they count in st_blocks and statfs, and no read reaches them. The last block behind the end of the file is zero
 *   or not; nobody reads it either.
 * A kernel's mount for writing, or e2fsck, frees all that: then the free counts are higher. The kernel's own read-only mount of
 * a device that cannot be written shows what is shown here.
 *
 * Orphans stand on a list that starts in the superblock and goes on in i_dtime, or in the orphan file, or on both.
 *
 * @throws CorruptionError orphan-list when the list does not end, or names what is no inode, or the file is damaged
 */
export function orphans(volume: Volume): number[] {
  const found = [...listedOrphans(volume)];
  if ((volume.features.compat & compatFeature.orphan_file) !== 0) addFromFile(volume, found);
  return found;
}

function listedOrphans(volume: Volume): Set<number> {
  const found = new Set<number>();
  let previous = 0;
  for (let ino = volume.superblock.lastOrphan; ino !== 0; ) {
    checkOrphan(volume, ino, { inode: previous });
    if (found.has(ino)) throw new CorruptionError("orphan-list", { inode: previous }, `it leads back to inode ${ino}`);
    if (found.size === MAX_ORPHANS) throw new CorruptionError("orphan-list", {}, `more than ${MAX_ORPHANS} inodes`);
    found.add(ino);
    previous = ino;
    ino = readRawInode(volume, ino).view.getUint32(InodeLayout.offset.dtime, true);
  }
  return found;
}

function addFromFile(volume: Volume, found: number[]): void {
  const file = new OrphanFile(volume);
  file.forEach(volume, (ino, _slot, fileBlock) => {
    checkOrphan(volume, ino, { inode: file.inode.ino, fileBlock });
    found.push(ino);
  });
}

/** An orphan is an ordinary inode: none of those that the superblock names (is_special_ino). */
export function checkOrphan(volume: Volume, ino: number, location: { inode: number; fileBlock?: number }): void {
  const { firstInode, inodeCount } = volume.geometry;
  const { journalInode, userQuotaInode, groupQuotaInode, projectQuotaInode, orphanFileInode } = volume.superblock;
  const wrong = (rule: string) => new CorruptionError("orphan-list", location, `it names inode ${ino}; ${rule}`);
  if (ino < firstInode || ino > inodeCount) throw wrong(`orphans lie from ${firstInode} to ${inodeCount}`);
  if ([journalInode, userQuotaInode, groupQuotaInode, projectQuotaInode, orphanFileInode].includes(ino)) {
    throw wrong("that is the file system's own");
  }
}
