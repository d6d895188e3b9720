/**
 * How a region is laid out: numbers of 8 bytes in the header, notes, the slots' headers, and the slots: a block each.
 *
 * What has a sequence number counts if that is at most the header's, which is the one store that makes all of a step count at
 * once. A slot counts as long as its transaction is above the last durable one, and if no slot of a later step has the same block.
 */
export const MAGIC = 0xb01_4ead_0001;

export const Header = {
  magic: 0,
  /** Bytes of a block. */
  blockSize: 8,
  slots: 16,
  /** Of the last step that counts. */
  sequence: 24,
  /** Last transaction that is durable. */
  durable: 32,
  /** 1 when the file system had been unmounted cleanly before this mount. */
  wasValid: 40,
  /** 1 when nothing may be changed any more. */
  aborted: 48,
} as const;

const NOTES = 4096;
export const NOTE_COUNT = 64;
/** Bytes of a note at most. */
export const MOST_NOTE = 496;
const NOTE_SIZE = 512;
export const Note = { sequence: 0, length: 8, bytes: 16 } as const;

const SLOTS = NOTES + NOTE_COUNT * NOTE_SIZE;
const SLOT_HEADER = 64;
export const Slot = { sequence: 0, transaction: 8, block: 16, seal: 24, seed: 32 } as const;
/** In place of a seal's number: the block is free, and what earlier slots hold of it is void. */
export const VOID = -1;

export function noteAt(index: number): number {
  return NOTES + index * NOTE_SIZE;
}

export function slotAt(slot: number): number {
  return SLOTS + slot * SLOT_HEADER;
}

/** Where the block of slot 0 is. */
export function blocksAt(slots: number): number {
  return Math.ceil(slotAt(slots) / 4096) * 4096;
}

/** Slots that a region of `length` bytes has. */
export function slotsIn(length: number, blockSize: number): number {
  return Math.max(0, Math.floor((length - SLOTS - 4096) / (SLOT_HEADER + blockSize)));
}
