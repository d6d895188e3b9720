/** What a copy reads from and writes to: trees on the host, and in images. */
import type { FileKind, Stats } from "../node.js";

/** A file or directory that is copied. */
export interface SourceNode {
  readonly stats: Stats;
  /** For messages: a path on the host, or IMAGE:/PATH. */
  readonly path: Buffer;
  /** The same for all names of an inode, and for no other inode of any source. */
  readonly key: string;
  /**
   * The order in which a directory's entries are copied: the same for the same source. A disk seeks least when they come by inode; but
   * on the host, the same tree has other inodes each time, and images of it are to be the same.
   */
  readonly order: EntryOrder;
  /**
   * Puts the entries of a directory into `into`, those before an error as well.
   *
   * @throws what the system or the image answers
   */
  list(into: SourceEntry[]): void;
  readLink(): Uint8Array;
  /** Names of extended attributes, ACLs among them. */
  xattrNames(): Uint8Array[];
  /** Undefined when it is gone. */
  xattr(name: Uint8Array): Uint8Array | undefined;
  /** The bytes of a regular file. */
  open(): Contents;
}

/** By the bytes of their names, or by the numbers of their inodes. */
export type EntryOrder = "name" | "inode";

export interface SourceEntry {
  readonly name: Uint8Array;
  readonly ino: number;
  readonly kind: FileKind;
  /** @throws what the system or the image answers */
  node(): SourceNode;
}

export interface Contents {
  /** The next bytes that are data, at or after `position`; undefined when only a hole follows. */
  nextRange(position: number): { readonly start: number; readonly end: number } | undefined;
  /** @returns bytes; 0 at the end. @throws what the system or the image answers */
  read(position: number, target: Uint8Array): number;
  close(): void;
}

/** A directory that copies go into. */
export interface DestinationDirectory {
  /** As {@link SourceNode.key}. */
  readonly key: string;
  /** @throws Error for a name that could lead elsewhere, which no sound directory has */
  place(name: Uint8Array): DestinationPlace;
}

/** A name that a copy gets, whether something has it or not. */
export interface DestinationPlace {
  /** For messages: a path on the host, or IMAGE:/PATH. */
  readonly path: Buffer;
  exists(): boolean;
  /** Whether it is the source itself that has the name. */
  isNameOf(source: SourceNode): boolean;
  /**
   * Makes a directory, or takes the one that is there.
   *
   * @throws Error when something else has the name; a symbolic link to a directory is something else
   */
  makeDirectory(): { readonly directory: DestinationDirectory; readonly isNew: boolean };
  /**
   * Begins a copy of anything but a directory; it has another name, or none, until it is complete. Undefined for what cannot be
   * here, after a warning.
   */
  draft(source: SourceNode): Draft | undefined;
  /** As `draft`, of an inode that was copied to another place before; undefined when it cannot be linked to. */
  draftLink(earlier: DestinationPlace): Draft | undefined;
  /** Puts a directory's attributes on its copy here. */
  setAttributes(source: SourceNode): void;
}

/** A copy on its way. */
export interface Draft {
  /**
   * Writes the bytes from `position` to `end`, as far as there are any.
   *
   * @param buffer what they go through
   * @param give fills its argument with what belongs at a position; answers bytes, 0 where they end
   * @returns bytes. @throws what went wrong, `give`'s errors among it
   */
  write(
    position: number,
    end: number,
    buffer: Uint8Array,
    give: (target: Uint8Array, position: number) => number,
  ): number;
  /** Sets the size of a file whose end is a hole. */
  resize(size: number): void;
  setAttributes(source: SourceNode): void;
  /** Gives it its name, in place of what had it. @throws when that is a directory */
  commit(): void;
  /** Removes what there is of it; never throws. */
  discard(): void;
}

/** What of a file is kept besides its contents. */
export interface Preserve {
  readonly mode: boolean;
  readonly ownership: boolean;
  readonly timestamps: boolean;
  readonly xattr: boolean;
  readonly links: boolean;
}

export const PRESERVE_ALL: Preserve = { mode: true, ownership: true, timestamps: true, xattr: true, links: true };

/** How attributes are put on copies. */
export interface AttributeOptions {
  readonly preserve: Preserve;
  /** For copies that do not keep their mode. */
  readonly umask: number;
  /** Told of what cannot be kept; `kind` is the same for what is to be said once. */
  warn(kind: string, message: string): void;
}

export const ACCESS_ACL = "system.posix_acl_access";
export const DEFAULT_ACL = "system.posix_acl_default";
const SET_ID_BITS = 0o6000;

/** The path of a name in a directory. */
export function pathInside(directory: Buffer, name: Uint8Array): Buffer {
  const SLASH = 0x2f;
  return Buffer.concat([directory, Buffer.from(directory.at(-1) === SLASH ? "" : "/"), name]);
}

/** The mode of a copy. Set-id bits are for the owner they were given by. */
export function modeOfCopy({ stats }: SourceNode, { preserve, umask }: AttributeOptions, ownerKept: boolean): number {
  const { mode, kind } = stats;
  const isDirectory = kind === "directory";
  if (preserve.mode) return ownerKept || isDirectory ? mode & 0o7777 : mode & 0o7777 & ~SET_ID_BITS;
  return (isDirectory ? 0o777 : 0o666) & ~umask;
}

/** Whether a name cannot be one of a file. */
export function leadsElsewhere(name: Uint8Array): boolean {
  const isDots = name[0] === 0x2e && (name.length === 1 || (name.length === 2 && name[1] === 0x2e));
  return name.length === 0 || isDots || name.includes(0x2f) || name.includes(0);
}

/** Whether something may not or cannot be done at all, rather than failed. */
export function isRefusal(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "EPERM" || code === "EACCES" || code === "EOPNOTSUPP" || code === "ENOTSUP" || code === "EINVAL";
}

/** A short name for the kind of attribute that could not be kept. */
export function attributeSpace(name: string): string {
  return name.startsWith("system.posix_acl") ? "ACLs" : `attributes of the namespace ${name.split(".", 1)[0]}`;
}
