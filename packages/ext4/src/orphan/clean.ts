import { isInodeUsed } from "../alloc/claim.js";
import { CorruptionError, DeviceError, isEngineError } from "../errors.js";
import { InodeLayout } from "../format/inode.js";
import { SuperblockState } from "../format/superblock.js";
import { decodeInode } from "../inode/decode-inode.js";
import type { Inode } from "../inode/inode.js";
import { readRawInode } from "../inode/inode-table.js";
import { transact } from "../journal/transactions.js";
import type { Volume } from "../volume.js";
import { ORPHAN_CREDITS, orphanTable, removeOrphan } from "./change.js";
import type { OrphanTable } from "./orphan-table.js";
import { checkOrphan, MAX_ORPHANS } from "./orphans.js";

/** How the namespace ends what was interrupted. */
export interface OrphanEnds {
  /** Deletes an inode without links, its entry among the orphans included. */
  remove(inode: Inode): void;
  /** Frees the blocks behind the size of an inode that has links. */
  truncate(inode: Inode): void;
}

/**
 * Deletes and truncates what a crash left to be deleted and truncated (ext4_orphan_cleanup). On a file system with errors the
 * list is dropped instead, as in the kernel: e2fsck finds what it held. A damaged list is put on record and dropped as well.
 *
 * @param isInUse where a mount goes on: which of those without links still are; they stay, and the list does as well
 * @returns orphans that were dealt with
 * @throws CorruptionError for an orphan file that is damaged
 */
export function cleanOrphans(volume: Volume, ends: OrphanEnds, isInUse?: (ino: number) => boolean): number {
  const { superblock } = volume;
  if (isInUse === undefined && superblock.lastOrphan !== 0 && (superblock.state & SuperblockState.error) !== 0) {
    volume.environment.log("warning", "the file system has errors: the list of orphans is dropped");
    dropList(volume);
  }
  volume.orphans = undefined;
  const table = orphanTable(volume);
  try {
    readList(volume, table);
  } catch (error) {
    if (!isEngineError(error) || error instanceof DeviceError) throw error;
    volume.report?.(error);
    dropList(volume);
    table.forgetListed();
  }
  readFile(volume, table);
  let done = 0;
  for (const ino of table.numbers()) if (clean(volume, ino, ends, isInUse)) done++;
  return done;
}

/**
 * Deals with one orphan, unless it is in use. Only those are kept in memory: an image may have a long list.
 *
 * @returns whether it was dealt with
 */
function clean(volume: Volume, ino: number, ends: OrphanEnds, isInUse?: (ino: number) => boolean): boolean {
  const inode = orphanInode(volume, ino);
  const isNameless = inode.linksCount === 0;
  if (isNameless && isInUse?.(ino) === true) return false;
  try {
    if (isNameless) ends.remove(inode);
    else ends.truncate(inode);
  } catch (error) {
    if (!isEngineError(error)) throw error;
    volume.report?.(error);
  }
  // Whatever happened: it is not tried again at each mount.
  if (volume.transactions?.aborted === undefined && orphanTable(volume).has(ino)) {
    transact(volume, ORPHAN_CREDITS, (handle) => removeOrphan(handle, inode));
  }
  if (isNameless) volume.inodes.delete(ino);
  return true;
}

function dropList(volume: Volume): void {
  transact(volume, 1, (handle) => {
    handle.modifySuperblock();
    volume.superblock.lastOrphan = 0;
  });
}

function readList(volume: Volume, table: OrphanTable): void {
  let previous = 0;
  for (let ino = volume.superblock.lastOrphan; ino !== 0; ) {
    checkOrphan(volume, ino, { inode: previous });
    if (table.has(ino)) throw new CorruptionError("orphan-list", { inode: previous }, `it leads back to inode ${ino}`);
    if (table.size === MAX_ORPHANS) throw new CorruptionError("orphan-list", {}, `more than ${MAX_ORPHANS} inodes`);
    if (!isInodeUsed(volume, ino)) {
      throw new CorruptionError(
        "orphan-list",
        { inode: previous },
        `it names inode ${ino}, which is free in the bitmap`,
      );
    }
    const inode = decodeOrphan(volume, ino);
    table.takeListed(ino, previous);
    previous = ino;
    ino = inode.view.getUint32(InodeLayout.offset.dtime, true);
  }
}

function readFile(volume: Volume, table: OrphanTable): void {
  const { file } = table;
  file?.forEach(volume, (ino, slot, fileBlock) => {
    const location = { inode: file.inode.ino, fileBlock };
    checkOrphan(volume, ino, location);
    if (table.has(ino)) throw new CorruptionError("orphan-list", location, `inode ${ino} is an orphan twice`);
    decodeOrphan(volume, ino);
    table.takeFiled(ino, slot);
  });
}

/** The shared object of an orphan, kept in memory if it has no links. */
function orphanInode(volume: Volume, ino: number): Inode {
  const cached = volume.inodes.get(ino);
  if (cached !== undefined) return cached;
  const inode = decodeOrphan(volume, ino);
  if (inode.linksCount === 0) volume.inodes.keep(inode);
  else volume.inodes.add(inode);
  return inode;
}

function decodeOrphan(volume: Volume, ino: number): Inode {
  const inode = readRawInode(volume, ino);
  decodeInode(volume, inode, true);
  return inode;
}
