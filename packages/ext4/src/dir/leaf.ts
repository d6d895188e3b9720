import { type CachedBlock, Verified } from "../cache/block-cache.js";
import { crc32c } from "../checksum/crc32c.js";
import { CorruptionError, type CorruptionLocation } from "../errors.js";
import {
  DirectoryEntryHashLayout,
  DirectoryEntryLayout,
  DirectoryTailLayout,
  decodeRecordLength,
  recordSize,
  TAIL_FILE_TYPE,
} from "../format/directory.js";
import type { Inode } from "../inode/inode.js";
import type { Volume } from "../volume.js";
import { hashesInEntries } from "./kind.js";

const NAME = DirectoryEntryLayout.size;
const RECORD_LENGTH = DirectoryEntryLayout.offset.recordLength;
const NAME_LENGTH = DirectoryEntryLayout.offset.nameLength;
const FILE_TYPE = DirectoryEntryLayout.offset.fileType;
const DOT = 0x2e;

/** Verifications of leaves so far. */
let verifications = 0;

/**
 * Checks a block of directory entries once while it stays in the cache: its checksum, and every entry in it, so that whoever
 * walks the block afterwards needs no checks but the end of the block.
 */
export function verifyLeaf(volume: Volume, dir: Inode, block: CachedBlock, fileBlock: number): void {
  if (block.verifiedAs === Verified.directoryLeaf && block.verifiedFor === dir.ino) return;
  if (volume.features.metadataCsum) verifyLeafChecksum(dir, block, fileBlock);
  verifyEntries(volume, dir, block.data, 0, block.data.length, { inode: dir.ino, block: block.block, fileBlock });
  block.verifiedAs = Verified.directoryLeaf;
  block.verifiedFor = dir.ino;
  block.verification = ++verifications;
}

function verifyLeafChecksum(dir: Inode, block: CachedBlock, fileBlock: number): void {
  const { data, view } = block;
  const base = data.length - DirectoryTailLayout.size;
  const tail = DirectoryTailLayout.at(view, base);
  const fits =
    tail.inode === 0 &&
    tail.recordLength === DirectoryTailLayout.size &&
    tail.nameLength === 0 &&
    tail.fileType === TAIL_FILE_TYPE;
  const computed = fits ? crc32c(dir.checksumSeed, data, 0, base) : 0;
  if (fits && computed === tail.checksum) return;
  throw new CorruptionError(
    "directory-checksum",
    { inode: dir.ino, block: block.block, fileBlock, offset: base },
    fits ? `checksum ${hex(tail.checksum)}, computed ${hex(computed)}` : "there is no checksum at the end of the block",
  );
}

/**
 * Checks that the records of `data[start, end)` fill it exactly and that each holds its name and names a possible inode; the
 * rules are those of the kernel's __ext4_check_dir_entry.
 */
export function verifyEntries(
  volume: Volume,
  dir: Inode,
  data: Uint8Array,
  start: number,
  end: number,
  location: CorruptionLocation,
): void {
  const { blockSize, inodeCount } = volume.geometry;
  const stored = hashesInEntries(dir) ? DirectoryEntryHashLayout.size : 0;
  for (let at = start; at < end; ) {
    const left = end - at;
    if (left < recordSize(1)) throw entryError(location, at, `${left} bytes at the end of the block hold no entry`);
    const length = recordLength(data, at, blockSize);
    const nameLength = data[at + NAME_LENGTH]!;
    const extra = stored === 0 || hasNoStoredHash(data, at, nameLength) ? 0 : stored;
    const ino = inodeOf(data, at);
    if (length % 4 !== 0) throw entryError(location, at, `record length ${length} is no multiple of 4`);
    if (length < recordSize(1) + extra || length < recordSize(nameLength) + extra) {
      throw entryError(location, at, `record length ${length} is too small for a name of ${nameLength} bytes`);
    }
    if (length > left)
      throw entryError(location, at, `record length ${length} exceeds the ${left} bytes that are left`);
    if (ino > inodeCount) throw entryError(location, at, `inode ${ino} of ${inodeCount}`);
    if (ino !== 0 && nameLength === 0) throw entryError(location, at, `inode ${ino} has an empty name`);
    at += length;
  }
}

/** `.`, `..` and checksum tails carry no hash, even where the other entries do. */
function hasNoStoredHash(data: Uint8Array, at: number, nameLength: number): boolean {
  return isDot(data, at, nameLength) || (nameLength === 0 && data[at + FILE_TYPE] === TAIL_FILE_TYPE);
}

/** Whether the entry at `at` is `.` or `..`. */
export function isDot(data: Uint8Array, at: number, nameLength: number): boolean {
  return (
    nameLength <= 2 && nameLength !== 0 && data[at + NAME] === DOT && (nameLength === 1 || data[at + NAME + 1] === DOT)
  );
}

/** The inode number that the entry at `at` names; 0 for an unused one. */
export function inodeOf(data: Uint8Array, at: number): number {
  return (data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16) | (data[at + 3]! << 24)) >>> 0;
}

/** Bytes from the entry at `at` to the next one. */
export function recordLength(data: Uint8Array, at: number, blockSize: number): number {
  return decodeRecordLength(data[at + RECORD_LENGTH]! | (data[at + RECORD_LENGTH + 1]! << 8), blockSize);
}

/**
 * Looks for a name, compared as bytes, in verified entries.
 *
 * @returns the offset of its entry, or -1
 */
export function findBytes(data: Uint8Array, start: number, end: number, blockSize: number, name: Uint8Array): number {
  const length = name.length;
  const last = length - 1;
  const first = name[0]!;
  const final = name[last]!;
  for (let at = start; at < end; ) {
    // The last byte differs more often than the first: names come in series.
    if (data[at + NAME_LENGTH] === length && data[at + NAME + last] === final && data[at + NAME] === first) {
      let i = 1;
      while (i < last && data[at + NAME + i] === name[i]) i++;
      if (i >= last && inodeOf(data, at) !== 0) return at;
    }
    const raw = data[at + RECORD_LENGTH]! | (data[at + RECORD_LENGTH + 1]! << 8);
    at += blockSize < 0x1_0000 ? raw : decodeRecordLength(raw, blockSize);
  }
  return -1;
}

function entryError(location: CorruptionLocation, offset: number, evidence: string): CorruptionError {
  return new CorruptionError("directory-entry", { ...location, offset }, evidence);
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
