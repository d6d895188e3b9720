import { EAGAIN, EINTR, EIO, EUCLEAN } from "../errno.js";
import { Mapping, MappingFlag, MappingType, NULL_ADDR, Operation, WRITING } from "../mapping.js";
import type { FileIdentity } from "../server.js";
import { checkDevice, Slots } from "../slots.js";
import type { Context } from "./context.js";
import type { FileState } from "./file-state.js";
import { Lookup } from "./mapping-cache.js";

/** Times that a server may say "look again" and the cache has nothing. */
const MAX_RETRIES = 64;

/** Steps in a row that may come to nothing before an operation is broken off. */
export const MAX_STILL = 32;

/** Steps of an operation that moves no data, whose length says nothing about the work. */
export const MAX_STEPS = 1 << 20;

const UNCACHEABLE = Operation.atomic | Operation.swapfile;

/** One mapping at a time: begin, then the caller acts, then end. */
export class Iteration<F extends FileIdentity> {
  /** Where the operation goes. */
  readonly target = new Mapping();
  /** Where the old data is that a write does not replace; a hole for "nowhere". */
  readonly source = new Mapping();
  readonly #context: Context<F>;
  readonly #slots = new Slots();
  #file: FileState<F> | undefined;
  #isForgotten = false;
  #operation = 0;
  #pos = 0;
  #count = 0;
  /** The cache's cookie, or 0 for an answer of the server, which #generation guards. */
  #cookie = 0;
  #generation = 0;

  constructor(context: Context<F>) {
    this.#context = context;
  }

