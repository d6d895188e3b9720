import { CorruptionError } from "../errors.js";
import { DirectoryEntryLayout, encodeRecordLength, recordSize } from "../format/directory.js";
import type { Inode } from "../inode/inode.js";
import type { Volume } from "../volume.js";
import { inodeOf, recordLength } from "./leaf.js";

const { offset: FIELD, size: NAME } = DirectoryEntryLayout;

/** What an entry says. */
export interface NewEntry {
  readonly name: Uint8Array;
  readonly ino: number;
  /** EXT4_FT_*. */
  readonly fileType: number;
}

/**
 * Puts an entry into the record at `at` of verified `data`, which has room for it: behind the record's own entry, if it has one.
 *
 * @param end where the records end: no checksum may be overwritten
 */
export function insertEntry(
  volume: Volume,
  dir: Inode,
  data: Uint8Array,
  at: number,
  end: number,
  entry: NewEntry,
): void {
  const { blockSize } = volume.geometry;
  const length = recordLength(data, at, blockSize);
  checkRecordEnd(dir, at, length, end);
  const used = usedOf(data, at);
  if (used > 0) writeRecordLength(data, at, used, blockSize);
  const place = at + used;
  writeEntry(volume, data, place, entry);
  writeRecordLength(data, place, length - used, blockSize);
}

/** Behind the bytes that `insertEntry` changes from `at` on. */
export function insertionEnd(data: Uint8Array, at: number, { name }: NewEntry): number {
  return Math.min(at + usedOf(data, at) + recordSize(name.length), data.length);
}

/** Bytes that the entry of the record at `at` needs. */
function usedOf(data: Uint8Array, at: number): number {
  return inodeOf(data, at) === 0 ? 0 : recordSize(data[at + FIELD.nameLength]!);
}

/** Writes an entry at `at`, all but its record length. */
function writeEntry(volume: Volume, data: Uint8Array, at: number, { name, ino, fileType }: NewEntry): void {
  writeInode(data, at, ino);
  data[at + FIELD.nameLength] = name.length;
  data[at + FIELD.fileType] = volume.features.filetype ? fileType : 0;
  data.set(name, at + NAME);
}

export function writeInode(data: Uint8Array, at: number, ino: number): void {
  data[at] = ino;
  data[at + 1] = ino >>> 8;
  data[at + 2] = ino >>> 16;
  data[at + 3] = ino >>> 24;
}

export function writeRecordLength(data: Uint8Array, at: number, length: number, blockSize: number): void {
  const raw = encodeRecordLength(length, blockSize);
  data[at + FIELD.recordLength] = raw;
  data[at + FIELD.recordLength + 1] = raw >>> 8;
}

/** An unused record over `data[at, at + length)`. */
export function writeUnused(data: Uint8Array, at: number, length: number, blockSize: number): void {
  data.fill(0, at, at + length);
  writeRecordLength(data, at, length, blockSize);
}

/** The record before the one at `at`, in verified records from `start` on; `at` for the first one. */
export function recordBefore(data: Uint8Array, start: number, at: number, blockSize: number): number {
  let before = at;
  for (let next = start; next < at; next += recordLength(data, next, blockSize)) before = next;
  return before;
}

/**
 * Removes the entry at `at` of verified records that end at `end`. Its record goes to the one before it, see `recordBefore`; the first
 * one stays, unused. Nothing of the name stays. Changes no bytes in front of `before`, nor behind the record.
 */
export function removeRecord(
  volume: Volume,
  dir: Inode,
  data: Uint8Array,
  before: number,
  end: number,
  at: number,
): void {
  const { blockSize } = volume.geometry;
  const length = recordLength(data, at, blockSize);
  checkRecordEnd(dir, at, length, end);
  data.fill(0, at, at + length);
  writeRecordLength(data, before, at + length - before, blockSize);
}

/** Only on hostile blocks does a record reach over the checksum. */
function checkRecordEnd(dir: Inode, at: number, length: number, end: number): void {
  if (at + length <= end) return;
  throw new CorruptionError(
    "directory-entry",
    { inode: dir.ino, offset: at },
    `record length ${length} reaches over the checksum at ${end}`,
  );
}
