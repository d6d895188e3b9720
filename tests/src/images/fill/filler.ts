/** What every part of the fill shares: where it writes, how big the image's blocks are, and what could not be made. */
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { errorCode } from "../../system/calls.js";
import { Random } from "../random.js";

export interface FillProfile {
  /** Names in the big directory. */
  readonly names: number;
  /** Whether those names are long, so that their index is as deep as it gets. */
  readonly longNames: boolean;
  /** Extents of the most fragmented file. */
  readonly extents: number;
  /** Names any tool can print and parse: UTF-8 without control characters. */
  readonly plainNames: boolean;
}

/** Errors that mean "this filesystem has no such thing", as opposed to a failure of the fill. */
const UNSUPPORTED = new Set([
  "EOPNOTSUPP",
  "ENOTSUP",
  "ENOTTY",
  "EINVAL",
  "ENODATA",
  "EPERM",
  "ENOSPC",
  "EFBIG",
  "ENAMETOOLONG",
  "E2BIG",
]);

export class Filler {
  readonly profile: FillProfile;
  readonly blockSize: number;
  readonly random: Random;
  /** Steps that this filesystem refused, with the errno's name. */
  readonly refused = new Map<string, string>();
  readonly #root: Buffer;
  readonly #pattern: Buffer;

  constructor(root: string, blockSize: number, seed: number, profile: FillProfile) {
    this.#root = Buffer.from(`${root}/`);
    this.blockSize = blockSize;
    this.profile = profile;
    this.random = new Random(seed);
    this.#pattern = this.random.bytes(1 << 17);
  }

  /** The absolute path of a path below the root; strings are UTF-8. */
  at(...parts: readonly (string | Buffer)[]): Buffer {
    const bytes: Buffer[] = [this.#root];
    for (const [index, part] of parts.entries()) {
      if (index > 0) bytes.push(Buffer.from("/"));
      bytes.push(typeof part === "string" ? Buffer.from(part) : part);
    }
    return Buffer.concat(bytes);
  }

  /** Does a step that some filesystems cannot do; what they refuse is recorded and the fill goes on. */
  attempt(step: string, work: () => void): boolean {
    try {
      work();
      return true;
    } catch (error) {
      const code = errorCode(error);
      if (code === undefined || !UNSUPPORTED.has(code)) throw error;
      this.refused.set(step, code);
      return false;
    }
  }

  /** Bytes that look random and differ from call to call, without computing each. */
  data(length: number): Buffer {
    const start = this.random.below(1 << 16);
    if (length <= this.#pattern.length - start) return this.#pattern.subarray(start, start + length);
    const out = Buffer.alloc(length);
    for (let done = 0; done < length; done += this.#pattern.length) this.#pattern.copy(out, done);
    out.writeUInt32LE(start, 0);
    return out;
  }

  /** Makes a file with random contents. */
  file(path: Buffer, length: number): void {
    this.withFile(path, (fd) => {
      if (length > 0) writeSync(fd, this.data(length), 0, length, 0);
    });
  }

  /** Opens (creating) a file for `work` and closes it. */
  withFile(path: Buffer, work: (fd: number) => void): void {
    const writable = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o644);
    try {
      work(writable);
    } finally {
      closeSync(writable);
    }
  }
}
