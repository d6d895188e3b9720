/**
 * The protocol core: request bytes in, reply bytes out, no device.
 *
 * What a hostile or broken peer gets: no reply when the message is too short for a header, when its length is not the
 * header's, or when `unique` is 0 (a reply to that would be a notification); EIO for a body that is not laid out as its
 * row says (the caller did nothing wrong, so not EINVAL), and for anything before INIT; ENOSYS for unknown opcodes.
 * Operations that are never answered are not answered then either.
 */
import type { View } from "@bulkhead/linux/struct";
import { type Binding, bindings, type OperationStatistics, ReplyBuffer } from "./binding.js";
import { Context } from "./context.js";
import { DEFERRED, EIO, ENOSYS, EPROTO, ERANGE, LOWEST_ERROR } from "./errno.js";
import {
  type InitOptions,
  InitWishes,
  MAJOR,
  NEWEST_MINOR,
  type Negotiated,
  negotiate,
  PAGES_WITHOUT_MAX,
} from "./init.js";
import { type Handlers, type OperationName, operationName, operations } from "./operations.js";
import { type DeferredReply, encodeHeader, encodeReply, errnoOf, replyableError } from "./reply.js";
import { FuseInHeader, type FuseInitIn, FuseInitOut, FuseOutHeader } from "./structs.js";

/** One request and its answer. */
export interface TraceEvent {
  readonly name: OperationName | `opcode ${number}`;
  readonly uniqueLo: number;
  readonly uniqueHi: number;
  readonly nodeid: number;
  readonly uid: number;
  readonly pid: number;
  /** The handler's result, or the errno that was replied in its place; {@link DEFERRED} if the reply comes later. */
  readonly result: number;
  /** Bytes of the reply, 0 without one. */
  readonly length: number;
}

export interface SessionOptions extends InitOptions {
  /**
   * Turns what a handler threw into an errno (its sign does not matter). Default: a numeric `errno` property, as errors of Node's have:
   * that is an answer, and not logged; else EIO.
   */
  readonly toErrno?: (error: unknown) => number;
  /** Told of what an operator should know: refusals, exceptions, broken messages. One line each. */
  readonly log?: (message: string, error?: unknown) => void;
  readonly trace?: (event: TraceEvent) => void;
  /** Serves a connection on which INIT was answered by an earlier server. */
  readonly negotiated?: Negotiated;
}

/** Bytes every reply buffer holds beside data: header and the largest structures, and an xattr of 64 KiB. */
const REPLY_SLACK = 66 * 1024;

const { CUSE_INIT, INIT } = operations;

/** What a handler returned, for a log: it may be anything. */
function nameOf(result: unknown): string {
  if (result === DEFERRED) return "DEFERRED without context.defer()";
  if (typeof result === "object" && result !== null) return "then" in result ? "a promise" : "an object";
  return String(result);
}

export class Session {
  /** The reply of the last {@link handle} or {@link complete}, from offset 0. */
  readonly reply: Uint8Array;
  readonly #reply: ReplyBuffer;
  readonly #bindings: ReadonlyMap<number, Binding>;
  readonly #common: readonly (Binding | undefined)[];
  readonly #context = new Context();
  readonly #wishes: InitWishes;
  readonly #toErrno: ((error: unknown) => number) | undefined;
  readonly #log: (message: string, error?: unknown) => void;
  readonly #trace: ((event: TraceEvent) => void) | undefined;
  readonly #initOut: View<typeof FuseInitOut>;
  #request: Uint8Array = new Uint8Array(0);
  #requestView: DataView = new DataView(this.#request.buffer);
  #negotiated: Negotiated | undefined;
  /** INIT or CUSE_INIT was answered with success. */
  #ready = false;

