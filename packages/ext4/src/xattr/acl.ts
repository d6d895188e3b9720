import { CorruptionError, type CorruptionLocation } from "../errors.js";
import { ACL_DISK_VERSION, ACL_UNDEFINED_ID, ACL_USER_VERSION, AclTag } from "../format/xattr.js";

/** Bytes: the version. */
const DISK_HEADER = 4;
/** Bytes of an entry without and with an id. */
const DISK_SHORT_ENTRY = 4;
const DISK_ENTRY = 8;
const USER_HEADER = 4;
const USER_ENTRY = 8;

/**
 * A stored ACL as system calls carry it (struct posix_acl_xattr_header): ext4 leaves out the ids of entries that name nobody.
 *
 * @param stored the attribute's value on disk
 * @returns undefined for an ACL without entries, which counts as none
 * @throws CorruptionError acl-format
 */
export function aclToUser(stored: Uint8Array, location: CorruptionLocation): Uint8Array | undefined {
  if (stored.length === 0) return undefined;
  const view = new DataView(stored.buffer, stored.byteOffset, stored.length);
  if (stored.length < DISK_HEADER)
    throw new CorruptionError("acl-format", location, `an ACL of ${stored.length} bytes`);
  const version = view.getUint32(0, true);
  if (version !== ACL_DISK_VERSION) throw new CorruptionError("acl-format", location, `an ACL of version ${version}`);

  let count = 0;
  for (let at = DISK_HEADER; at < stored.length; count++) {
    const size = entrySize(view, at);
    if (at + size > stored.length) throw new CorruptionError("acl-format", location, `entry ${count} is cut off`);
    if (size === 0) throw new CorruptionError("acl-format", location, `entry ${count} has an unknown tag`);
    at += size;
  }
  if (count === 0) return undefined;

  const user = new Uint8Array(USER_HEADER + count * USER_ENTRY);
  const out = new DataView(user.buffer);
  out.setUint32(0, ACL_USER_VERSION, true);
  let at = DISK_HEADER;
  for (let entry = USER_HEADER; entry < user.length; entry += USER_ENTRY) {
    const size = entrySize(view, at);
    out.setUint16(entry, view.getUint16(at, true), true);
    out.setUint16(entry + 2, view.getUint16(at + 2, true), true);
    out.setUint32(entry + 4, size === DISK_ENTRY ? view.getUint32(at + 4, true) : ACL_UNDEFINED_ID, true);
    at += size;
  }
  return user;
}

/** Bytes of the stored entry at `at`, by its tag; 0 when no entry has such a tag. */
function entrySize(view: DataView, at: number): number {
  if (at + DISK_SHORT_ENTRY > view.byteLength) return DISK_SHORT_ENTRY;
  switch (view.getUint16(at, true)) {
    case AclTag.userObject:
    case AclTag.groupObject:
    case AclTag.mask:
    case AclTag.other:
      return DISK_SHORT_ENTRY;
    case AclTag.user:
    case AclTag.group:
      return DISK_ENTRY;
    default:
      return 0;
  }
}
