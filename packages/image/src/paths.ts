import { nameToString, stringToName } from "@bulkhead/ext4/names";
import { FuseAnswerError } from "@bulkhead/fuse/client";
import { checkBytes } from "./arguments.js";
import type { ImageNode } from "./node.js";
import type { ImageTree } from "./tree.js";

/** Symbolic links that one resolution follows, as in Linux. */
const MOST_LINKS = 40;
const MOST_DIRECTORIES = 4096;
const SLASH = 0x2f;
const DOT = 0x2e;

const ENOENT = 2;
const EEXIST = 17;
const ENOTDIR = 20;
const EINVAL = 22;
const ELOOP = 40;

/** A path inside the image, from its root, with or without a leading slash: text, or bytes where names are no UTF-8. */
export type ImagePath = string | Uint8Array;

/** @throws FuseAnswerError EINVAL where a NUL would end it; TypeError */
export function bytesOf(path: ImagePath): Uint8Array {
  const bytes = typeof path === "string" ? stringToName(path) : path;
  checkBytes("a path or name that is no text", bytes);
  if (bytes.includes(0)) throw new FuseAnswerError("LOOKUP", EINVAL);
  return bytes;
}

export function textOf(path: ImagePath): string {
  return typeof path === "string" ? path : nameToString(path);
}

/** A name in a directory, which something may have or not. */
export interface Place {
  readonly dir: ImageNode;
  readonly name: Uint8Array;
  /** Whether the path ends in a slash: only a directory is meant. */
  readonly isSlashed: boolean;
}

/** Walks paths as Linux does: from the root, with symbolic links followed inside the image, and `..` of the root the root. */
export class Paths {
  readonly #tree: ImageTree;
  /** Directories on the way to what was looked up, by the one they are in and their name there: nobody else moves them. */
  readonly #directories = new Map<string, ImageNode>();
  #moves = 0;

  constructor(tree: ImageTree) {
    this.#tree = tree;
  }

  /**
   * What a path leads to.
   *
   * @throws FuseAnswerError ENOENT, ENOTDIR, ELOOP, and what the server answers
   */
  find(path: Uint8Array, followLinks: boolean): ImageNode {
    return this.#walk(path, followLinks, true);
  }

  /**
   * Where the last name of a path is: its directory, which must be there.
   *
   * @param slashed the error for a path that ends in a slash, where what is to be made is no directory
   * @throws FuseAnswerError EEXIST for the root, EINVAL where the last name is `.` or `..`, and as `find`
   */
  place(path: Uint8Array, slashed?: number): Place {
    const names = components(path);
    const name = names.pop();
    if (name === undefined) throw new FuseAnswerError("LOOKUP", path.length === 0 ? ENOENT : EEXIST);
    if (isDot(name) || isDotDot(name)) throw new FuseAnswerError("LOOKUP", EINVAL);
    const isSlashed = path[path.length - 1] === SLASH;
    if (slashed !== undefined && isSlashed) throw new FuseAnswerError("LOOKUP", slashed);
    const end = path.lastIndexOf(
      SLASH,
      path.findLastIndex((byte) => byte !== SLASH),
    );
    const dir = end <= 0 ? this.#tree.root : this.#walk(path.subarray(0, end), true, false);
    if (!dir.isDirectory) throw new FuseAnswerError("LOOKUP", ENOTDIR);
    return { dir, name, isSlashed };
  }

  /** @param asksAnew whether the attributes of what is found matter */
  #walk(path: Uint8Array, followLinks: boolean, asksAnew: boolean): ImageNode {
    if (path.length === 0) throw new FuseAnswerError("LOOKUP", ENOENT);
    // The directories on the way, so that `..` is where we came from, whatever a directory says of its parent.
    const stack: ImageNode[] = [this.#tree.root];
    const pending = components(path).reverse();
    let needsDirectory = path[path.length - 1] === SLASH;
    let links = 0;
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      const directory = stack[stack.length - 1]!;
      if (!directory.isDirectory) throw new FuseAnswerError("LOOKUP", ENOTDIR);
      if (isDot(name)) continue;
      if (isDotDot(name)) {
        if (stack.length > 1) stack.pop();
        continue;
      }
      const node =
        pending.length === 0 && asksAnew ? this.#tree.lookup(directory, name) : this.#onTheWay(directory, name);
      if (node === undefined) throw new FuseAnswerError("LOOKUP", ENOENT);
      if (node.stats.kind !== "symlink" || (pending.length === 0 && !followLinks && !needsDirectory)) {
        stack.push(node);
        continue;
      }
      if (++links > MOST_LINKS) throw new FuseAnswerError("LOOKUP", ELOOP);
      const target = this.#tree.readLink(node);
      if (target[0] === SLASH) stack.length = 1;
      if (pending.length === 0 && target[target.length - 1] === SLASH) needsDirectory = true;
      pending.push(...components(target).reverse());
    }
    const found = stack[stack.length - 1]!;
    if (needsDirectory && !found.isDirectory) throw new FuseAnswerError("LOOKUP", ENOTDIR);
    return found;
  }

  /** As a look-up; of a directory, no more than where it is has to be true. */
  #onTheWay(directory: ImageNode, name: Uint8Array): ImageNode | undefined {
    const { moves } = this.#tree.client;
    if (moves !== this.#moves || this.#directories.size === MOST_DIRECTORIES) this.#directories.clear();
    this.#moves = moves;
    const key = `${directory.id}/${nameToString(name)}`;
    const known = this.#directories.get(key);
    if (known !== undefined) return known;
    const node = this.#tree.lookup(directory, name);
    if (node?.isDirectory === true) this.#directories.set(key, node);
    return node;
  }
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
  return name.length === 1 && name[0] === DOT;
}

function isDotDot(name: Uint8Array): boolean {
  return name.length === 2 && name[0] === DOT && name[1] === DOT;
}
