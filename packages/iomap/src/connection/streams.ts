import type { Sink } from "./direct-read.js";
import type { Source } from "./direct-write.js";

/** A buffer that the whole read goes to. */
export class BufferSink implements Sink {
  readonly #target: Uint8Array;
  readonly #start: number;

  constructor(target: Uint8Array, start: number) {
    this.#target = target;
    this.#start = start;
  }

  window(count: number, pos: number): Uint8Array {
    const at = pos - this.#start;
    return at === 0 && count >= this.#target.length ? this.#target : this.#target.subarray(at, at + count);
  }

  done(): number {
    return 0;
  }
}

/** A buffer that a read goes through, handed on each time it is full. */
export class StreamSink implements Sink {
  readonly #buffer: Uint8Array;
  readonly #take: (bytes: Uint8Array, pos: number) => number;
  readonly #blockSize: number;

  constructor(buffer: Uint8Array, take: (bytes: Uint8Array, pos: number) => number, blockSize: number) {
    this.#buffer = buffer;
    this.#take = take;
    this.#blockSize = blockSize;
  }

  /** Ends with a block, so that the next begins with one. */
  window(count: number, pos: number): Uint8Array {
    return this.#buffer.subarray(0, piece(count, pos, this.#buffer.length, this.#blockSize));
  }

  done(bytes: Uint8Array, pos: number): number {
    const answer = this.#take(bytes, pos);
    return answer < 0 ? answer : answer === 0 ? 0 : -answer;
  }
}

/** The bytes of a write in one buffer. */
export class BufferSource implements Source {
  readonly most: number;
  readonly #source: Uint8Array;
  readonly #start: number;

  constructor(source: Uint8Array, start: number) {
    this.#source = source;
    this.#start = start;
    this.most = Number.MAX_SAFE_INTEGER;
  }

  next(count: number, pos: number): Uint8Array {
    const at = pos - this.#start;
    return at === 0 && count >= this.#source.length ? this.#source : this.#source.subarray(at, at + count);
  }
}

/** The bytes of a write as somebody gives them. */
export class StreamSource implements Source {
  readonly most: number;
  readonly #buffer: Uint8Array;
  readonly #give: (target: Uint8Array, pos: number) => number;

  constructor(buffer: Uint8Array, give: (target: Uint8Array, pos: number) => number, blockSize: number) {
    this.#buffer = buffer;
    this.#give = give;
    this.most = buffer.length - (buffer.length % blockSize);
  }

  /** Asks until there are `count`, or no more. What was given before an error counts. */
  next(count: number, pos: number): Uint8Array | number {
    const wanted = Math.min(count, this.most);
    let have = 0;
    while (have < wanted) {
      const got = this.#give(this.#buffer.subarray(have, wanted), pos + have);
      if (got < 0) return got;
      if (!(got > 0)) break;
      have = Math.min(wanted, have + got);
    }
    return this.#buffer.subarray(0, have);
  }
}

/** Bytes of a piece of at most `most`, that ends with a block unless it is the last. */
function piece(count: number, pos: number, most: number, blockSize: number): number {
  const end = pos + most;
  return count <= most ? count : end - (end % blockSize) - pos;
}
