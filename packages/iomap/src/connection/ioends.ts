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
    const end = pos + written;
    const all = end > file.diskSize ? flags | IoendFlag.append : flags;
    const size = Math.max(file.diskSize, end);
    const answer = this.#tells(all, error, written)
      ? this.#tell(file, all, error, pos, written, dev, newAddr)
      : -ENOSYS;
    if (error !== 0) return error;
    if (answer < 0 && answer !== -ENOSYS) return answer;
    if (written <= 0) return 0;
    const newSize = answer === -ENOSYS ? size : Math.max(file.diskSize, Math.min(answer, file.limits.maxBytes));
    file.diskSize = newSize;
    file.size = Math.max(file.size, end);
    if (!keepsMappings || (all & (IoendFlag.shared | IoendFlag.unwritten)) !== 0) file.dropMappings(pos, written);
    return 0;
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
