import { FileSystemError } from "../errors.js";
import type { FileSystem } from "../filesystem.js";
import type { Inode } from "../inode/inode.js";
import { nameToString, stringToName } from "./names.js";

/** Symbolic links that one resolution follows, as in Linux. */
const MOST_LINKS = 40;
const SLASH = 0x2f;

export interface ResolveOptions {
  /** Whether a symbolic link as the last component is followed. Default true. */
  readonly followLinks?: boolean;
}

/**
 * The inode that a path leads to. Paths start at the root, with or without a leading slash; `..` of the root is the root.
 *
 * @throws FileSystemError ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG; CorruptionError
 */
export function resolvePath(fs: FileSystem, path: string | Uint8Array, options: ResolveOptions = {}): Inode {
  const bytes = typeof path === "string" ? stringToName(path) : path;
  // Not `instanceof`: it may be another realm's (a frame's, node:vm's).
  const isBytes = ArrayBuffer.isView(bytes) && bytes.BYTES_PER_ELEMENT === 1;
  if (!isBytes)
    throw new TypeError(`a path is text or a Uint8Array, not ${bytes === null ? "null" : `a ${typeof bytes}`}`);
  if (bytes.length === 0 || bytes.includes(0)) {
    throw new FileSystemError("ENOENT", `${printable(bytes)}: no such file or directory`);
  }
  const { followLinks = true } = options;
  // The directories on the way, so that `..` is where we came from, whatever a directory says of its parent.
  const stack: Inode[] = [fs.root];
  const pending = components(bytes).reverse();
  let needsDirectory = bytes[bytes.length - 1] === SLASH;
  let links = 0;
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    const directory = stack[stack.length - 1]!;
    if (!directory.isDirectory) throw new FileSystemError("ENOTDIR", `${printable(bytes)}: not a directory`);
    if (isDot(name)) continue;
    if (isDotDot(name)) {
      if (stack.length > 1) stack.pop();
      continue;
    }
    const ino = fs.lookup(directory, name);
    if (ino === 0) throw new FileSystemError("ENOENT", `${printable(bytes)}: no such file or directory`);
    const inode = fs.inode(ino);
    if (!inode.isSymlink || (pending.length === 0 && !followLinks && !needsDirectory)) {
      stack.push(inode);
      continue;
    }
    if (++links > MOST_LINKS) throw new FileSystemError("ELOOP", `${printable(bytes)}: too many symbolic links`);
    const target = fs.readLink(inode);
    if (target[0] === SLASH) stack.length = 1;
    if (pending.length === 0 && target[target.length - 1] === SLASH) needsDirectory = true;
    pending.push(...components(target).reverse());
  }
  const found = stack[stack.length - 1]!;
  if (needsDirectory && !found.isDirectory)
    throw new FileSystemError("ENOTDIR", `${printable(bytes)}: not a directory`);
  return found;
}

function components(path: Uint8Array): Uint8Array[] {
  const names: Uint8Array[] = [];
  for (let start = 0; start < path.length; ) {
    let end = path.indexOf(SLASH, start);
    if (end < 0) end = path.length;
    if (end > start) names.push(path.slice(start, end));
    start = end + 1;
  }
  return names;
}

function isDot(name: Uint8Array): boolean {
  return name.length === 1 && name[0] === 0x2e;
}

function isDotDot(name: Uint8Array): boolean {
  return name.length === 2 && name[0] === 0x2e && name[1] === 0x2e;
}

/** A path for an error message. */
export function printable(path: string | Uint8Array): string {
  return JSON.stringify(typeof path === "string" ? path : nameToString(path));
}
