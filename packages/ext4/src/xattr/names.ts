import { FileSystemError } from "../errors.js";
import { XattrIndex } from "../format/xattr.js";
import type { Inode } from "../inode/inode.js";

/** Most bytes of a name after its prefix: what e_name_len can say. */
const NAME_MAX = 255;

/** How a name index is shown to users. */
export interface Namespace {
  readonly index: number;
  readonly prefix: string;
  /** Whether the prefix is the whole name, as for ACLs. */
  readonly whole: boolean;
}

/**
 * What Linux's ext4 shows. Attributes of the other indexes (inline data, the encryption context, Lustre's, rich ACLs, and
 * numbers nobody has defined) stay hidden, as they do there.
 */
const namespaces: readonly Namespace[] = [
  { index: XattrIndex.user, prefix: "user.", whole: false },
  { index: XattrIndex.security, prefix: "security.", whole: false },
  { index: XattrIndex.posixAclAccess, prefix: "system.posix_acl_access", whole: true },
  { index: XattrIndex.posixAclDefault, prefix: "system.posix_acl_default", whole: true },
  { index: XattrIndex.trusted, prefix: "trusted.", whole: false },
  { index: XattrIndex.hurd, prefix: "gnu.", whole: false },
];

const byIndex: (Namespace | undefined)[] = [];
for (const namespace of namespaces) byIndex[namespace.index] = namespace;

/** The prefix that attributes of a name index are listed with; undefined when they are hidden. */
export function prefixOf(index: number): string | undefined {
  return byIndex[index]?.prefix;
}

/** The namespace that a full name belongs to, undefined if ext4 has none for it. */
function namespaceOf(name: string): Namespace | undefined {
  for (const namespace of namespaces) {
    if (namespace.whole ? name === namespace.prefix : name.startsWith(namespace.prefix)) return namespace;
  }
  return undefined;
}

/**
 * The namespace of a full name that a caller gave.
 *
 * @throws FileSystemError EOPNOTSUPP for a namespace that ext4 does not have, or an ACL of a symbolic link; EINVAL for a prefix
 *   alone; ERANGE for a name that is too long
 */
export function checkedNamespace(inode: Inode, name: string): Namespace {
  const namespace = namespaceOf(name);
  if (namespace === undefined) throw new FileSystemError("EOPNOTSUPP", `no extended attributes like ${name}`);
  const from = namespace.prefix.length;
  if (!namespace.whole && name.length === from) throw new FileSystemError("EINVAL", `${name} without a name`);
  if (name.length - from > NAME_MAX) throw new FileSystemError("ERANGE", "the attribute's name is too long");
  if (namespace.whole && inode.isSymlink) throw new FileSystemError("EOPNOTSUPP", "symbolic links have no ACLs");
  return namespace;
}
