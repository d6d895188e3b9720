import type { FileSystem } from "@bulkhead/ext4";

type Transactions = NonNullable<FileSystem["volume"]["transactions"]>;
type Listener = Parameters<Transactions["onCommit"]>[0];
type Block = Parameters<NonNullable<Listener["afterHandle"]>>[0][number];

/** Handles between two looks at all blocks. */
const EVERY = 16;

/**
 * Holds the engine to what its handles announce: from one handle to the next, no other bytes of a changed block may be different.
 * What a handle leaves out is not undone when the operation fails, and is lost when the server dies.
 */
export class Announced implements Listener {
  /** What the blocks that the running transaction has changed held after the last handle that did. */
  readonly #after = new Map<number, { readonly block: Block; readonly data: Buffer }>();
  #handles = 0;

  afterHandle(blocks: readonly Block[]): void {
    for (const block of blocks) {
      const known = this.#after.get(block.block);
      if (known?.block === block) {
        expectSame(block, known.data, 0, block.savedFrom);
        expectSame(block, known.data, block.savedTo, known.data.length);
        known.data.set(block.data);
      } else {
        this.#after.set(block.block, { block, data: Buffer.from(block.data) });
      }
    }
    // Those that nobody announced, and those of operations that failed.
    if (++this.#handles % EVERY !== 0) return;
    for (const { block, data } of this.#after.values()) expectSame(block, data, 0, data.length);
  }

  afterForget(block: number): void {
    this.#after.delete(block);
  }

  /** Sealing changes blocks, and need not say so. */
  afterSeal(): void {
    this.#after.clear();
  }
}

function expectSame({ block, data }: Block, before: Buffer, from: number, to: number): void {
  if (before.compare(data, from, to, from, to) === 0) return;
  let at = from;
  while (before[at] === data[at]) at++;
  throw new Error(`byte ${at} of block ${block} was changed, and no handle announced it`);
}
