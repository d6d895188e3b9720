import { ECONNABORTED, EIO, ENOSYS, ENOTCONN, EUCLEAN } from "../errno.js";
import type { Mapping } from "../mapping.js";
import type { FileIdentity, Ioend, IoendQuestion, IomapServer } from "../server.js";

/** Largest errno of Linux. */
const MOST_ERRNO = 4095;

/**
 * The one way to the server. It remembers what the server does not do, and that it is gone: then everything fails at once. What
 * a server may not answer becomes EUCLEAN here.
 */
export class ServerLink<F extends FileIdentity> {
  readonly #server: IomapServer<F>;
  readonly #onError: (error: unknown) => void;
  isAborted = false;
  /** Whether the server is being asked something: whoever calls from within its answer must not start another operation. */
  isAsking = false;
  #hasEnd = true;
  #hasIoend = true;
  #hasSyncFs = true;

  constructor(server: IomapServer<F>, onError: (error: unknown) => void) {
    this.#server = server;
    this.#onError = onError;
  }

  abort(): void {
    this.isAborted = true;
  }

  begin(file: F, pos: number, count: number, operation: number, read: Mapping, write: Mapping): number {
    return this.#ask(() => this.#server.begin(file, pos, count, operation, read, write), 0);
  }

  get hasEnd(): boolean {
    return this.#hasEnd && !this.isAborted;
  }

  end(file: F, pos: number, count: number, written: number, operation: number, mapping: Mapping): number {
    const answer = this.#ask(() => this.#server.end(file, pos, count, written, operation, mapping), 0);
    if (answer !== -ENOSYS) return answer;
    this.#hasEnd = false;
    return 0;
  }

  get hasIoend(): boolean {
    return this.#hasIoend;
  }

  /** @returns the size on disk, or a negative errno; -ENOSYS is remembered */
  ioend(file: F, ioend: Ioend): number {
    const answer = this.#ask(() => this.#server.ioend(file, ioend), Number.MAX_SAFE_INTEGER);
    if (answer === -ENOSYS) this.#hasIoend = false;
    return answer;
  }

  /** Several at once. Fills `answers`, each as `ioend`'s. */
  ioends(questions: readonly IoendQuestion<F>[], answers: number[]): void {
    const server = this.#server;
    if (server.ioends === undefined) {
      for (const [i, { file, ioend }] of questions.entries()) answers[i] = this.ioend(file, ioend);
      return;
    }
    const failure = this.#ask(() => {
      server.ioends?.(questions, answers);
      return 0;
    }, 0);
    for (const [i] of questions.entries()) {
      const answer = failure === 0 ? this.#checked(answers[i] ?? Number.NaN, Number.MAX_SAFE_INTEGER) : failure;
      answers[i] = answer;
      if (answer === -ENOSYS) this.#hasIoend = false;
    }
  }

  readInline(file: F, pos: number, target: Uint8Array): number {
    return this.#ask(() => this.#server.readInline(file, pos, target), target.length);
  }

  writeInline(file: F, pos: number, source: Uint8Array): number {
    return this.#ask(() => this.#server.writeInline(file, pos, source), source.length);
  }

  setSize(file: F, size: number, changes: boolean): number {
    return this.#ask(() => this.#server.setSize(file, size, changes), Number.MAX_SAFE_INTEGER);
  }

  fallocate(file: F, mode: number, offset: number, length: number): number {
    return this.#ask(() => this.#server.fallocate?.(file, mode, offset, length) ?? -ENOSYS, 0);
  }

  copyRange(from: F, pos: number, to: F, target: number, length: number): number {
    return this.#ask(() => this.#server.copyRange?.(from, pos, to, target, length) ?? -ENOSYS, length);
  }

  /** A server without it has nothing to make durable. */
  fsync(file: F, dataOnly: boolean): number {
    const answer = this.#ask(() => this.#server.fsync?.(file, dataOnly) ?? 0, 0);
    return answer === -ENOSYS ? 0 : answer;
  }

  seek(file: F, offset: number, wanted: "data" | "hole"): number {
    return this.#ask(() => this.#server.seek?.(file, offset, wanted) ?? -ENOSYS, Number.MAX_SAFE_INTEGER);
  }

  syncFs(): number {
    if (!this.#hasSyncFs) return 0;
    const answer = this.#ask(() => this.#server.syncFs?.() ?? -ENOSYS, 0);
    if (answer !== -ENOSYS) return answer;
    this.#hasSyncFs = false;
    return 0;
  }

  freeze(unlinked: number): number {
    return this.#ask(() => this.#server.freeze?.(unlinked) ?? -ENOSYS, 0);
  }

  thaw(): number {
    const answer = this.#ask(() => this.#server.thaw?.() ?? -ENOSYS, 0);
    return answer === -ENOSYS ? 0 : answer;
  }

  /** @param most the largest answer that is one */
  #ask(question: () => number, most: number): number {
    if (this.isAborted) return -EIO;
    let answer: number;
    this.isAsking = true;
    try {
      answer = question();
    } catch (error) {
      this.#onError(error);
      this.isAborted = true;
      return -EIO;
    } finally {
      this.isAsking = false;
    }
    return this.#checked(answer, most);
  }

  #checked(answer: number, most: number): number {
    if (answer === -ENOTCONN || answer === -ECONNABORTED) this.isAborted = true;
    // An answer to a question after which the server was given up came too late.
    if (this.isAborted) return -EIO;
    if (Number.isSafeInteger(answer) && answer <= most && answer >= -MOST_ERRNO) return answer;
    this.#onError(new Error(`the server answered ${answer}, where a negative errno or 0 to ${most} was asked for`));
    return -EUCLEAN;
  }
}
