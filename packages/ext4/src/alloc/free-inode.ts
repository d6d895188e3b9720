import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";

/** Frees an inode whose contents are gone already; dtime was set by the caller. @throws CorruptionError inode-bitmap */
export function freeInode(_handle: Handle, _inode: Inode): void {
  throw new Error("to be written");
}
