import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import type { Volume } from "../volume.js";

/** Doors of rooms that are being built; each goes when its room opens. */
function notYet(): never {
  throw new Error("not there yet");
}
export function directoryCredits(_volume: Volume): number {
  return 64;
}
export function addEntry(_handle: Handle, _dir: Inode, _name: Uint8Array, _ino: number, _type: number): void {
  notYet();
}
export function removeEntry(_handle: Handle, _dir: Inode, _name: Uint8Array): number {
  return notYet();
}
export function replaceEntry(_handle: Handle, _dir: Inode, _name: Uint8Array, _ino: number, _type: number): void {
  notYet();
}
export function initDirectory(_handle: Handle, _dir: Inode, _parent: number): void {
  notYet();
}
export function isEmpty(_volume: Volume, _dir: Inode): boolean {
  return notYet();
}
export function setDotDot(_handle: Handle, _dir: Inode, _parent: number): void {
  notYet();
}
export function addOrphan(_handle: Handle, _inode: Inode): void {
  notYet();
}
export function removeOrphan(_handle: Handle, _inode: Inode): void {
  notYet();
}
export function chmodAcl(_handle: Handle, _inode: Inode): void {}
