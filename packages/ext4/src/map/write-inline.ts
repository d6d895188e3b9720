import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import type { Volume } from "../volume.js";

/** Most bytes of inline data that the inode can hold with its attributes as they are; 0 when it cannot have any. */
export function inlineCapacity(_volume: Volume, _inode: Inode): number {
  throw new Error("not yet");
}

/** Makes a new inode hold its data inside itself: the flag, i_block of zeros, an empty system.data. */
export function initInlineData(_handle: Handle, _inode: Inode): void {
  throw new Error("not yet");
}

/**
 * Writes bytes into inline data, which grows; `inode.size` becomes at least `pos + bytes.length`, with zeros in between.
 *
 * @returns false when it does not fit; nothing has changed then, and the caller spills
 */
export function writeInlineData(_handle: Handle, _inode: Inode, _pos: number, _bytes: Uint8Array): boolean {
  throw new Error("not yet");
}

/** Cuts inline data to `size` bytes, or grows it with zeros; false when it does not fit. Sets `inode.size`. */
export function truncateInlineData(_handle: Handle, _inode: Inode, _size: number): boolean {
  throw new Error("not yet");
}

/** Where inline data went. */
export interface SpilledData {
  /** Block on the device, 0 when the file was empty and has none. */
  readonly block: number;
  /** A whole block, what follows the data is zeros: the caller writes it to `block`. Empty when there is no block. */
  readonly bytes: Uint8Array;
}

/**
 * Moves inline data out to block 0 of the file. Of a regular file the caller writes the bytes to the device before the handle
 * stops (data before metadata).
 */
export function spillInlineData(_handle: Handle, _inode: Inode): SpilledData {
  throw new Error("not yet");
}

/** Takes the data and the flag from an inode with inline data: i_block becomes an empty extent root or no pointers. */
export function clearInlineData(_handle: Handle, _inode: Inode): Uint8Array {
  throw new Error("not yet");
}
