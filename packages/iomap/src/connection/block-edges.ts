import { MappingFlag, MappingType } from "../mapping.js";
import type { FileIdentity } from "../server.js";
import type { Context } from "./context.js";
import type { FileState } from "./file-state.js";
import type { InlineData } from "./inline.js";
import type { Iteration } from "./iteration.js";

/** Writes bytes to a device in whole blocks where the blocks hold nothing yet, are copies, or are all that the device takes. */
export class BlockEdges<F extends FileIdentity> {
  readonly #context: Context<F>;
  readonly #inline: InlineData<F>;
  #block = new Uint8Array(0);

  constructor(context: Context<F>, inline: InlineData<F>) {
    this.#context = context;
    this.#inline = inline;
  }

  /**
   * Writes `data` at `pos`, inside the current mapping. What it leaves of its first and last block becomes what that block held in
   * the file: old data, or zeros; behind the end of the file, zeros.
   *
   * @returns 0, or a negative errno
   */
  write(file: FileState<F>, iteration: Iteration<F>, pos: number, data: Uint8Array): number {
    const { target } = iteration;
    const { io } = this.#context;
    const { blockSize } = file.limits;
    const end = pos + data.length;
    const isFresh = iteration.hasSource || target.type !== MappingType.mapped || (target.flags & MappingFlag.new) !== 0;
    const aligned = io.alignment(target) > 1;
    const head = pos % blockSize;
    const tail = end % blockSize;
    if (!isFresh && !aligned) {
      const failure = io.write(target, pos, data);
      if (failure !== 0 || tail === 0 || end < file.size) return failure;
      return io.writeZeros(target, end, end - tail + blockSize);
    }
    let at = 0;
    if (head !== 0 || data.length < blockSize) {
      at = Math.min(blockSize - head, data.length);
      const failure = this.#partial(file, iteration, pos - head, head, data.subarray(0, at), isFresh);
      if (failure !== 0) return failure;
    }
    const whole = data.length - at - ((data.length - at) % blockSize);
    if (whole > 0) {
      const body = whole === data.length ? data : data.subarray(at, at + whole);
      const failure = io.write(target, pos + at, body);
      if (failure !== 0) return failure;
      at += whole;
    }
    return at < data.length ? this.#partial(file, iteration, pos + at, 0, data.subarray(at), isFresh) : 0;
  }

  /** Writes the block at `start` with `data` at its byte `from`. */
  #partial(
    file: FileState<F>,
    iteration: Iteration<F>,
    start: number,
    from: number,
    data: Uint8Array,
    isFresh: boolean,
  ): number {
    const { blockSize } = file.limits;
    if (this.#block.length !== blockSize) this.#block = new Uint8Array(blockSize);
    const block = this.#block;
    const failure = this.#old(file, iteration, start, isFresh, block);
    if (failure !== 0) return failure;
    const end = Math.max(file.size, start + from + data.length);
    if (end < start + blockSize) block.fill(0, end - start);
    block.set(data, from);
    return this.#context.io.write(iteration.target, start, block);
  }

  /** What the block at `start` holds, zeros behind the end of the file. */
  #old(file: FileState<F>, iteration: Iteration<F>, start: number, isFresh: boolean, block: Uint8Array): number {
    const { source } = iteration;
    block.fill(0);
    if (start >= file.size) return 0;
    const old = isFresh ? source : iteration.target;
    if (old.type === MappingType.inline) return this.#inline.load(file, old, start, block);
    if (old.type !== MappingType.mapped || (old.flags & MappingFlag.new) !== 0) return 0;
    const failure = this.#context.io.read(old, start, block);
    if (file.size < start + block.length) block.fill(0, file.size - start);
    return failure;
  }
}