  /** Throws RangeError for options out of range. */
  constructor(handlers: Handlers, options: SessionOptions = {}) {
    this.#wishes = new InitWishes(options);
    const { maxWrite, maxPages, pageSize } = this.#wishes;
    const data = Math.max(maxWrite, Math.max(maxPages, PAGES_WITHOUT_MAX) * pageSize);
    this.#reply = new ReplyBuffer(REPLY_SLACK + data);
    this.reply = this.#reply.bytes;
    this.#initOut = FuseInitOut.view(this.#reply.view, FuseOutHeader.size);
    this.#bindings = bindings(handlers, this.#reply);
    // Opcodes below 64 are all that a kernel without iomap sends: an array spares them the hash.
    this.#common = Array.from({ length: 64 }, (_, opcode) => this.#bindings.get(opcode));
    this.#toErrno = options.toErrno;
    this.#log = options.log ?? (() => {});
    this.#trace = options.trace;
    if (options.negotiated !== undefined) this.#agree(options.negotiated);
  }

  /** What INIT settled; undefined before. */
  get negotiated(): Negotiated | undefined {
    return this.#negotiated;
  }

  /** Bytes a transport's read buffer needs: the largest WRITE, a 64 KiB SETXATTR, and slack for headers. */
  get requestCapacity(): number {
    return Math.max(this.#wishes.maxWrite + 4096, 72 * 1024);
  }

  /** Counters of every operation that occurred. */
  statistics(): OperationStatistics[] {
    return [...this.#bindings.values()]
      .filter(({ requests }) => requests > 0)
      .map(({ name, requests, errors }) => ({ name, requests, errors }));
  }

  /**
   * Handles one request, the first `length` bytes of `request`. Returns how many bytes of {@link reply} to send, 0 for
   * none. Never throws. Not re-entrant; nothing of `request` is used afterwards.
   */
  handle(request: Uint8Array, length: number = request.length): number {
    if (length < FuseInHeader.size || length > request.length) return this.#drop(`a message of ${length} bytes`);
    if (request !== this.#request) {
      this.#request = request;
      this.#requestView = new DataView(request.buffer, request.byteOffset, request.byteLength);
    }
    const view = this.#requestView;
    const context = this.#context;
    const header = context.header.at(view, 0);
    context.token = undefined;
    if (header.len !== length) return this.#drop(`a message of ${length} bytes that says ${header.len}`);
    if (header.uniqueLo === 0 && header.uniqueHi === 0) return this.#drop("a request without an id");

    const opcode = header.opcode;
    const binding = opcode < 64 ? this.#common[opcode] : this.#bindings.get(opcode);
    if (binding === undefined) return this.#finish(undefined, ENOSYS);
    binding.requests++;
    const end = length - 8 * header.total_extlen;
    if (
      end < FuseInHeader.size ||
      !context.extensions.position(request, view, end, length) ||
      !binding.decode(request, view, end)
    ) {
      this.#log(`malformed ${binding.name} of ${length} bytes`);
      return this.#finish(binding, EIO);
    }
    return this.#finish(binding, this.#dispatch(binding));
  }

  /**
   * Answers a deferred request: `result` is a negative errno, or 0 with the reply's whole payload. Returns how many bytes
   * of {@link reply} to send; 0 if the token was used before.
   */
  complete(token: DeferredReply, result: number, payload?: Uint8Array): number {
    return encodeReply(this.reply, this.#reply.view, token, result, payload);
  }

  /** The handler's result, or an errno. */
  #dispatch(binding: Binding): number {
    const row = binding.row;
    if (row === INIT) return this.#init(binding);
    if (!this.#ready && row !== CUSE_INIT) return EIO;
    if (binding.handler === undefined) return row.answer === "always" ? ENOSYS : 0;
    const errno = binding.prepare(this.#reply);
    if (errno !== 0) return errno;
    const result = this.#call(binding);
    if (row === CUSE_INIT && result >= 0) this.#ready = true;
    return result;
  }

  #call(binding: Binding): number {
    const context = this.#context;
    context.row = binding.row;
    context.limit = binding.limit;
    try {
      const result: unknown = binding.call(context);
      if (typeof result === "number" && Number.isInteger(result)) return result;
      return binding.row.answer === "never" ? 0 : this.#refuseResult(binding, result);
    } catch (error) {
      const errno = this.#toErrno === undefined ? errnoOf(error) : 0;
      if (errno !== 0) return errno;
      this.#log(`${binding.name} of nodeid ${context.nodeid} failed`, error);
      return this.#errnoFor(error);
    }
  }

  #refuseResult(binding: Binding, result: unknown): number {
    this.#log(`${binding.name} returned ${nameOf(result)}, which is no errno and no length of its reply`);
    return EIO;
  }

  #errnoFor(error: unknown): number {
    try {
      return this.#toErrno === undefined ? EIO : replyableError(-Math.abs(this.#toErrno(error)));
    } catch (worse) {
      this.#log("toErrno failed", worse);
      return EIO;
    }
  }

  /** Turns a result into reply bytes. */
  #finish(binding: Binding | undefined, result: number): number {
    let length = 0;
    let outcome = result;
    const answer = binding?.row.answer ?? "always";
    const token = this.#context.token;
    const deferred = result === DEFERRED && token !== undefined && answer !== "never" && binding?.row !== INIT;
    if (token !== undefined && !deferred) token.answered = true;
    if (!deferred && (answer === "always" || (answer === "optional" && result !== 0))) {
      if (binding !== undefined && result >= 0) {
        const payload = binding.payload(result, this.#reply);
        if (payload >= 0) length = this.#header(0, payload);
        else outcome = payload === ERANGE ? ERANGE : this.#refuseResult(binding, result);
      } else if (binding !== undefined && result < LOWEST_ERROR) outcome = this.#refuseResult(binding, result);
      if (length === 0) length = this.#header(outcome, 0);
    }
    if (outcome < 0 && outcome !== DEFERRED && binding !== undefined) binding.errors++;
    if (this.#trace !== undefined) this.#report(this.#trace, outcome, length);
    return length;
  }

  #header(error: number, length: number): number {
    const { uniqueLo, uniqueHi } = this.#context.header;
    return encodeHeader(this.#reply.view, uniqueLo, uniqueHi, error, length);
  }

  #report(trace: (event: TraceEvent) => void, result: number, length: number): void {
    const { opcode, uniqueLo, uniqueHi, nodeid, uid, pid } = this.#context.header;
    trace({ name: operationName(opcode), uniqueLo, uniqueHi, nodeid, uid, pid, result, length });
  }

  #drop(what: string): number {
    this.#log(`dropped ${what}`);
    return 0;
  }

  #init(binding: Binding): number {
    if (this.#ready) return EIO;
    const request = binding.args[0] as View<typeof FuseInitIn>;
    binding.prepare(this.#reply);
    if (request.major > MAJOR) {
      // The reply says which major we speak; a kernel that can, sends INIT again with it.
      this.#initOut.major = MAJOR;
      this.#initOut.minor = NEWEST_MINOR;
      return 0;
    }
    if (request.major < MAJOR) return this.#refuse(EPROTO, `the kernel speaks FUSE ${request.major}`);
    const outcome = negotiate(this.#wishes, request, this.#initOut);
    if ("errno" in outcome) return this.#refuse(outcome.errno, outcome.reason);
    this.#agree(outcome);
    const result = binding.handler === undefined ? 0 : this.#call(binding);
    if (result === 0) return 0;
    this.#negotiated = undefined;
    this.#ready = false;
    return this.#refuse(replyableError(result), `by its handler (${result})`);
  }

  #agree(negotiated: Negotiated): void {
    this.#negotiated = negotiated;
    this.#ready = true;
    for (const binding of this.#bindings.values()) binding.agree(negotiated);
  }

  #refuse(errno: number, reason: string): number {
    this.#log(`INIT refused: ${reason}`);
    return errno;
  }
}
