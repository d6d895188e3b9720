/** The model: a POSIX file system as a tree of objects, with nothing of ext4 but its rules for what users see. */
import { Contents } from "./contents.js";

export type Kind = "file" | "directory" | "symlink" | "fifo" | "socket" | "character" | "block";

/** A time: known to the nanosecond, known to be no earlier than, or not known. */
export type Moment = { readonly exactly: bigint } | { readonly since: bigint } | undefined;

/** A name in a directory. */
export interface Entry {
  readonly directory: Node;
  /** A byte a character. */
  readonly name: string;
  readonly node: Node;
}

export class Node {
  readonly kind: Kind;
  /** Permission, set-id and sticky bits. */
  mode: number;
  uid = 0;
  gid = 0;
  nlink = 1;
  /** dev_t of a device file. */
  rdev = 0;
  /** What a symbolic link says. */
  target = "";
  /** Those of FLAGS that are set. */
  flags = 0;
  readonly xattrs = new Map<string, Buffer>();
  readonly contents = new Contents();
  /** Of a directory: what `Model.key` makes of a name to the entry. */
  readonly entries = new Map<string, Entry>();
  /** Where the node is to be found; of a directory one at most. */
  readonly names = new Set<Entry>();
  atime: Moment = undefined;
  mtime: Moment = undefined;
  /** Open handles. */
  opened = 0;

  constructor(kind: Kind, mode: number) {
    this.kind = kind;
    this.mode = mode;
  }
}

/** Attributes of chattr(1) that change nothing but themselves: no dump, no atime. Inherited from the directory. */
export const FLAGS = 0xc0;
const SET_GROUP_ID = 0o2000;
/** A handle on a file, by number. */
export interface Handle {
  readonly node: Node;
  readonly append: boolean;
}

export const SLOTS = 6;

export class Model {
  readonly root = new Node("directory", 0o755);
  readonly handles: (Handle | undefined)[] = new Array<Handle | undefined>(SLOTS).fill(undefined);
  /** Files of O_TMPFILE that never had a name: those that may get one. */
  readonly temporaries = new Set<Node>();
  /** All nodes that have a name. */
  readonly nodes = new Set<Node>();
  /** Whether names that differ in case are the same. */
  readonly #caseless: boolean;

  constructor(caseless = false) {
    this.#caseless = caseless;
    this.root.nlink = 3; // lost+found, which the model leaves alone
    this.nodes.add(this.root);
  }

  all(kind: Kind): Node[] {
    return [...this.nodes].filter((node) => node.kind === kind);
  }

  /** Path of a directory or entry below the root; "" is the root. */
  path(of: Node | Entry): string {
    if (of === this.root) return "";
    const entry = of instanceof Node ? [...of.names][0] : of;
    if (entry === undefined) throw new Error("the model lost a name");
    const above = this.path(entry.directory);
    return above === "" ? entry.name : `${above}/${entry.name}`;
  }

  #key(name: string): string {
    return this.#caseless ? name.replace(/[A-Z]/g, (letter) => letter.toLowerCase()) : name;
  }

  find(directory: Node, name: string): Entry | undefined {
    return directory.entries.get(this.#key(name));
  }

  /** Whether `directory` is `ancestor` or lies below it. */
  isBelow(directory: Node, ancestor: Node): boolean {
    for (let at: Node | undefined = directory; at !== undefined; at = [...at.names][0]?.directory) {
      if (at === ancestor) return true;
    }
    return false;
  }

  /** A new node with what it inherits from its directory; it has no name yet. */
  create(directory: Node, kind: Kind, mode: number, now: bigint): Node {
    const node = new Node(kind, kind === "symlink" ? 0o777 : mode);
    if ((directory.mode & SET_GROUP_ID) !== 0) {
      node.gid = directory.gid;
      if (kind === "directory") node.mode |= SET_GROUP_ID;
    }
    node.flags = directory.flags & FLAGS;
    node.nlink = kind === "directory" ? 2 : 1;
    node.mtime = { since: now };
    return node;
  }

  link(directory: Node, name: string, node: Node, now: bigint): void {
    const entry: Entry = { directory, name, node };
    directory.entries.set(this.#key(name), entry);
    node.names.add(entry);
    this.nodes.add(node);
    if (node.kind === "directory") directory.nlink++;
    directory.mtime = { since: now };
  }

  /** Takes a name away; the links that are counted are the caller's business. */
  unlink(entry: Entry, now: bigint): void {
    const { directory, node } = entry;
    directory.entries.delete(this.#key(entry.name));
    node.names.delete(entry);
    if (node.names.size === 0) this.nodes.delete(node);
    if (node.kind === "directory") directory.nlink--;
    directory.mtime = { since: now };
  }

  open(slot: number, node: Node, append: boolean): void {
    this.handles[slot] = { node, append };
    node.opened++;
  }

  close(slot: number): void {
    const handle = this.handles[slot];
    if (handle !== undefined) handle.node.opened--;
    this.handles[slot] = undefined;
  }
}
