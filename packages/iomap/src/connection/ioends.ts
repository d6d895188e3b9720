import { ENOSYS } from "../errno.js";
import { IoendFlag, NULL_ADDR } from "../mapping.js";
import type { FileIdentity, Ioend } from "../server.js";
import type { Context } from "./context.js";
import type { FileState } from "./file-state.js";

/** What must be told of: the range is not yet, or no longer, what the server has on record. */
const TELLING = IoendFlag.shared | IoendFlag.unwritten | IoendFlag.append;

/** The request, filled again and again. */
class Request implements Ioend {
  flags = 0;
  error = 0;
  pos = 0;
  written = 0;
  dev = 0;
  newAddr = NULL_ADDR;
}

/** A direct write that is over, and what became of it: 0, or a negative errno. */
export interface WriteEnd<F extends FileIdentity> {
  readonly file: FileState<F> | undefined;
  readonly flags: number;
  readonly error: number;
  readonly pos: number;
  readonly length: number;
  result: number;
}

/** Tells the server what reached the device, and takes what follows from that. */
export class Ioends<F extends FileIdentity> {
  readonly #context: Context<F>;
  readonly #request = new Request();

  constructor(context: Context<F>) {
    this.#context = context;
  }

  /**
   * I/O on `written` bytes from `pos` on is over.
   *
   * @param flags IoendFlag; append is added here
   * @param error negative errno of the I/O, or 0
   * @param keepsMappings whether the mappings of the range are as true as before: it was a plain overwrite of mapped blocks
   * @returns `error`; without one, what the server answered: 0 or a negative errno
   */
  complete(
    file: FileState<F>,
    flags: number,
    error: number,
    pos: number,
    written: number,
    keepsMappings: boolean,
    dev = 0,
    newAddr = NULL_ADDR,
  ): number {
    const all = pos + written > file.diskSize ? flags | IoendFlag.append : flags;
    const answer = this.#tells(all, error, written)
      ? this.#tell(file, all, error, pos, written, dev, newAddr)
      : -ENOSYS;
    return this.#settle(file, all, error, pos, written, keepsMappings, answer);
  }

  /** What follows from the server's answer, -ENOSYS where it was not asked. */
  #settle(
    file: FileState<F>,
    all: number,
    error: number,
    pos: number,
    written: number,
    keepsMappings: boolean,
    answer: number,
  ): number {
    const end = pos + written;
    const size = Math.max(file.diskSize, end);
    if (error !== 0) return error;
    if (answer < 0 && answer !== -ENOSYS) return answer;
    if (written <= 0) return 0;
    const newSize = answer === -ENOSYS ? size : Math.max(file.diskSize, Math.min(answer, file.limits.maxBytes));
    file.diskSize = newSize;
    file.size = Math.max(file.size, end);
    if (!keepsMappings || (all & (IoendFlag.shared | IoendFlag.unwritten)) !== 0) file.dropMappings(pos, written);
    return 0;
  }

  /** Several direct writes to whole blocks inside their files are over; sets each one's `result`. Neighbours are told of as one. */
  completeAll(writes: WriteEnd<F>[]): void {
    const asked: WriteEnd<F>[] = [];
    for (const write of writes) {
      const { file, flags, error, pos, length } = write;
      if (this.#tells(flags, error, error !== 0 ? 0 : length)) asked.push(write);
      else write.result = this.#settle(file!, flags, error, pos, length, true, -ENOSYS);
    }
    if (asked.length === 0) return;
    asked.sort((a, b) => a.file!.identity.nodeid - b.file!.identity.nodeid || a.pos - b.pos);
    const questions: { readonly file: F; readonly ioend: Request }[] = [];
    const places: number[] = [];
    let last: WriteEnd<F> | undefined;
    for (const write of asked) {
      const { file, flags, error, pos, length } = write;
      const ioend = questions.at(-1)?.ioend;
      const follows = last?.file === file && last?.flags === flags && last.pos + last.length === pos;
      if (ioend !== undefined && follows && error === 0 && ioend.error === 0) {
        ioend.written += length;
      } else {
        const request = new Request();
        request.flags = flags;
        request.error = error;
        request.pos = pos;
        request.written = error !== 0 ? 0 : length;
        questions.push({ file: file!.identity, ioend: request });
      }
      places.push(questions.length - 1);
      last = write;
    }
    this.#context.counters.ioends += questions.length;
    const answers: number[] = [];
    this.#context.server.ioends(questions, answers);
    for (const [i, write] of asked.entries()) {
      const { file, flags, error, pos, length } = write;
      write.result = this.#settle(file!, flags, error, pos, length, true, answers[places[i]!]!);
    }
  }

  #tells(flags: number, error: number, written: number): boolean {
    return this.#context.server.hasIoend && (error !== 0 || (written > 0 && (flags & TELLING) !== 0));
  }

  #tell(
    file: FileState<F>,
    flags: number,
    error: number,
    pos: number,
    written: number,
    dev: number,
    newAddr: number,
  ): number {
    const { counters, server, devices } = this.#context;
    counters.ioends++;
    const request = this.#request;
    request.flags = flags;
    request.error = error;
    request.pos = pos;
    request.written = written;
    const device = devices.get(dev);
    request.dev = device === undefined ? 0 : devices.firstId(device);
    request.newAddr = newAddr;
    return server.ioend(file.identity, request);
  }

  /** The file is no longer, or did not become, a swap file. Always sent. */
  swapOff(file: FileState<F>, error: number): number {
    const answer = this.#tell(file, IoendFlag.swapoff, error, 0, 0, 0, NULL_ADDR);
    return answer < 0 && answer !== -ENOSYS ? answer : 0;
  }
}
