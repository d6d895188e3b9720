/**
 * How often the server has told of each node: with FORGET it gets that number back. The root is not counted, and neither is
 * a nodeid of 0, which means that there is no such name.
 */
export class KnownNodes {
  readonly #counts = new Map<number, number>();
  readonly #root: number;

  constructor(root: number) {
    this.#root = root;
  }

  /** Nodes that the server holds for us. */
  get size(): number {
    return this.#counts.size;
  }

  /** One look-up more. */
  add(nodeid: number): void {
    if (nodeid === 0 || nodeid === this.#root) return;
    this.#counts.set(nodeid, (this.#counts.get(nodeid) ?? 0) + 1);
  }

  /** All look-ups of a node, which has none afterwards. */
  take(nodeid: number): number {
    const count = this.#counts.get(nodeid) ?? 0;
    this.#counts.delete(nodeid);
    return count;
  }

  /** Known nodes, those known for longest first. */
  keys(): IterableIterator<number> {
    return this.#counts.keys();
  }
}