  /**
   * Finds the mapping for `pos`: in the cache, or by asking.
   *
   * @param count bytes that the operation still has to do
   * @returns 0, or a negative errno
   */
  begin(file: FileState<F>, pos: number, count: number, operation: number): number {
    this.#file = file;
    this.#isForgotten = false;
    this.#operation = operation;
    this.#pos = pos;
    this.#count = count;
    const cacheable = (operation & UNCACHEABLE) === 0;
    for (let tries = 0; tries < MAX_RETRIES; tries++) {
      if (cacheable && file.cache !== undefined) {
        const found = this.#lookUp(file);
        if (found !== undefined) return found;
      }
      if (tries > 0 && this.#context.isInterrupted()) return -EINTR;
      if ((operation & Operation.nowait) !== 0) return -EAGAIN;
      const failure = this.#ask(file);
      if (failure !== 0) return failure;
      if (!this.#saysRetry) return this.#choose();
    }
    return this.#context.refuse(EUCLEAN, `the server has put nothing into the cache for byte ${pos}, and says it has`);
  }

  #lookUp(file: FileState<F>): number | undefined {
    const { counters } = this.#context;
    const found = file.cache!.lookup(this.#pos, this.#count, this.#operation, this.target, this.source);
    if (found === Lookup.miss) {
      counters.misses++;
      return undefined;
    }
    counters.hits++;
    if (found === Lookup.hit) this.#noSource();
    this.#cookie = file.cache!.cookie;
    return this.#checkDevices();
  }

  #ask(file: FileState<F>): number {
    const context = this.#context;
    const slots = this.#slots;
    const { read, write } = slots;
    context.counters.begins++;
    slots.clear();
    const answer = context.server.begin(file.identity, this.#pos, this.#count, this.#operation, read, write);
    if (answer !== 0) return answer;
    const failure = slots.check(file.limits, this.#pos, file.cache !== undefined);
    if (failure !== 0) return context.refuse(failure, `no mapping for byte ${this.#pos}: ${say(read)}, ${say(write)}`);
    return this.#checkUncacheable();
  }

  #checkUncacheable(): number {
    const context = this.#context;
    if ((this.#operation & UNCACHEABLE) === 0) return 0;
    if (this.#saysRetry) return context.refuse(EUCLEAN, `byte ${this.#pos} is not to be cached for this operation`);
    if ((this.#operation & Operation.atomic) === 0) return 0;
    const effective = this.#slots.target;
    if (effective.isOnDevice && (effective.flags & MappingFlag.atomicBio) !== 0) return 0;
    return context.refuse(EIO, `byte ${this.#pos} cannot be written untorn: ${say(effective)}`);
  }

  get #saysRetry(): boolean {
    const { read, write } = this.#slots;
    return read.type === MappingType.retryCache || write.type === MappingType.retryCache;
  }

  /** Takes from the slots what the operation uses. */
  #choose(): number {
    this.#cookie = 0;
    this.#generation = this.#file!.generation;
    const { read, target } = this.#slots;
    if (this.#writes && target !== read) {
      this.target.copy(target);
      this.source.copy(read);
    } else {
      this.target.copy(read);
      this.#noSource();
    }
    return this.#checkDevices();
  }

  #checkDevices(): number {
    const { devices } = this.#context;
    const failure = checkDevice(devices, this.source, false) || checkDevice(devices, this.target, this.#writes);
    if (failure === 0) return 0;
    return this.#context.refuse(failure, `no such device for byte ${this.#pos}: ${say(this.target)}`);
  }

  #noSource(): void {
    this.source.set(MappingType.hole, 0, 0, NULL_ADDR, 0);
  }

  get #writes(): boolean {
    return (this.#operation & WRITING) !== 0;
  }

  /** Whether old data lies elsewhere than where the operation goes. */
  get hasSource(): boolean {
    return this.source.type !== MappingType.hole;
  }

  /** The mapping that says what a byte holds now. */
  get old(): Mapping {
    return this.hasSource ? this.source : this.target;
  }

  /** One past the last byte that the mappings speak of. */
  get reach(): number {
    return this.hasSource ? Math.min(this.target.end, this.source.end) : this.target.end;
  }

  /** One past the last byte that this step may work on. */
  get limit(): number {
    return Math.min(this.#pos + this.#count, this.reach);
  }

  /** Whether `pos` lies in what was found, and that is still true. */
  covers(file: FileState<F>, pos: number): boolean {
    if (this.#isForgotten) return false;
    return this.#file === file && this.target.offset <= pos && pos < this.reach && !this.isStale;
  }

  /** Whether the mapping has changed since `begin`. */
  get isStale(): boolean {
    const file = this.#file!;
    return this.#cookie === 0 ? file.generation !== this.#generation : file.cache?.cookie !== this.#cookie;
  }

  /** Makes `covers` false. */
  forget(): void {
    this.#isForgotten = true;
  }

  /**
   * Tells the server how far it went, where that is its business.
   *
   * @param written bytes done from the position of `begin` on
   * @param flags MappingFlag.sizeChanged and stale
   * @returns 0, or the negative errno that the operation ends with
   */
  end(written: number, flags = 0): number {
    const { server, counters, devices } = this.#context;
    const { target } = this;
    if ((flags & MappingFlag.stale) !== 0) counters.stale++;
    if (target.type === MappingType.inline || (this.#operation & Operation.swapfile) !== 0 || !server.hasEnd) return 0;
    const count = this.limit - this.#pos;
    const unfinished = this.#writes && ((flags & MappingFlag.sizeChanged) !== 0 || written < count);
    if ((target.flags & MappingFlag.wantEnd) === 0 && !unfinished) return 0;
    counters.ends++;
    const said = this.#slots.read;
    said.copy(target);
    said.flags |= flags;
    const device = devices.get(target.dev);
    if (device !== undefined) said.dev = devices.firstId(device);
    const answer = server.end(this.#file!.identity, this.#pos, count, written, this.#operation, said);
    return answer < 0 && written === 0 ? answer : 0;
  }
}

function say({ type, flags, offset, length, addr, dev }: Readonly<Mapping>): string {
  return `type ${type}, flags ${flags}, ${length} bytes of the file at ${offset}, ${addr} on device ${dev}`;
}
