/** What a file system is to hold after each step of a workload: a model of names, attributes and bytes, with nothing of ext4. */
import type { Seen } from "./seen.js";

export type Kind = "file" | "directory" | "symlink" | "fifo";

/** A file of any kind; its objects are not changed but replaced. */
export interface Node {
  readonly id: number;
  readonly kind: Kind;
  readonly mode: number;
  readonly xattrs: ReadonlyMap<string, string>;
  readonly target: string;
  readonly contents: Uint8Array;
  /** Of contents of which a part has moved since the ones before: from which byte on, and by how many. */
  readonly moved?: Moved | undefined;
}

export interface Moved {
  readonly from: number;
  /** Less than 0: what was in front of `from` is gone. */
  readonly by: number;
}

/** What users see at one moment. */
export interface Snapshot {
  /** Path to what is there; "" is the root. */
  readonly names: ReadonlyMap<string, number>;
  /** Also those without a name, as long as somebody has them open. */
  readonly nodes: ReadonlyMap<number, Node>;
  /** Everything but contents, path by path: one string to compare. */
  readonly signature: string;
}

export const LOST_AND_FOUND = "lost+found";
export const EMPTY = new Uint8Array(0);
const ROOT_ID = 1;

/** What is compared of a file besides its contents. */
export function signatureOf(
  path: string,
  file: {
    readonly kind: string;
    readonly mode: number;
    readonly links: number;
    readonly size: number;
    readonly target: string;
    readonly xattrs: ReadonlyMap<string, string>;
  },
): string {
  const { kind, mode, links, size, target, xattrs } = file;
  const attributes = [...xattrs].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => `${name}=${value}`);
  const length = kind === "file" ? ` ${size} bytes` : "";
  return `/${path}: ${kind} ${mode.toString(8)} links ${links}${length}${target === "" ? "" : ` -> ${target}`} ${attributes.join(" ")}`;
}

export class Expected {
  readonly #names = new Map<string, number>();
  readonly #nodes = new Map<number, Node>();
  #lastId = ROOT_ID;

  constructor() {
    this.#add("", { id: ROOT_ID, kind: "directory", mode: 0o755, xattrs: new Map(), target: "", contents: EMPTY });
  }

  /** What is there already. */
  static of({ nodes, contents }: Seen): Expected {
    const model = new Expected();
    const ids = new Map<number, number>([[nodes.get("")!.ino, ROOT_ID]]);
    for (const [path, { ino, kind, mode, target, xattrs }] of nodes) {
      const id = ids.get(ino) ?? ++model.#lastId;
      ids.set(ino, id);
      model.#add(path, { id, kind: kind as Kind, mode, xattrs, target, contents: contents.get(path) ?? EMPTY });
    }
    return model;
  }

  clone(): Expected {
    const copy = new Expected();
    for (const [path, id] of this.#names) copy.#names.set(path, id);
    for (const [id, node] of this.#nodes) copy.#nodes.set(id, node);
    copy.#lastId = this.#lastId;
    return copy;
  }

  #add(path: string, node: Node): void {
    this.#nodes.set(node.id, node);
    this.#names.set(path, node.id);
  }

  /** @returns the number of the new node */
  create(path: string, kind: Kind, mode: number, target = ""): number {
    const id = ++this.#lastId;
    this.#add(path, { id, kind, mode, xattrs: new Map(), target, contents: EMPTY });
    return id;
  }

  has(path: string): boolean {
    return this.#names.has(path);
  }

  /** @throws when nothing is there */
  node(path: string): Node {
    const node = this.#nodes.get(this.#names.get(path) ?? 0);
    if (node === undefined) throw new Error(`the model knows nothing of /${path}`);
    return node;
  }

  change(path: string, changes: Partial<Omit<Node, "id" | "kind">>): void {
    const node = this.node(path);
    this.#nodes.set(node.id, { ...node, moved: undefined, ...changes });
  }

  /** Puts bytes into a file, with zeros where it was shorter. */
  write(path: string, pos: number, bytes: Uint8Array): void {
    const { contents: old } = this.node(path);
    const contents = new Uint8Array(Math.max(old.length, pos + bytes.length));
    contents.set(old);
    contents.set(bytes, pos);
    this.change(path, { contents });
  }

  resize(path: string, size: number): void {
    const contents = new Uint8Array(size);
    contents.set(this.node(path).contents.subarray(0, size));
    this.change(path, { contents });
  }

  link(from: string, to: string): void {
    this.#names.set(to, this.node(from).id);
  }

  /** Takes a name away, and what has none left. */
  remove(path: string): void {
    const { id } = this.node(path);
    this.#names.delete(path);
    if (![...this.#names.values()].includes(id)) this.#nodes.delete(id);
  }

  rename(from: string, to: string): void {
    if (this.#names.get(from) === this.#names.get(to)) return;
    if (this.has(to)) this.remove(to);
    for (const [path, id] of [...this.#names]) {
      if (path !== from && !path.startsWith(`${from}/`)) continue;
      this.#names.delete(path);
      this.#names.set(to + path.slice(from.length), id);
    }
  }

  exchange(one: string, other: string): void {
    const names = [...this.#names];
    for (const [path] of names) if (isAt(path, one) || isAt(path, other)) this.#names.delete(path);
    for (const [path, id] of names) {
      if (isAt(path, one)) this.#names.set(other + path.slice(one.length), id);
      else if (isAt(path, other)) this.#names.set(one + path.slice(other.length), id);
    }
  }

  snapshot(): Snapshot {
    const links = new Map<number, number>();
    for (const [path, id] of this.#names) {
      if (this.#nodes.get(id)!.kind !== "directory") links.set(id, (links.get(id) ?? 0) + 1);
      else if (path !== "") {
        const above = this.#names.get(path.slice(0, Math.max(0, path.lastIndexOf("/"))))!;
        links.set(above, (links.get(above) ?? 0) + 1);
      }
    }
    const lines = [...this.#names].map(([path, id]) => {
      const node = this.#nodes.get(id)!;
      const { kind, mode, target, xattrs } = node;
      // A directory's own dot and name; the root has lost+found besides.
      const own = kind === "directory" ? 2 + (path === "" ? 1 : 0) : 0;
      const count = (links.get(id) ?? 0) + own;
      return signatureOf(path, { kind, mode, links: count, size: node.contents.length, target, xattrs });
    });
    return { names: new Map(this.#names), nodes: new Map(this.#nodes), signature: lines.sort().join("\n") };
  }
}

function isAt(path: string, place: string): boolean {
  return path === place || path.startsWith(`${place}/`);
}
