/** The kernel's half of the protocol: asks a server, and waits for the answer. */
import { Errno, errnoName } from "@bulkhead/linux";
import type { View } from "@bulkhead/linux/struct";
import { type DecodedReply, decodeReply, encodeRequest, type RequestParts } from "../protocol/codec.js";
import { type DirectoryRecord, readRecords } from "../protocol/dirents.js";
import { InitFlag, type InitFlagName, ROOT_ID } from "../protocol/flags.js";
import { flagWords, hasFlag, IOMAP_MINOR, MAJOR, NEWEST_MINOR, OLDEST_MINOR } from "../protocol/init.js";
import { type OperationName, operationName, operations, type Row } from "../protocol/operations.js";
import { FuseEntryOut, FuseForgetOne, FuseInHeader, FuseOutHeader } from "../protocol/structs.js";
import type { ClientChannel } from "./channel.js";
import { type ConnectionLoss, FuseAnswerError, FuseConnectionError } from "./errors.js";
import { KnownNodes } from "./known-nodes.js";

/** On whose behalf a request is made. */
export interface Caller {
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
}

export interface ClientOptions {
  readonly channel: ClientChannel;
  /** What requests say who asks; default root, process 0. */
  readonly caller?: Caller;
  /** Milliseconds that a server may take for one request; default two minutes. Afterwards the connection is over. */
  readonly timeout?: number;
  /** Flags offered at INIT beside those that every client has. */
  readonly offer?: readonly InitFlagName[];
  /** Bytes of data in one message, either way, at most; default 128 KiB, what a SOCK_SEQPACKET socket takes as it comes. */
  readonly maxData?: number;
  readonly rootNode?: number;
}

/** What INIT settled. */
export interface Agreed {
  readonly minor: number;
  readonly flags: number;
  readonly flags2: number;
  /** Bytes of data in one WRITE at most. */
  readonly maxWrite: number;
  /** Granularity of timestamps in ns. */
  readonly timeGran: number;
}

/** Flags that say what this client can, whatever the server does with it. */
const CAPABLE: readonly InitFlagName[] = ["BIG_WRITES", "MAX_PAGES", "INIT_EXT", "SETXATTR_EXT", "DO_READDIRPLUS"];

/** Bytes beside data in a message: headers, structures, two names; an xattr of 64 KiB. */
const SLACK = 72 * 1024;
const DEFAULT_DATA = 128 * 1024;
const DEFAULT_TIMEOUT = 120_000;
const PAGE_SIZE = 4096;
/** Nodes that one BATCH_FORGET gives back. */
const FORGOTTEN_AT_ONCE = 1024;
/** Questions that are sent before their answers are read: a socket holds so many. */
const ASKED_AT_ONCE = 64;
/** The kernel's directories end where its patience does; ours after so many entries. */
const MOST_ENTRIES = 1 << 26;
/** Operations after which a directory may be elsewhere, or gone. */
const MOVES: ReadonlySet<string> = new Set<OperationName>(["RENAME", "RENAME2", "RMDIR"]);
/** unique numbers are even, as the kernel's: an INTERRUPT's is its request's and 1. */
const UNIQUE_STEP = 2;
const TWO_32 = 0x1_0000_0000;

const isEntry = (row: Row) => row.out[0] === FuseEntryOut;

/**
 * A connection to one server. Every call blocks until its answer is there; what an answer stands on is overwritten by the
 * next call. A server that ends, does not answer in time or answers what the kernel would refuse ends the connection:
 * that call and all later ones throw {@link FuseConnectionError}, and nothing waits for it any more.
 */
