import type { Contents, SourceEntry, SourceNode } from "./ends.js";

/** What a source failed with, so that it is not taken for the destination's failure. */
export class SourceFailure extends Error {
  override readonly name = "SourceFailure";
  readonly path: Buffer;

  constructor(path: Buffer, cause: unknown) {
    super("the source failed", { cause });
    this.path = path;
  }
}

/** The same file, whose errors are all `SourceFailure`. */
export class AccountableSource implements SourceNode {
  readonly #source: SourceNode;

  constructor(source: SourceNode) {
    this.#source = source;
  }

  get path() {
    return this.#source.path;
  }

  get stats() {
    return this.#source.stats;
  }

  get key() {
    return this.#source.key;
  }

  get order() {
    return this.#source.order;
  }

  list(into: SourceEntry[]): void {
    this.#ask(() => this.#source.list(into));
  }

  readLink(): Uint8Array {
    return this.#ask(() => this.#source.readLink());
  }

  xattrNames(): Uint8Array[] {
    return this.#ask(() => this.#source.xattrNames());
  }

  xattr(name: Uint8Array): Uint8Array | undefined {
    return this.#ask(() => this.#source.xattr(name));
  }

  open(): Contents {
    const contents = this.#ask(() => this.#source.open());
    return {
      nextRange: (position) => this.#ask(() => contents.nextRange(position)),
      read: (position, target) => this.#ask(() => contents.read(position, target)),
      close: () => contents.close(),
    };
  }

  #ask<T>(question: () => T): T {
    try {
      return question();
    } catch (error) {
      throw new SourceFailure(this.path, error);
    }
  }
}
