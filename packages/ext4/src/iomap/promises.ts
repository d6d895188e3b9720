import { FileSystemError } from "../errors.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import { addOrphan, removeOrphan } from "../orphan/change.js";

/** What a host outside of this process counts on between two calls. */
export class Promises {
  /** Inodes whose blocks it uses as swap space, without asking again. */
  readonly pinned = new Set<number>();
  /**
   * Files with block pointers that grow: one past the last file block that was allocated behind the end. They are noted as orphans,
   * so that a crash before the size has followed leaves no blocks there.
   */
  readonly growing = new Map<number, number>();
}

/** Refuses to change where the data of swap space lies. @throws FileSystemError ETXTBSY */
export function checkNotPinned(promises: Promises, inode: Inode): void {
  if (!promises.pinned.has(inode.ino)) return;
  throw new FileSystemError("ETXTBSY", `inode ${inode.ino} is in use as swap space; run swapoff first`);
}

/** Blocks up to `end`, behind the end of a file, have been allocated that are not unwritten. */
export function noteGrowth(handle: Handle, inode: Inode, end: number): void {
  const { growing } = handle.volume.promises;
  const before = growing.get(inode.ino);
  if (before !== undefined && before >= end) return;
  addOrphan(handle, inode);
  growing.set(inode.ino, end);
  handle.onUndo(() => {
    if (before === undefined) growing.delete(inode.ino);
    else growing.set(inode.ino, before);
  });
}

/** The size of a file, or what it maps behind it, has changed: when nothing lies behind it, it is no orphan any more. */
export function settleGrowth(handle: Handle, inode: Inode): void {
  const { volume } = handle;
  const { growing } = volume.promises;
  const end = growing.get(inode.ino);
  if (end === undefined || Math.ceil(inode.size / volume.geometry.blockSize) < end) return;
  forgetGrowth(handle, inode);
}

/** Nothing is allocated behind the end any more. */
export function forgetGrowth(handle: Handle, inode: Inode): void {
  const { growing } = handle.volume.promises;
  const end = growing.get(inode.ino);
  if (end === undefined) return;
  growing.delete(inode.ino);
  handle.onUndo(() => growing.set(inode.ino, end));
  if (inode.linksCount > 0) removeOrphan(handle, inode);
}