export class FuseClient {
  /** What the server has told of, and gets back. */
  readonly nodes: KnownNodes;
  /** Told of notifications, while room or an answer is waited for: the code and the payload, which stands on a buffer used again. */
  onNotify: ((code: number, payload: Uint8Array) => void) | undefined;
  /** On whose behalf requests are made that do not say so; may change from one to the next. */
  caller: Caller;
  readonly #channel: ClientChannel;
  readonly #timeout: number;
  readonly #offer: readonly InitFlagName[];
  readonly #maxData: number;
  readonly #rootNode: number;
  readonly #request: Uint8Array;
  readonly #reply: Uint8Array;
  readonly #replyView: DataView;
  readonly #header = FuseOutHeader.view();
  #unique = 0;
  #agreed: Agreed | undefined;
  #lost: FuseConnectionError | undefined;
  #moves = 0;
  /** Node and count, to go with the next BATCH_FORGET. */
  #forgotten: [nodeid: number, count: number][] = [];
  /** Answers that came while there was no room for further questions. */
  readonly #early: Uint8Array[] = [];

  constructor(options: ClientOptions) {
    this.#channel = options.channel;
    this.caller = options.caller ?? { uid: 0, gid: 0, pid: 0 };
    this.#timeout = options.timeout ?? DEFAULT_TIMEOUT;
    this.#offer = [...CAPABLE, ...(options.offer ?? [])];
    this.#maxData = options.maxData ?? DEFAULT_DATA;
    this.#rootNode = options.rootNode ?? ROOT_ID;
    this.nodes = new KnownNodes(this.#rootNode);
    this.#request = new Uint8Array(this.#maxData + SLACK);
    this.#reply = new Uint8Array(this.#maxData + SLACK);
    this.#replyView = new DataView(this.#reply.buffer);
  }

  /** What INIT settled. @throws FuseConnectionError before it */
  get agreed(): Agreed {
    if (this.#agreed === undefined) throw this.#lost ?? new FuseConnectionError("closed", "INIT was not sent yet");
    return this.#agreed;
  }

  /** Bytes of data that one READ may ask for. */
  get maxRead(): number {
    return this.#maxData;
  }

  /** Whether a flag was agreed on. */
  has(flag: InitFlagName): boolean {
    return hasFlag(this.agreed, flag);
  }

  /** Why there is no connection any more. */
  get loss(): FuseConnectionError | undefined {
    return this.#lost;
  }

  /** How many requests there were. */
  get requests(): number {
    return this.#unique / UNIQUE_STEP;
  }

  /** How many requests there were that remove or move directories: what was looked up before the last one may be elsewhere now. */
  get moves(): number {
    return this.#moves;
  }

  /** Whether the connection is there. */
  get isOpen(): boolean {
    return this.#lost === undefined;
  }

  /**
   * Negotiates; to be called first, once.
   *
   * @throws FuseAnswerError when the server refuses, FuseConnectionError when it speaks another protocol
   */
  init(): Agreed {
    const { flags, flags2 } = flagWords(this.#offer);
    const newest = this.#offer.includes("IOMAP") ? IOMAP_MINOR : NEWEST_MINOR;
    const { out } = this.request("INIT", 0, {
      request: { major: MAJOR, minor: newest, max_readahead: this.#maxData, flags, flags2 },
    });
    const [reply] = out;
    const major = reply?.major;
    const minor = reply?.minor ?? 0;
    if (reply === undefined || major !== MAJOR || minor < OLDEST_MINOR || minor > newest) {
      throw this.#lose("protocol", `the server speaks FUSE ${major}.${minor}, at least 7.${OLDEST_MINOR} is needed`);
    }
    // What was not offered was not agreed on, whatever the server says; its further flags count with INIT_EXT alone.
    const agreed = (flags & reply.flags) >>> 0;
    const extended = hasFlag({ flags: agreed, flags2: 0 }, "INIT_EXT") ? (flags2 & reply.flags2) >>> 0 : 0;
    const pages = ((agreed >>> InitFlag.MAX_PAGES) & 1) === 1 ? reply.max_pages : 32;
    this.#agreed = {
      minor,
      flags: agreed,
      flags2: extended,
      maxWrite: Math.min(this.#maxData, Math.max(PAGE_SIZE, Math.min(reply.max_write, pages * PAGE_SIZE))),
      timeGran: Math.min(Math.max(reply.time_gran, 1), 1_000_000_000),
    };
    return this.#agreed;
  }

  /**
   * Asks, and returns the answer, an errno among them (`error` is 0 or negative). Its parts stand on a buffer that the next
   * call overwrites.
   *
   * @param caller who asks, if somebody else than usual
   * @throws FuseConnectionError; RangeError for a request that no message takes
   */
  call<K extends OperationName>(
    name: K,
    nodeid: number,
    parts: RequestParts<K>,
    caller: Caller = this.caller,
  ): DecodedReply<K> {
    const row: Row = operations[name];
    this.#send(name, nodeid, parts, caller);
    const length = this.#receive(name, this.#unique, this.#unique);
    const limit = typeof row.tail?.limit === "string" ? fieldOf(parts.request, row.tail.limit) : 0;
    const reply = this.#decode(name, length, limit);
    if (reply.error === 0 && isEntry(row)) this.nodes.add((reply.out[0] as { readonly nodeid: number }).nodeid);
    return reply;
  }

  /**
   * Asks several small questions of a kind, and then waits for the answers: the server is woken once, not for each.
   *
   * @param each gets the index of a question, and its answer; the next one overwrites it
   * @throws as {@link call}
   */
  callAll<K extends OperationName>(
    name: K,
    questions: readonly { readonly nodeid: number; readonly parts: RequestParts<K> }[],
    each: (index: number, reply: DecodedReply<K>) => void,
  ): void {
    const start = this.#unique + UNIQUE_STEP;
    const isAnswered = new Set<number>();
    while (isAnswered.size < questions.length) {
      const asked = questions.slice(isAnswered.size, isAnswered.size + ASKED_AT_ONCE);
      const first = this.#unique + UNIQUE_STEP;
      for (const { nodeid, parts } of asked) this.#send(name, nodeid, parts, this.caller);
      const last = this.#unique;
      for (const due = isAnswered.size + asked.length; isAnswered.size < due; ) {
        const length = this.#receive(name, first, last);
        const { uniqueLo, uniqueHi } = this.#header.at(this.#replyView, 0);
        const index = (uniqueLo + uniqueHi * TWO_32 - start) / UNIQUE_STEP;
        if (isAnswered.has(index)) throw this.#lose("protocol", `the server answered one ${name} twice`);
        isAnswered.add(index);
        each(index, this.#decode(name, length, 0));
      }
    }
  }

  #decode<K extends OperationName>(name: K, length: number, limit: number): DecodedReply<K> {
    const reply = decodeReply(name, this.#reply, length, limit);
    if (reply === undefined) throw this.#lose("protocol", `the server's answer to ${name} breaks the protocol`);
    return reply;
  }

  /**
   * Passes on a request that somebody else has encoded: for who stands between a kernel and a server. What the answer tells of
   * nodes is theirs to give back, in a FORGET of their own.
   *
   * @param message its first `length` bytes; the number in it becomes one of ours
   * @returns the answer as it came, with the number of the request, on a buffer that the next call overwrites; without a byte
   *   for an operation that has none
   * @throws FuseConnectionError
   */
  relay(message: Uint8Array, length: number): Uint8Array {
    if (this.#lost !== undefined) throw this.#lost;
    const header = FuseInHeader.view(new DataView(message.buffer, message.byteOffset, length), 0);
    const { opcode, uniqueLo, uniqueHi } = header;
    const name = operationName(opcode);
    const row: Row | undefined = name in operations ? operations[name as OperationName] : undefined;
    this.#unique += UNIQUE_STEP;
    header.uniqueLo = this.#unique % TWO_32;
    header.uniqueHi = Math.floor(this.#unique / TWO_32);
    this.#transmit(name, message, length);
    if (row?.answer === "never") return this.#reply.subarray(0, 0);
    const received = this.#receive(name, this.#unique, this.#unique);
    const answer = this.#header.at(this.#replyView, 0);
    answer.uniqueLo = uniqueLo;
    answer.uniqueHi = uniqueHi;
    return this.#reply.subarray(0, received);
  }

  /** As {@link call}. @throws FuseAnswerError for an errno as well */
  request<K extends OperationName>(
    name: K,
    nodeid: number,
    parts: RequestParts<K>,
    caller: Caller = this.caller,
  ): DecodedReply<K> {
    const reply = this.call(name, nodeid, parts, caller);
    if (reply.error !== 0) throw new FuseAnswerError(name, reply.error);
    return reply;
  }

  /**
   * Lists a directory. `each` must not use the client; a record is overwritten after it.
   *
   * @param attributes whether with them, where the server gives them: it reads each inode for that
   * @throws FuseAnswerError; FuseConnectionError for records that the kernel would refuse, and a listing without an end
   */
  list(nodeid: number, each: (record: DirectoryRecord) => void, attributes = true): void {
    const plus = attributes && this.has("DO_READDIRPLUS");
    const name = plus ? "READDIRPLUS" : "READDIR";
    const request = { size: this.#maxData, offsetLo: 0, offsetHi: 0 };
    let entries = 0;
    for (;;) {
      const { data } = this.request(name, nodeid, { request });
      const { offsetLo, offsetHi } = request;
      let some = false;
      try {
        for (const record of readRecords(data, plus)) {
          some = true;
          entries++;
          request.offsetLo = record.nextLo;
          request.offsetHi = record.nextHi;
          if (record.entry !== undefined) this.nodes.add(record.entry.nodeid);
          each(record);
        }
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        throw this.#lose("protocol", `the server's listing of node ${nodeid} has ${error.message}`);
      }
      if (!some) return;
      if ((request.offsetLo === offsetLo && request.offsetHi === offsetHi) || entries > MOST_ENTRIES) {
        throw this.#lose("protocol", `the server's listing of node ${nodeid} has no end`);
      }
    }
  }

  /** Gives a node back: it is not used any more. The server hears of it with others, at the latest with {@link forget}. */
  release(nodeid: number): void {
    const count = this.nodes.take(nodeid);
    if (count === 0) return;
    this.#forgotten.push([nodeid, count]);
    if (this.#forgotten.length === FORGOTTEN_AT_ONCE) this.forget();
  }

  /** Tells the server of all nodes that were given back. It does not answer; nor does this fail where it is gone. */
  forget(): void {
    const all = this.#forgotten;
    if (all.length === 0) return;
    this.#forgotten = [];
    const data = new Uint8Array(all.length * FuseForgetOne.size);
    const view = new DataView(data.buffer);
    for (const [index, [nodeid, nlookup]] of all.entries()) {
      FuseForgetOne.write(view, index * FuseForgetOne.size, { nodeid, nlookup });
    }
    try {
      this.#send("BATCH_FORGET", 0, { request: { count: all.length }, data }, this.caller);
    } catch (error) {
      // A server that is gone knows no nodes; whoever asks it for something is told.
      if (!(error instanceof FuseConnectionError)) throw error;
    }
  }

  /**
   * Ends the connection in order: nodes are given back, the server brings everything home (DESTROY), and, with
   * `untilGone`, has let go of the socket, and of what it holds before that, when this returns.
   *
   * @throws FuseAnswerError for what the server could not bring home; the connection is closed all the same
   */
  destroy({ untilGone = false } = {}): void {
    if (this.#lost !== undefined) return;
    try {
      for (const nodeid of [...this.nodes.keys()]) this.release(nodeid);
      this.forget();
      const { error } = this.call("DESTROY", this.#rootNode, {});
      const until = performance.now() + this.#timeout;
      for (let left = this.#timeout; untilGone && left > 0; left = until - performance.now()) {
        if (this.#channel.receive(this.#reply, left) <= 0) break;
      }
      if (error !== 0 && error !== -Errno.ENOSYS) throw new FuseAnswerError("DESTROY", error);
    } finally {
      this.close();
    }
  }

  /** Closes the socket; the server takes that for an unmount. */
  close(): void {
    this.#lose("closed", "the connection was closed");
  }

  #send<K extends OperationName>(name: K, nodeid: number, parts: RequestParts<K>, caller: Caller): void {
    if (this.#lost !== undefined) throw this.#lost;
    this.#unique += UNIQUE_STEP;
    const row: Row = operations[name];
    const short = row.without !== undefined && !this.has(row.without.flag) ? row.without.size : undefined;
    const header = {
      ...caller,
      nodeid,
      uniqueLo: this.#unique % TWO_32,
      uniqueHi: Math.floor(this.#unique / TWO_32),
    };
    const length = encodeRequest(this.#request, name, header, parts, short);
    this.#transmit(name, this.#request, length);
  }

  /** Sends, and hears what the server has to say meanwhile: it may wait for that before it makes room. */
  #transmit(name: string, message: Uint8Array, length: number): void {
    if (MOVES.has(name)) this.#moves++;
    const until = performance.now() + this.#timeout;
    for (;;) {
      const failure = this.#channel.send(message, length, Math.max(0, until - performance.now()));
      if (failure === 0) return;
      if (failure !== -Errno.EAGAIN) throw this.#failed(failure, name);
      const heard = this.#channel.receive(this.#reply, 0);
      if (heard === -Errno.ETIMEDOUT) continue;
      this.#check(name, heard);
      if (this.#notified(heard)) continue;
      if (this.#early.length === ASKED_AT_ONCE)
        throw this.#lose("protocol", "the server answers more than it is asked");
      this.#early.push(this.#reply.slice(0, heard));
    }
  }

  /** Waits for a reply to one of our requests from `first` to `last`; what else comes is a notification, or an answer that nobody waits for. */
  #receive(name: string, first: number, last: number): number {
    const until = performance.now() + this.#timeout;
    for (;;) {
      const length = this.#next(until);
      const { uniqueLo, uniqueHi } = this.#check(name, length);
      const unique = uniqueLo + uniqueHi * TWO_32;
      if (unique >= first && unique <= last && unique % UNIQUE_STEP === 0) return length;
      this.#notified(length);
      // Who says other things all the time has not answered either.
      if (performance.now() >= until) throw this.#failed(-Errno.ETIMEDOUT, name);
    }
  }

  /** The next message, one that came early first. */
  #next(until: number): number {
    const early = this.#early.shift();
    if (early === undefined) return this.#channel.receive(this.#reply, Math.max(0, until - performance.now()));
    this.#reply.set(early);
    return early.length;
  }

  /** The header of a message of `length` bytes. @throws FuseConnectionError when there is none */
  #check(name: string, length: number): View<typeof FuseOutHeader> {
    if (length < 0) throw this.#failed(length, name);
    if (length < FuseOutHeader.size) throw this.#lose("protocol", `the server sent ${length} bytes for an answer`);
    const header = this.#header.at(this.#replyView, 0);
    if (header.len !== length) {
      throw this.#lose("protocol", `the server sent ${length} bytes that say that they are ${header.len}`);
    }
    return header;
  }

  /** Passes on the message in the buffer if it is a notification; whether it is. */
  #notified(length: number): boolean {
    const { uniqueLo, uniqueHi, error } = this.#header;
    if (uniqueLo !== 0 || uniqueHi !== 0) return false;
    this.onNotify?.(error, this.#reply.subarray(FuseOutHeader.size, length));
    return true;
  }

  #failed(failure: number, name: string): FuseConnectionError {
    switch (-failure) {
      case Errno.EPIPE:
        return this.#lose("gone", `the server ended before it answered ${name}`);
      case Errno.ETIMEDOUT:
        return this.#lose("stalled", `the server did not answer ${name} within ${this.#timeout / 1000} s`);
      default:
        return this.#lose("gone", `there is no way to the server for ${name}: ${errnoName(failure)}`);
    }
  }

  /** Ends the connection; the first reason stays. */
  #lose(loss: ConnectionLoss, message: string): FuseConnectionError {
    if (this.#lost === undefined) {
      this.#lost = new FuseConnectionError(loss, message);
      this.#channel.close();
    }
    return this.#lost;
  }
}

/** What a request's own structure says of how long its answer may be. */
function fieldOf(request: object | undefined, field: string): number {
  const value: unknown = request === undefined ? 0 : Reflect.get(request, field);
  return typeof value === "number" ? value : 0;
}
