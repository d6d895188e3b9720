import { CorruptionError, type CorruptionLocation } from "../errors.js";
import { ReservedInode } from "../format/inode.js";
import { XATTR_ALIGNMENT, XATTR_END_SIZE, XATTR_VALUE_MAX, XattrEntryLayout } from "../format/xattr.js";
import type { Volume } from "../volume.js";

const { nameLength, nameIndex, valueOffset, valueInode, valueSize } = XattrEntryLayout.offset;
const ENTRY_SIZE = XattrEntryLayout.size;

/**
 * A space with attributes: entries grow upwards from `first`, values downwards from `end`, and zeros where the next entry
 * would start end the list. Either the end of an inode or a block of its own.
 */
export interface XattrSpace {
  readonly view: DataView;
  readonly data: Uint8Array;
  /** Byte offset of the first entry. */
  readonly first: number;
  /** Byte offset that value offsets count from. */
  readonly valueBase: number;
  /** One past the last byte. */
  readonly end: number;
  /** The inode or block it lies in, for evidence. */
  readonly location: CorruptionLocation;
}

/** Whether the list of entries ends at `entry`. */
export function isLastEntry(space: XattrSpace, entry: number): boolean {
  return space.view.getUint32(entry, true) === 0;
}

/** Byte offset of the entry after `entry`. */
export function nextEntry(space: XattrSpace, entry: number): number {
  return (entry + ENTRY_SIZE + space.view.getUint8(entry + nameLength) + XATTR_ALIGNMENT - 1) & ~(XATTR_ALIGNMENT - 1);
}

function corrupt(space: XattrSpace, entry: number, evidence: string): CorruptionError {
  return new CorruptionError("xattr-entry", { ...space.location, offset: entry }, evidence);
}

/**
 * Checks every entry, by the rules of the kernel's check_xattrs: names inside the space and without zero bytes, values
 * behind the names and inside the space, value inodes only where the feature allows them.
 *
 * @returns the number of entries
 * @throws CorruptionError xattr-entry
 */
export function checkEntries(volume: Volume, space: XattrSpace): number {
  const { view, data, first, end } = space;
  if (first + XATTR_END_SIZE > end) throw corrupt(space, first, `no room for entries in ${end - first} bytes`);
  let count = 0;
  let entry = first;
  while (!isLastEntry(space, entry)) {
    if (entry + ENTRY_SIZE > end) throw corrupt(space, entry, "the list of entries has no end");
    const next = nextEntry(space, entry);
    if (next + XATTR_END_SIZE > end) throw corrupt(space, entry, "the list of entries has no end");
    const nameEnd = entry + ENTRY_SIZE + view.getUint8(entry + nameLength);
    for (let at = entry + ENTRY_SIZE; at < nameEnd; at++) {
      if (data[at] === 0) throw corrupt(space, entry, "a zero in a name");
    }
    count++;
    entry = next;
  }
  const namesEnd = entry + XATTR_END_SIZE;
  for (entry = first; !isLastEntry(space, entry); entry = nextEntry(space, entry)) {
    const size = view.getUint32(entry + valueSize, true);
    const ino = view.getUint32(entry + valueInode, true);
    if (size > XATTR_VALUE_MAX) throw corrupt(space, entry, `a value of ${size} bytes`);
    if (ino !== 0) {
      if (!volume.features.eaInode) throw corrupt(space, entry, `value inode ${ino} without the feature ea_inode`);
      if (
        ino === ReservedInode.root ||
        (ino !== ReservedInode.journal && ino < volume.geometry.firstInode) ||
        ino > volume.geometry.inodeCount
      ) {
        throw corrupt(space, entry, `value inode ${ino} of ${volume.geometry.inodeCount}`);
      }
      if (size === 0) throw corrupt(space, entry, `an empty value in inode ${ino}`);
    } else if (size !== 0) {
      const value = space.valueBase + view.getUint16(entry + valueOffset, true);
      const padded = (size + XATTR_ALIGNMENT - 1) & ~(XATTR_ALIGNMENT - 1);
      if (value < namesEnd) throw corrupt(space, entry, `a value at ${value} among names that end at ${namesEnd}`);
      if (value + padded > end) throw corrupt(space, entry, `a value at ${value} of ${size} bytes in ${end}`);
    }
  }
  return count;
}

/**
 * The entry with this name, in a space that checkEntries has passed.
 *
 * @param name the name with its prefix, a byte a char
 * @param from where in `name` the part after the prefix starts
 * @returns byte offset of the entry, or -1
 */
export function findEntry(space: XattrSpace, index: number, name: string, from: number): number {
  const { view, data } = space;
  const length = name.length - from;
  for (let entry = space.first; !isLastEntry(space, entry); entry = nextEntry(space, entry)) {
    if (view.getUint8(entry + nameIndex) !== index || view.getUint8(entry + nameLength) !== length) continue;
    let at = 0;
    while (at < length && data[entry + ENTRY_SIZE + at] === name.charCodeAt(from + at)) at++;
    if (at === length) return entry;
  }
  return -1;
}

/** The inode that holds the value of `entry`; 0 when the value is in the space. */
export function valueInodeOf(space: XattrSpace, entry: number): number {
  return space.view.getUint32(entry + valueInode, true);
}

/** The value of `entry`, which lies in the space: a window, not a copy. */
export function valueInSpace(space: XattrSpace, entry: number): Uint8Array {
  const size = space.view.getUint32(entry + valueSize, true);
  // The offset of an empty value means nothing.
  if (size === 0) return space.data.subarray(0, 0);
  const value = space.valueBase + space.view.getUint16(entry + valueOffset, true);
  return space.data.subarray(value, value + size);
}
