import { CorruptionError, type CorruptionLocation, FileSystemError } from "../errors.js";
import { ACL_DISK_VERSION, ACL_UNDEFINED_ID, ACL_USER_VERSION, AclTag } from "../format/xattr.js";
import { aclToUser } from "./acl.js";

/** One entry of an ACL. */
export interface AclEntry {
  /** See AclTag. */
  readonly tag: number;
  /** rwx as 4, 2, 1. */
  permissions: number;
  /** User or group of the entries that name one, else ACL_UNDEFINED_ID. */
  readonly id: number;
}

const HEADER = 4;
const USER_ENTRY = 8;
const SHORT_ENTRY = 4;

/**
 * An ACL in the form of system calls, checked as posix_acl_valid does. No entries mean no ACL.
 *
 * @throws FileSystemError EINVAL, EOPNOTSUPP for another version
 */
export function parseUserAcl(bytes: Uint8Array): AclEntry[] {
  if (bytes.length === 0) return [];
  if (bytes.length < HEADER) throw new FileSystemError("EINVAL", `an ACL of ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const version = view.getUint32(0, true);
  if (version !== ACL_USER_VERSION) throw new FileSystemError("EOPNOTSUPP", `an ACL of version ${version}`);
  if ((bytes.length - HEADER) % USER_ENTRY !== 0) throw new FileSystemError("EINVAL", "an ACL with half an entry");
  const entries = entriesOf(view);
  if (entries.length > 0 && !isValid(entries)) throw new FileSystemError("EINVAL", "an ACL without the right entries");
  return entries;
}

/** A stored ACL's entries. @throws CorruptionError acl-format */
export function parseStoredAcl(stored: Uint8Array, location: CorruptionLocation): AclEntry[] {
  const user = aclToUser(stored, location);
  if (user === undefined) return [];
  const entries = entriesOf(new DataView(user.buffer));
  if (!isValid(entries)) throw new CorruptionError("acl-format", location, "an ACL without the right entries");
  return entries;
}

function entriesOf(view: DataView): AclEntry[] {
  const entries: AclEntry[] = [];
  for (let at = HEADER; at < view.byteLength; at += USER_ENTRY) {
    const tag = view.getUint16(at, true);
    const named = tag === AclTag.user || tag === AclTag.group;
    entries.push({
      tag,
      permissions: view.getUint16(at + 2, true),
      id: named ? view.getUint32(at + 4, true) : ACL_UNDEFINED_ID,
    });
  }
  return entries;
}

/** The bytes that ext4 stores. */
export function storedAcl(entries: readonly AclEntry[]): Uint8Array {
  const bytes = new Uint8Array(HEADER + entries.length * USER_ENTRY);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, ACL_DISK_VERSION, true);
  let at = HEADER;
  for (const { tag, permissions, id } of entries) {
    view.setUint16(at, tag, true);
    view.setUint16(at + 2, permissions, true);
    if (tag === AclTag.user || tag === AclTag.group) view.setUint32(at + 4, id, true);
    at += tag === AclTag.user || tag === AclTag.group ? USER_ENTRY : SHORT_ENTRY;
  }
  return bytes.subarray(0, at);
}

/**
 * The owner, named users, the group, named groups, the mask, which named ones need, and the others, in this order, the unnamed
 * ones once.
 */
function isValid(entries: readonly AclEntry[]): boolean {
  let expected: number = AclTag.userObject;
  let needsMask = false;
  for (const { tag, permissions, id } of entries) {
    if (permissions > 7) return false;
    switch (tag) {
      case AclTag.userObject:
        if (expected !== AclTag.userObject) return false;
        expected = AclTag.user;
        break;
      case AclTag.user:
        if (expected !== AclTag.user || id === ACL_UNDEFINED_ID) return false;
        needsMask = true;
        break;
      case AclTag.groupObject:
        if (expected !== AclTag.user) return false;
        expected = AclTag.group;
        break;
      case AclTag.group:
        if (expected !== AclTag.group || id === ACL_UNDEFINED_ID) return false;
        needsMask = true;
        break;
      case AclTag.mask:
        if (expected !== AclTag.group) return false;
        expected = AclTag.other;
        break;
      case AclTag.other:
        if (expected !== AclTag.other && (expected !== AclTag.group || needsMask)) return false;
        expected = 0;
        break;
      default:
        return false;
    }
  }
  return expected === 0;
}

/** Whether an ACL says no more than permission bits can (posix_acl_equiv_mode). */
export function isEquivalentToMode(entries: readonly AclEntry[]): boolean {
  return entries.every(({ tag }) => tag === AclTag.userObject || tag === AclTag.groupObject || tag === AclTag.other);
}

/** The nine permission bits that an ACL amounts to; those of the group are the mask's where there is one. */
export function modeOfAcl(entries: readonly AclEntry[]): number {
  return (
    (permissionsOf(entries, AclTag.userObject) << 6) |
    (groupClass(entries).permissions << 3) |
    permissionsOf(entries, AclTag.other)
  );
}

function permissionsOf(entries: readonly AclEntry[], tag: number): number {
  return entries.find((entry) => entry.tag === tag)!.permissions;
}

/** The entry that the mode's group bits stand for. A valid ACL has one. */
function groupClass(entries: readonly AclEntry[]): AclEntry {
  return entries.find(({ tag }) => tag === AclTag.mask) ?? entries.find(({ tag }) => tag === AclTag.groupObject)!;
}

/** What a new inode gets of its parent's default ACL: no more than the caller's mode allows (posix_acl_create_masq). */
export function maskForCreation(entries: readonly AclEntry[], mode: number): AclEntry[] {
  return withClasses(entries, (permissions, shift) => permissions & (mode >> shift));
}

/** The ACL after the permission bits were changed to `mode` (__posix_acl_chmod_masq). */
export function withMode(entries: readonly AclEntry[], mode: number): AclEntry[] {
  return withClasses(entries, (_, shift) => (mode >> shift) & 7);
}

function withClasses(entries: readonly AclEntry[], change: (permissions: number, shift: number) => number): AclEntry[] {
  const group = groupClass(entries);
  return entries.map((entry) => {
    const shift = entry === group ? 3 : entry.tag === AclTag.userObject ? 6 : entry.tag === AclTag.other ? 0 : -1;
    return shift === -1 ? entry : { ...entry, permissions: change(entry.permissions, shift) };
  });
}
