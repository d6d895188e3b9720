import type { FileRange } from "../door.js";
import { EINVAL, EIO, ENODEV, ESTALE, EUCLEAN } from "../errno.js";
import { type Mapping, MappingType, validateSlot } from "../mapping.js";
import type { FileIdentity } from "../server.js";
import type { Context } from "./context.js";
import type { FileState } from "./file-state.js";

/** What a server says of its own accord. The answers are what its write of the notification returns. */
export class Notifications<F extends FileIdentity> {
  readonly #context: Context<F>;
  readonly #files: ReadonlyMap<number, FileState<F>>;
  /** Whether iomap was agreed on. */
  negotiated = true;

  constructor(context: Context<F>, files: ReadonlyMap<number, FileState<F>>) {
    this.#context = context;
    this.#files = files;
  }

  /** The file, or a negative errno. */
  #file(nodeid: number, ino: number): FileState<F> | number {
    if (!this.negotiated) return -EINVAL;
    const file = this.#files.get(nodeid);
    if (file === undefined) return -ESTALE;
    if (file.identity.ino !== ino) return -EINVAL;
    return file.isGone ? -EIO : file;
  }

  upsert(nodeid: number, ino: number, read: Readonly<Mapping>, write: Readonly<Mapping>): number {
    const file = this.#file(nodeid, ino);
    if (typeof file === "number") return file;
    const failure = this.#check(file, read, false) || this.#check(file, write, true);
    if (failure !== 0) return -failure;
    const cache = file.needCache();
    cache.upsert("read", read);
    cache.upsert("write", write);
    return 0;
  }

  #check(file: FileState<F>, mapping: Readonly<Mapping>, isWriteSlot: boolean): number {
    const failure = validateSlot(mapping, file.limits, isWriteSlot, file.cache !== undefined);
    if (failure !== 0) return failure;
    if (mapping.type === MappingType.retryCache) return EUCLEAN;
    if (mapping.type !== MappingType.mapped && mapping.type !== MappingType.unwritten) return 0;
    const device = this.#context.devices.get(mapping.dev);
    if (device === undefined) return EUCLEAN;
    if (device.size === 0) return EINVAL;
    return mapping.addr + mapping.length > device.size ? EUCLEAN : 0;
  }

  invalidate(nodeid: number, ino: number, read: FileRange, write: FileRange): number {
    const file = this.#file(nodeid, ino);
    if (typeof file === "number") return file;
    if (!isRange(file, write) || !isRange(file, read)) return -EUCLEAN;
    if (read.length > 0 || write.length > 0) file.generation++;
    file.cache?.remove("read", read.offset, read.length);
    file.cache?.remove("write", write.offset, write.length);
    return 0;
  }

  invalidateDevice(dev: number, offset: number, length: number, reserved: number): number {
    if (reserved !== 0 || !this.negotiated || dev === 0) return -EINVAL;
    const device = this.#context.devices.get(dev);
    if (device === undefined) return -ENODEV;
    if (!(offset >= 0 && offset < device.size)) return -EINVAL;
    if (length === 0) return 0;
    const end = offset + length;
    if (!(length > 0 && Number.isSafeInteger(end))) return -EINVAL;
    device.invalidate?.(offset, Math.min(end, device.size) - offset);
    return 0;
  }
}

/** Whether a range says what a fork can forget; one of length 0 says nothing. */
function isRange(file: FileState<FileIdentity>, { offset, length }: FileRange): boolean {
  if (length === 0) return true;
  const { blockSize, maxBytes } = file.limits;
  if (!(Number.isSafeInteger(offset) && offset >= 0 && offset < maxBytes && offset % blockSize === 0)) return false;
  if (length === Number.MAX_SAFE_INTEGER) return true;
  return length > 0 && length % blockSize === 0 && Number.isSafeInteger(offset + length);
}
