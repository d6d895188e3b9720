import type { Handle } from "../journal/handle.js";
import type { Volume } from "../volume.js";

/** Most blocks and most value inodes that are remembered for sharing. */
const MOST_REMEMBERED = 1024;

/**
 * Numbers of blocks, or of inodes, by the hash of what they hold: where to look for something to share. A hint, as contents
 * change: who finds a number compares. But what is remembered is still of its kind, so whoever frees it forgets it.
 */
export class Shareable {
  readonly #byHash = new Map<number, number>();
  readonly #hashes = new Map<number, number>();

  find(hash: number): number | undefined {
    return this.#byHash.get(hash);
  }

  remember(hash: number, number: number): void {
    if (this.#byHash.get(hash) === number) return;
    this.forget(number);
    if (this.#hashes.size >= MOST_REMEMBERED) {
      const oldest = this.#hashes.keys().next().value;
      if (oldest !== undefined) this.forget(oldest);
    }
    const other = this.#byHash.get(hash);
    if (other !== undefined) this.#hashes.delete(other);
    this.#byHash.set(hash, number);
    this.#hashes.set(number, hash);
  }

  /** Remembers what was made just now, unless that is undone. */
  rememberNew(handle: Handle, hash: number, number: number): void {
    this.remember(hash, number);
    handle.onUndo(() => this.forget(number));
  }

  forget(number: number): void {
    const hash = this.#hashes.get(number);
    if (hash === undefined) return;
    this.#hashes.delete(number);
    this.#byHash.delete(hash);
  }
}

/** What attributes may share: blocks by h_hash, value inodes by the hash of the value. */
export interface SharedXattrs {
  readonly blocks: Shareable;
  readonly valueInodes: Shareable;
}

const ofVolume = new WeakMap<Volume, SharedXattrs>();

export function sharedXattrs(volume: Volume): SharedXattrs {
  let shared = ofVolume.get(volume);
  if (shared === undefined) {
    shared = { blocks: new Shareable(), valueInodes: new Shareable() };
    ofVolume.set(volume, shared);
  }
  return shared;
}
