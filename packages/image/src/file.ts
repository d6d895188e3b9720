import { errnoName } from "@bulkhead/linux";
import { checkBytes, checkPosition } from "./arguments.js";
import { ImageError } from "./errors.js";
import type { ImageNode } from "./node.js";
import type { ImageTree } from "./tree.js";

const EIO = 5;

/**
 * A file of an image, for many reads and writes at once: each is under way from its call until its promise is settled. Where the image
 * would have to be waited for, it is not this thread that waits; mappings that are not known are asked for, though.
 *
 * Overlapping writes take effect in any order. While something is under way, truncating the file any other way, and closing the
 * image, are EBUSY.
 */
export class ImageFile {
  readonly node: ImageNode;
  /** As it was opened. */
  readonly path: string;
  readonly #tree: ImageTree;
  #isWritten = false;

  constructor(tree: ImageTree, node: ImageNode, path: string) {
    this.#tree = tree;
    this.node = node;
    this.path = path;
  }

  /** Bytes, as it was opened and as this object has written; `image.stat` knows what others have. */
  get size(): number {
    return this.node.size;
  }

  /**
   * Bytes from `position` on into `target`, which is not to be touched meanwhile.
   *
   * @returns how many; fewer than `target` holds at the end of the file alone
   * @throws ImageError
   */
  async read(target: Uint8Array, position: number): Promise<number> {
    checkBytes("what is read into", target);
    checkPosition("a position", position);
    return this.#submit("read", (done) => this.#tree.data.submitRead(this.node, position, target, done));
  }

  /**
   * Writes all of `source`, which is not to be touched meanwhile, past the end too. Whole blocks inside the file are written at the same
   * time; other writes wait for those under way.
   *
   * @throws ImageError
   */
  async write(source: Uint8Array, position: number): Promise<void> {
    checkBytes("what is written", source);
    checkPosition("a position", position);
    this.#isWritten = true;
    for (let at = 0; at < source.length; ) {
      const rest = at === 0 ? source : source.subarray(at);
      const start = position + at;
      const put = await this.#submit("write", (done) => this.#tree.data.submitWrite(this.node, start, rest, done));
      if (put === 0) throw this.#error("write", EIO);
      at += put;
    }
  }

  /** What was written before is durable when this is done; `dataOnly`: as far as it takes to read it back. */
  async sync(dataOnly = false): Promise<void> {
    this.#touch();
    await this.#submit("fsync", (done) => this.#tree.data.submitSync(this.node, dataOnly, done));
  }

  /** When nothing of the file is under way any more. Its times say that it was written, if it was. */
  async settled(): Promise<void> {
    await new Promise<void>((resolve) => this.#tree.data.whenIdle(this.node.id, resolve));
    this.#touch();
  }

  #touch(): void {
    if (!this.#isWritten) return;
    this.#isWritten = false;
    const failure = this.#tree.data.touch(this.node);
    if (failure !== 0) throw this.#error("write", failure);
  }

  #submit(call: string, start: (done: (result: number) => void) => number | undefined): Promise<number> {
    return new Promise((resolve, reject) => {
      const done = (result: number) => {
        if (result < 0) reject(this.#tree.client.loss ?? this.#error(call, result));
        else resolve(result);
      };
      const result = start(done);
      if (result !== undefined) done(result);
    });
  }

  /** @param errno of either sign */
  #error(call: string, errno: number): ImageError {
    return new ImageError(errnoName(errno), Math.abs(errno), call, this.path);
  }
}
