import { XATTR_ALIGNMENT, XATTR_END_SIZE, XattrEntryLayout } from "../format/xattr.js";
import { isLastEntry, nextEntry, valueInodeOf, valueInSpace, type XattrSpace } from "./entries.js";

const { nameLength, nameIndex, valueOffset, valueInode, valueSize, hash } = XattrEntryLayout.offset;
const ENTRY_SIZE = XattrEntryLayout.size;

/** One attribute as it is stored, for changing a space: read all, change the list, write all. */
export interface StoredXattr {
  /** e_name_index. */
  readonly index: number;
  /** The name after its prefix. */
  readonly name: Uint8Array;
  /** The value when it lies in the space, else empty. */
  readonly value: Uint8Array;
  /** The inode that has the value, 0 when it lies in the space. */
  readonly valueInode: number;
  /** Bytes, wherever they are. */
  readonly valueSize: number;
  /** e_hash; 0 for a value inside the inode. */
  readonly hash: number;
}

/** The attributes in a space that checkEntries has passed, as copies. */
export function readStored(space: XattrSpace): StoredXattr[] {
  const { view, data } = space;
  const list: StoredXattr[] = [];
  for (let entry = space.first; !isLastEntry(space, entry); entry = nextEntry(space, entry)) {
    const name = entry + ENTRY_SIZE;
    const ino = valueInodeOf(space, entry);
    list.push({
      index: view.getUint8(entry + nameIndex),
      name: data.slice(name, name + view.getUint8(entry + nameLength)),
      value: ino === 0 ? valueInSpace(space, entry).slice() : NOTHING,
      valueInode: ino,
      valueSize: view.getUint32(entry + valueSize, true),
      hash: view.getUint32(entry + hash, true),
    });
  }
  return list;
}

const NOTHING = new Uint8Array(0);

/** Bytes that attributes take in a space, the end of the list included. */
export function storedSize(list: readonly StoredXattr[]): number {
  let size = XATTR_END_SIZE;
  for (const { name, value } of list) size += align(ENTRY_SIZE + name.length) + align(value.length);
  return size;
}

/** Bytes of the values alone. */
export function valuesSize(list: readonly StoredXattr[]): number {
  let size = 0;
  for (const { value } of list) size += align(value.length);
  return size;
}

function align(size: number): number {
  return (size + XATTR_ALIGNMENT - 1) & ~(XATTR_ALIGNMENT - 1);
}

/** Fills a space that is large enough with attributes: entries from its first byte on, values from its end downwards. */
export function writeStored(space: XattrSpace, list: readonly StoredXattr[]): void {
  const { view, data, first, end, valueBase } = space;
  data.fill(0, first, end);
  let entry = first;
  let value = end;
  for (const stored of list) {
    view.setUint8(entry + nameLength, stored.name.length);
    view.setUint8(entry + nameIndex, stored.index);
    if (stored.value.length > 0) {
      value -= align(stored.value.length);
      data.set(stored.value, value);
      view.setUint16(entry + valueOffset, value - valueBase, true);
    }
    view.setUint32(entry + valueInode, stored.valueInode, true);
    view.setUint32(entry + valueSize, stored.valueSize, true);
    view.setUint32(entry + hash, stored.hash, true);
    data.set(stored.name, entry + ENTRY_SIZE);
    entry += align(ENTRY_SIZE + stored.name.length);
  }
}

/** Place of a name in a list, -1 when it is not there. */
export function indexOfName(list: readonly StoredXattr[], index: number, name: Uint8Array): number {
  return list.findIndex((stored) => stored.index === index && equalBytes(stored.name, name));
}

/** The list with an attribute in place of the one with the same name, or behind the others, as in inodes. */
export function withXattr(list: readonly StoredXattr[], xattr: StoredXattr): StoredXattr[] {
  const at = indexOfName(list, xattr.index, xattr.name);
  return at === -1 ? [...list, xattr] : list.with(at, xattr);
}

/** As withXattr, in the order that blocks have: by index, length and bytes of the name. */
export function withXattrSorted(list: readonly StoredXattr[], xattr: StoredXattr): StoredXattr[] {
  const at = indexOfName(list, xattr.index, xattr.name);
  if (at !== -1) return list.with(at, xattr);
  const before = list.findIndex((stored) => compareNames(xattr, stored) < 0);
  return list.toSpliced(before === -1 ? list.length : before, 0, xattr);
}

export function withoutXattr(list: readonly StoredXattr[], index: number, name: Uint8Array): StoredXattr[] {
  const at = indexOfName(list, index, name);
  return at === -1 ? [...list] : list.toSpliced(at, 1);
}

function compareNames(a: StoredXattr, b: StoredXattr): number {
  if (a.index !== b.index) return a.index - b.index;
  if (a.name.length !== b.name.length) return a.name.length - b.name.length;
  for (let at = 0; at < a.name.length; at++) {
    if (a.name[at] !== b.name[at]) return a.name[at]! - b.name[at]!;
  }
  return 0;
}

/** Whether two blocks hold the same attributes, so that one will do. */
export function sameXattrs(a: readonly StoredXattr[], b: readonly StoredXattr[]): boolean {
  return (
    a.length === b.length &&
    a.every((one, at) => {
      const other = b[at]!;
      return (
        one.hash === other.hash &&
        one.index === other.index &&
        one.valueInode === other.valueInode &&
        one.valueSize === other.valueSize &&
        equalBytes(one.name, other.name) &&
        equalBytes(one.value, other.value)
      );
    })
  );
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}
