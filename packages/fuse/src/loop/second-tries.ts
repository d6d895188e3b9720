import { pageAligned } from "@bulkhead/linux";
import { FuseOutHeader } from "../protocol/structs.js";

/** Requests that are read, at most, before one is tried again: Linux sends no more than 8 in a row ahead of a FORGET. */
const MOST_AHEAD = 16;

interface Postponed {
  readonly request: Uint8Array;
  /** Number of the request after which it is tried again. */
  readonly due: number;
}

/**
 * Requests that failed for want of something that a FORGET gives back. The kernel queues FORGETs apart, and now and then lets requests go
 * first: what was removed is then still in use when somebody already relies on its space. So the error is not told: the request
 * is tried a second time when nothing is queued any more, or after so many requests that a FORGET was among them.
 */
export class SecondTries {
  readonly #errors: readonly number[];
  readonly #dataOffset: number;
  readonly #postponed: Postponed[] = [];
  #reply: Uint8Array | undefined;
  #header = FuseOutHeader.view();
  #requests = 0;

  /**
   * @param errors negative errnos
   * @param dataOffset where in a request lies what is to be aligned to pages
   */
  constructor(errors: readonly number[], dataOffset: number) {
    this.#errors = errors;
    this.#dataOffset = dataOffset;
  }

  /** Whether a request, of which `reply` has the answer in `replyLength` bytes, is tried again instead of being answered. */
  postpone(request: Uint8Array, length: number, reply: Uint8Array, replyLength: number): boolean {
    this.#requests++;
    if (replyLength !== FuseOutHeader.size) return false;
    if (reply !== this.#reply) {
      this.#reply = reply;
      this.#header = FuseOutHeader.view(new DataView(reply.buffer, reply.byteOffset), 0);
    }
    if (!this.#errors.includes(this.#header.error)) return false;
    const copy = pageAligned(length, this.#dataOffset);
    copy.set(request.subarray(0, length));
    this.#postponed.push({ request: copy, due: this.#requests + MOST_AHEAD });
    return true;
  }

  /** Whether there are any. */
  get waiting(): boolean {
    return this.#postponed.length > 0;
  }

  /** The oldest one, whose time has come; with `now`, the oldest. */
  take(now: boolean): Uint8Array | undefined {
    const [oldest] = this.#postponed;
    if (oldest === undefined || !(now || this.#requests >= oldest.due)) return undefined;
    this.#postponed.shift();
    return oldest.request;
  }
}
