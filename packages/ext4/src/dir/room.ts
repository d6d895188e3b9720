import { DirectoryEntryLayout, decodeRecordLength, recordSize } from "../format/directory.js";
import { inodeOf } from "./leaf.js";

const NAME = DirectoryEntryLayout.size;
const RECORD_LENGTH = DirectoryEntryLayout.offset.recordLength;
const NAME_LENGTH = DirectoryEntryLayout.offset.nameLength;

/** What a search for room gives when there is none. */
export const NO_ROOM = -1;

/** The offset of the record with room, from the negative result of a search other than NO_ROOM. */
export function roomAt(result: number): number {
  return -2 - result;
}

/** Looks in verified entries for a record with `need` bytes to spare: NO_ROOM, or see `roomAt`. */
export function findRoom(data: Uint8Array, start: number, end: number, blockSize: number, need: number): number {
  for (let at = start; at < end; ) {
    const raw = data[at + RECORD_LENGTH]! | (data[at + RECORD_LENGTH + 1]! << 8);
    const length = blockSize < 0x1_0000 ? raw : decodeRecordLength(raw, blockSize);
    if (spare(data, at, length) >= need) return -2 - at;
    at += length;
  }
  return NO_ROOM;
}

/**
 * Looks in verified entries, in one pass, for a name that is compared as bytes and for a record with `need` bytes to spare.
 *
 * @returns the offset of the name's entry; else NO_ROOM, or see `roomAt`
 */
export function findBytesOrRoom(
  data: Uint8Array,
  start: number,
  end: number,
  blockSize: number,
  need: number,
  name: Uint8Array,
): number {
  const length = name.length;
  const last = length - 1;
  const first = name[0]!;
  const final = name[last]!;
  let room = NO_ROOM;
  for (let at = start; at < end; ) {
    if (data[at + NAME_LENGTH] === length && data[at + NAME + last] === final && data[at + NAME] === first) {
      let i = 1;
      while (i < last && data[at + NAME + i] === name[i]) i++;
      if (i >= last && inodeOf(data, at) !== 0) return at;
    }
    const raw = data[at + RECORD_LENGTH]! | (data[at + RECORD_LENGTH + 1]! << 8);
    const whole = blockSize < 0x1_0000 ? raw : decodeRecordLength(raw, blockSize);
    if (room === NO_ROOM && whole >= need && spare(data, at, whole) >= need) room = -2 - at;
    at += whole;
  }
  return room;
}

/** Bytes of a record of `length` bytes that its entry does not need. */
function spare(data: Uint8Array, at: number, length: number): number {
  return inodeOf(data, at) === 0 ? length : length - recordSize(data[at + NAME_LENGTH]!);
}
