import { EIO, ENOMEM } from "../errno.js";
import type { Mapping } from "../mapping.js";
import type { FileIdentity } from "../server.js";
import type { Context } from "./context.js";
import type { FileState } from "./file-state.js";

/** Inline data: the server moves it, with READ and WRITE. */
export class InlineData<F extends FileIdentity> {
  readonly #context: Context<F>;

  constructor(context: Context<F>) {
    this.#context = context;
  }

  /**
   * Loads all of an inline mapping, and copies from it.
   *
   * @param pos byte in the file of `target`'s first; what is past the data, or past the end of the file, becomes zeros
   * @returns 0, or a negative errno
   */
  load(file: FileState<F>, mapping: Readonly<Mapping>, pos: number, target: Uint8Array): number {
    const { counters, server } = this.#context;
    if (mapping.length > file.limits.blockSize) return -ENOMEM;
    const data = new Uint8Array(mapping.length);
    counters.inlineReads++;
    const got = server.readInline(file.identity, mapping.offset, data);
    if (got < 0) return got === -ENOMEM || got === -EIO ? got : -EIO;
    if (got === 0) return -EIO;
    const end = Math.min(mapping.offset + got, file.size);
    const part = data.subarray(Math.max(0, pos - mapping.offset), Math.max(0, end - mapping.offset));
    target.fill(0);
    target.set(part.length > target.length ? part.subarray(0, target.length) : part);
    return 0;
  }

  /**
   * Has the server store `source` at `pos`, in as many requests as it takes.
   *
   * @returns bytes stored, fewer than given after an error with progress; or a negative errno
   */
  store(file: FileState<F>, mapping: Readonly<Mapping>, pos: number, source: Uint8Array): number {
    const { counters, server } = this.#context;
    if (mapping.offset !== 0 || pos + source.length > mapping.end) return -EIO;
    let done = 0;
    while (done < source.length) {
      counters.inlineWrites++;
      const put = server.writeInline(file.identity, pos + done, done === 0 ? source : source.subarray(done));
      if (put <= 0) {
        const error = put < 0 ? put : -EIO;
        if (done === 0) return error;
        file.writeError ||= error;
        break;
      }
      done += put;
    }
    file.diskSize = Math.max(file.diskSize, pos + done);
    file.size = Math.max(file.size, pos + done);
    file.dropMappings(pos, done);
    return done;
  }
}
