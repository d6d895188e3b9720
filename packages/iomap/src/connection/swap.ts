import type { HostDevice } from "../devices.js";
import type { SwapExtent } from "../door.js";
import { EINVAL, EIO } from "../errno.js";
import { MappingFlag, Operation } from "../mapping.js";
import type { FileIdentity } from "../server.js";
import type { Context } from "./context.js";
import type { FileState } from "./file-state.js";
import type { Ioends } from "./ioends.js";
import { Iteration, MAX_STEPS } from "./iteration.js";

/** Bytes of a page of memory. */
const PAGE = 4096;

/** Swap files: their layout is asked for once, and then written to without a word. */
export class Swap<F extends FileIdentity> {
  readonly #context: Context<F>;
  readonly #ioends: Ioends<F>;
  readonly #iteration: Iteration<F>;

  constructor(context: Context<F>, ioends: Ioends<F>) {
    this.#context = context;
    this.#ioends = ioends;
    this.#iteration = new Iteration(context);
  }

  /** The file has been synced. @returns its extents, or a negative errno of which the server has been told */
  on(file: FileState<F>): readonly SwapExtent[] | number {
    const extents: SwapExtent[] = [];
    const failure = this.#collect(file, extents);
    if (failure !== 0) {
      this.#ioends.swapOff(file, failure);
      return failure;
    }
    file.isSwap = true;
    return extents;
  }

  off(file: FileState<F>): number {
    if (!file.isSwap) return -EINVAL;
    file.isSwap = false;
    return this.#ioends.swapOff(file, 0);
  }

  #collect(file: FileState<F>, extents: SwapExtent[]): number {
    const size = file.size - (file.size % PAGE);
    const iteration = this.#iteration;
    let device: HostDevice | undefined;
    let start = 0;
    let end = 0;
    for (let at = 0, step = 0; at < size; step++) {
      if (step === MAX_STEPS) return -EIO;
      const failure = iteration.begin(file, at, size - at, Operation.report | Operation.swapfile);
      if (failure !== 0) return failure;
      const { target } = iteration;
      const unfit = MappingFlag.dirty | MappingFlag.shared;
      if (!target.isOnDevice || (target.flags & unfit) !== 0) return -EINVAL;
      const on = this.#context.devices.get(target.dev);
      if (on === undefined || on.zoned === true || (device !== undefined && device !== on)) return -EINVAL;
      device = on;
      const until = iteration.limit;
      const addr = target.addr + (at - target.offset);
      if (addr + (until - at) > on.size) return -EINVAL;
      if (addr === end && end > start) {
        end += until - at;
      } else {
        add(extents, start, end);
        start = addr;
        end = addr + (until - at);
      }
      at = until;
    }
    add(extents, start, end);
    return extents.length === 0 ? -EINVAL : 0;
  }
}

/** Adds the whole pages of [start, end). */
function add(extents: SwapExtent[], start: number, end: number): void {
  const addr = Math.ceil(start / PAGE) * PAGE;
  const pages = Math.floor(end / PAGE) - addr / PAGE;
  if (pages <= 0) return;
  const last = extents.at(-1);
  extents.push({ page: last === undefined ? 0 : last.page + last.pages, pages, addr });
}
