import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";

/** Doors of rooms that are being built; each goes when its room opens. */
function notYet(): never {
  throw new Error("not there yet");
}
export function addOrphan(_handle: Handle, _inode: Inode): void {
  notYet();
}
export function removeOrphan(_handle: Handle, _inode: Inode): void {
  notYet();
}
