import { XattrIndex } from "../format/xattr.js";

/** How a name index is shown to users. */
interface Namespace {
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
export function namespaceOf(name: string): Namespace | undefined {
  for (const namespace of namespaces) {
    if (namespace.whole ? name === namespace.prefix : name.startsWith(namespace.prefix)) return namespace;
  }
  return undefined;
}
