import * as fs from "node:fs";
import { lchown, lgetxattr, lremovexattr, lsetxattr, lutimens, makedev, mknod } from "@bulkhead/linux";
import {
  ACCESS_ACL,
  type AttributeOptions,
  attributeSpace,
  DEFAULT_ACL,
  type DestinationDirectory,
  type DestinationPlace,
  type Draft,
  isRefusal,
  leadsElsewhere,
  modeOfCopy,
  pathInside,
  type SourceNode,
} from "./ends.js";
import { temporaryName } from "./temporary-name.js";

/** A path on the host, in bytes: names from an image may be any. */
export type HostPath = Buffer;

const { O_CREAT, O_EXCL, O_NOFOLLOW = 0, O_WRONLY } = fs.constants;

export interface HostDestinationOptions extends AttributeOptions {
  /** Whether ACLs that copies get from a default ACL are to be removed. */
  readonly inheritsAcl: boolean;
}

class HostDirectory implements DestinationDirectory {
  readonly #path: HostPath;
  readonly #options: HostDestinationOptions;

  constructor(path: HostPath, options: HostDestinationOptions) {
    this.#path = path;
    this.#options = options;
  }

  get key(): string {
    return `host ${this.#path.toString("latin1")}`;
  }

  place(name: Uint8Array): DestinationPlace {
    if (leadsElsewhere(name)) throw new Error("a name that cannot be one of a file");
    return new HostPlace(pathInside(this.#path, name), this.#options);
  }
}

/** A path on the host that a copy gets. No symbolic link that a copy brings is ever followed. */
export class HostPlace implements DestinationPlace {
  readonly path: HostPath;
  readonly #options: HostDestinationOptions;

  constructor(path: HostPath, options: HostDestinationOptions) {
    this.path = path;
    this.#options = options;
  }

  exists(): boolean {
    return lstatOrUndefined(this.path) !== undefined;
  }

  /** Nothing is copied from the host to the host. */
  isNameOf(): boolean {
    return false;
  }

  makeDirectory() {
    return { isNew: makeDirectory(this.path), directory: new HostDirectory(this.path, this.#options) };
  }

  draft(source: SourceNode): Draft | undefined {
    const { kind } = source.stats;
    const temporary = temporaryBeside(this.path);
    if (kind === "unknown") throw new Error("a file of an unknown type");
    let fd: number | undefined;
    if (kind === "file") fd = fs.openSync(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    else if (kind === "symlink") fs.symlinkSync(Buffer.from(source.readLink()), temporary);
    else if (!makeNode(temporary, source, this.#options)) return undefined;
    return new HostDraft(temporary, this.path, fd, false, this.#options);
  }

  draftLink(earlier: DestinationPlace): Draft | undefined {
    const temporary = temporaryBeside(this.path);
    try {
      fs.linkSync(earlier.path, temporary);
      return new HostDraft(temporary, this.path, undefined, true, this.#options);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // The copy was moved away, or the host's file system allows no more links: a copy of its own, then.
      if (code === "ENOENT" || code === "EMLINK" || code === "EXDEV" || code === "EPERM") return undefined;
      throw error;
    }
  }

  setAttributes(source: SourceNode): void {
    setAttributes(this.path, source, this.#options);
  }
}

class HostDraft implements Draft {
  readonly #temporary: HostPath;
  readonly #path: HostPath;
  readonly #isLink: boolean;
  readonly #options: HostDestinationOptions;
  #fd: number | undefined;

  constructor(
    temporary: HostPath,
    path: HostPath,
    fd: number | undefined,
    isLink: boolean,
    options: HostDestinationOptions,
  ) {
    this.#temporary = temporary;
    this.#path = path;
    this.#fd = fd;
    this.#isLink = isLink;
    this.#options = options;
  }

  write(position: number, end: number, buffer: Uint8Array, give: (target: Uint8Array, position: number) => number) {
    let at = position;
    while (at < end) {
      const got = give(buffer.subarray(0, Math.min(buffer.length, end - at)), at);
      if (got === 0) break; // it has become shorter
      for (let done = 0; done < got; ) done += fs.writeSync(this.#fd ?? -1, buffer, done, got - done, at + done);
      at += got;
    }
    return at - position;
  }

  resize(size: number): void {
    fs.ftruncateSync(this.#fd ?? -1, size);
  }

  setAttributes(source: SourceNode): void {
    this.#close();
    setAttributes(this.#temporary, source, this.#options);
  }

  commit(): void {
    this.#close();
    fs.renameSync(this.#temporary, this.#path);
    // If both are links to one file already, rename leaves both.
    if (this.#isLink) fs.rmSync(this.#temporary, { force: true });
  }

  discard(): void {
    this.#close();
    fs.rmSync(this.#temporary, { force: true });
  }

  #close(): void {
    if (this.#fd !== undefined) fs.closeSync(this.#fd);
    this.#fd = undefined;
  }
}

/** @returns whether this user may have such a file here */
function makeNode(path: HostPath, { stats }: SourceNode, { warn }: AttributeOptions): boolean {
  try {
    mknod(path, (stats.mode & 0xf000) | 0o600, makedev(stats.device.major, stats.device.minor));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") throw error;
    const kind = stats.kind === "fifo" || stats.kind === "socket" ? `${stats.kind}s` : "device files";
    const needsRoot = kind === "device files" && process.getuid?.() !== 0;
    warn(kind, `${kind} are left out: ${needsRoot ? "they need root" : "the destination does not take them"}`);
    return false;
  }
}

/**
 * Sets owner, extended attributes, mode and times of `path`, in the order in which none undoes another: a change of owner
 * clears set-user-id bits and capabilities, and a mode without w keeps attributes from being set.
 */
function setAttributes(path: HostPath, source: SourceNode, options: HostDestinationOptions): void {
  const { preserve } = options;
  const { uid, gid, kind, atime, mtime } = source.stats;
  const ownerKept = preserve.ownership && setOwner(path, uid, gid, options);
  if (preserve.xattr) {
    const names = source.xattrNames();
    if (options.inheritsAcl) removeInherited(path, names);
    for (const name of names) setXattr(path, name, source.xattr(name), options);
  }
  if (kind !== "symlink") fs.chmodSync(path, modeOfCopy(source, options, ownerKept));
  if (preserve.timestamps) lutimens(path, atime, mtime);
}

function setOwner(path: HostPath, uid: number, gid: number, { warn }: AttributeOptions): boolean {
  try {
    lchown(path, uid, gid);
    return true;
  } catch (error) {
    if (!isRefusal(error)) throw error;
    warn("owner", "owners are not kept: that needs root");
    return false;
  }
}

function removeInherited(path: HostPath, names: readonly Uint8Array[]): void {
  for (const name of [ACCESS_ACL, DEFAULT_ACL]) {
    if (names.some((kept) => Buffer.from(kept).toString("latin1") === name)) continue;
    try {
      lremovexattr(path, name);
    } catch {
      // there was none
    }
  }
}

function setXattr(path: HostPath, name: Uint8Array, value: Uint8Array | undefined, { warn }: AttributeOptions): void {
  if (value === undefined) return;
  try {
    lsetxattr(path, name, value);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    const text = Buffer.from(name).toString("latin1");
    const space = attributeSpace(text);
    const needsRoot = process.getuid?.() !== 0 && /^(security|trusted)\./.test(text);
    const why = needsRoot ? "that needs root" : "the destination does not take them";
    warn(`xattr ${space}`, `${space} are not kept: ${why}`);
  }
}

/** Whether a directory hands ACLs on to what is made in it. */
export function hasDefaultAcl(path: HostPath): boolean {
  try {
    return lgetxattr(path, DEFAULT_ACL) !== undefined;
  } catch {
    return false;
  }
}

/** What is at a path, without following a symbolic link there. */
function lstatOrUndefined(path: HostPath): fs.Stats | undefined {
  return fs.lstatSync(path, { throwIfNoEntry: false });
}

/** A name in the same directory that nothing has yet; made with O_EXCL or its like, so that nothing is overwritten. */
function temporaryBeside(path: HostPath): HostPath {
  const directory = path.subarray(0, path.lastIndexOf(0x2f) + 1);
  return Buffer.concat([directory, temporaryName()]);
}

/** @returns whether it is new */
function makeDirectory(path: HostPath): boolean {
  try {
    fs.mkdirSync(path, 0o700);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  const there = lstatOrUndefined(path);
  if (there?.isSymbolicLink() === true)
    throw new Error("a symbolic link is in the place of the directory, and is not followed");
  if (there?.isDirectory() !== true) throw new Error("something that is no directory is in its place");
  return false;
}
