import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import type { Volume } from "../volume.js";
import { OrphanTable } from "./orphan-table.js";

/** Blocks that adding or removing an orphan changes: its inode, its predecessor's, the superblock or a block of the orphan file. */
export const ORPHAN_CREDITS = 4;

/**
 * Notes that an inode has no name left but is in use, or that its truncation begins: a crash before `removeOrphan` then does not
 * lose its blocks. Nothing happens when it is noted already. On the list, i_dtime leads to the next orphan.
 */
export function addOrphan(handle: Handle, inode: Inode): void {
  orphanTable(handle.volume).add(handle, inode);
}

/** Takes back what `addOrphan` noted, and sets i_dtime to 0; whoever deletes the inode sets it afterwards. */
export function removeOrphan(handle: Handle, inode: Inode): void {
  orphanTable(handle.volume).remove(handle, inode);
}

/** The orphans of a volume, empty until `cleanOrphans` has read them. */
export function orphanTable(volume: Volume): OrphanTable {
  volume.orphans ??= new OrphanTable(volume);
  return volume.orphans;
}
