/** A row of the table compiled for one session: decodes requests into arguments and sizes the reply. */
import type { AnyStruct, Positioned } from "@bulkhead/linux/struct";
import type { Context } from "./context.js";
import { DirentPlusWriter, DirentWriter } from "./dirents.js";
import { EIO, ENOSYS, ERANGE } from "./errno.js";
import { hasFlag, type Negotiated } from "./init.js";
import { StructList } from "./list.js";
import { fixedReply, type Handlers, type OperationName, type Row, rows } from "./operations.js";
import { FuseGetxattrOut, FuseInHeader, FuseOutHeader, FuseRemovemappingIn } from "./structs.js";

const EMPTY = new Uint8Array(0);
const REQUEST = FuseInHeader.size;
const REPLY = FuseOutHeader.size;
const getxattrOut = FuseGetxattrOut.view();
/** Every length field is a u32; this structure is one. */
const lengthField = FuseRemovemappingIn.view();

/** Where the length of a variable part stands: at `offset` of the request's structure, or fixed. */
interface Length {
  readonly offset: number;
  readonly fixed: number;
}

function lengthOf(struct: AnyStruct | undefined, length: string | number): Length {
  if (typeof length === "number") return { offset: -1, fixed: length };
  const offset = struct?.offset[length];
  if (offset === undefined) throw new TypeError(`no field ${length}`);
  return { offset, fixed: 0 };
}

/** Throughput counters of one operation. */
export interface OperationStatistics {
  readonly name: OperationName;
  readonly requests: number;
  readonly errors: number;
}

/** One reply buffer and the view over it. */
export class ReplyBuffer {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  constructor(capacity: number) {
    this.bytes = new Uint8Array(capacity);
    this.view = new DataView(this.bytes.buffer);
  }
}

/** A handler as the dispatcher sees it: its arguments are the ones {@link Binding} makes from the same row. */
type AnyHandler = (context: Context, ...args: unknown[]) => number;

/** A binding for every row, by opcode. */
export function bindings(handlers: Handlers, reply: ReplyBuffer): ReadonlyMap<number, Binding> {
  return new Map(
    rows.map(([name, row]) => {
      const handler = handlers[name] as AnyHandler | undefined;
      // Handlers may be methods of an object: bound once here, not looked up per request.
      return [row.opcode, new Binding(name, row, handler?.bind(handlers), reply)];
    }),
  );
}

export class Binding {
  readonly name: OperationName;
  readonly row: Row;
  readonly handler: AnyHandler | undefined;
  /** The handler's arguments after the context; the views in it are placed once. */
  readonly args: unknown[];
  requests = 0;
  errors = 0;
  /** Bytes of the reply's fixed structures. */
  readonly fixed: number;
  /** Size of the request's structure on this connection; {@link agree} settles it. */
  structSize: number;
  /** Limit of the reply's variable part in the current request. */
  limit = 0;
  readonly #struct: Positioned | undefined;
  /** Where a structure that arrived short is completed with zeros; empty for rows whose structure never does. */
  readonly #scratch: Uint8Array;
  readonly #scratchView: DataView;
  readonly #names: number;
  readonly #nameSlot: number;
  readonly #data: Length | undefined;
  readonly #list: StructList<AnyStruct> | undefined;
  readonly #stride: number;
  readonly #limit: Length | undefined;
  readonly #tailSlot: number;
  readonly #writer: DirentWriter | DirentPlusWriter | undefined;
  #window: Uint8Array = EMPTY;

  constructor(name: OperationName, row: Row, handler: AnyHandler | undefined, reply: ReplyBuffer) {
    this.name = name;
    this.row = row;
    this.handler = handler;
    this.fixed = fixedReply(row);
    this.structSize = row.struct?.size ?? 0;
    this.#struct = row.struct?.view();
    this.#scratch = new Uint8Array(row.shortest === undefined && row.without === undefined ? 0 : this.structSize);
    this.#scratchView = new DataView(this.#scratch.buffer);
    this.args = this.#struct === undefined ? [] : [this.#struct];
    this.#names = row.names.length;
    this.#nameSlot = this.args.length;
    for (const _ of row.names) this.args.push(EMPTY);
    this.#data = row.data && lengthOf(row.struct, row.data.length);
    this.#stride = row.data?.kind === "list" ? row.data.struct.size : 1;
    this.#list = row.data?.kind === "list" ? new StructList(row.data.struct) : undefined;
    if (row.data !== undefined) this.args.push(this.#list ?? EMPTY);
    let at = REPLY;
    for (const struct of row.out) {
      this.args.push(struct.view().at(reply.view, at));
      at += struct.size;
    }
    const kind = row.tail?.kind;
    this.#limit = row.tail && kind !== "short" ? lengthOf(row.struct, row.tail.limit) : undefined;
    this.#tailSlot = this.args.length;
    this.#writer =
      kind === "dirents" ? new DirentWriter() : kind === "direntsplus" ? new DirentPlusWriter() : undefined;
    if (this.#limit !== undefined) this.args.push(this.#writer ?? EMPTY);
  }

  /** Takes up what INIT settled. */
  agree(negotiated: Negotiated): void {
    const { struct, without } = this.row;
    if (without !== undefined && struct !== undefined) {
      this.structSize = hasFlag(negotiated, without.flag) ? struct.size : without.size;
    }
  }

  /**
   * Decodes the body [40, end) of a request into {@link args}. Returns false if a part is short, unterminated or
   * followed by bytes that belong to nothing.
   */
  decode(request: Uint8Array, view: DataView, end: number): boolean {
    let at = REQUEST;
    let structAt = at;
    let structView = view;
    if (this.#struct !== undefined) {
      const there = end - at;
      const shortest = this.row.shortest;
      const size = shortest === undefined ? this.structSize : Math.min(there, this.structSize);
      if (size > there || size < (shortest ?? 0)) return false;
      if (size < this.#scratch.length) {
        this.#scratch.fill(0);
        this.#scratch.set(request.subarray(at, at + size));
        structView = this.#scratchView;
        structAt = 0;
      }
      at = shortest === undefined ? at + size : end;
      this.#struct.at(structView, structAt);
    }
    for (let i = 0; i < this.#names; i++) {
      let nul = at;
      while (nul < end && request[nul] !== 0) nul++;
      if (nul >= end) return false;
      this.args[this.#nameSlot + i] = request.subarray(at, nul);
      at = nul + 1;
    }
    if (this.#data !== undefined) {
      const count = this.#length(this.#data, structView, structAt);
      if (count * this.#stride !== end - at) return false;
      if (this.#list !== undefined) this.#list.position(view, at, count);
      else this.args[this.#nameSlot + this.#names] = request.subarray(at, end);
      at = end;
    }
    this.limit = this.#limit === undefined ? 0 : this.#length(this.#limit, structView, structAt);
    return at === end;
  }

  /** Zeroes the reply's structures and opens its window. Returns 0, or a negative errno. */
  prepare(reply: ReplyBuffer): number {
    if (this.fixed > 0) reply.bytes.fill(0, REPLY, REPLY + this.fixed);
    const tail = this.row.tail;
    if (tail === undefined || this.#limit === undefined) return 0;
    const start = REPLY + this.fixed;
    const room = reply.bytes.length - start;
    if (this.limit > room) {
      if (tail.kind === "exact") return EIO;
      this.limit = room;
    }
    if (this.#writer !== undefined) this.#writer.position(reply.bytes, reply.view, start, this.limit);
    else {
      // Sequential requests have one size: the window is made once for all of them.
      if (this.#window.length !== this.limit) this.#window = reply.bytes.subarray(start, start + this.limit);
      this.args[this.#tailSlot] = this.#window;
    }
    return 0;
  }

  /** Bytes after the out header for a handler's result ≥ 0, or a negative errno if that is no length of the variable part. */
  payload(result: number, reply: ReplyBuffer): number {
    const tail = this.row.tail;
    // A length where nothing is of variable length was meant for a field of the reply, which is 0: a WRITE would begin again for ever.
    if (tail === undefined || tail.kind === "short") return result === 0 ? this.fixed : EIO;
    if (this.#writer !== undefined) return this.#writer.length;
    if (tail.kind === "value" && this.limit === 0) {
      getxattrOut.at(reply.view, REPLY);
      getxattrOut.size = result;
      getxattrOut.padding = 0;
      return FuseGetxattrOut.size;
    }
    if (result <= this.limit) return this.fixed + result;
    return tail.kind === "value" ? ERANGE : EIO;
  }

  /** Calls the handler with the arguments last decoded; spelled out by count, since spreading them costs more. */
  call(context: Context): number {
    const handler = this.handler;
    const args = this.args;
    if (handler === undefined) return ENOSYS;
    switch (args.length) {
      case 0:
        return handler(context);
      case 1:
        return handler(context, args[0]);
      case 2:
        return handler(context, args[0], args[1]);
      case 3:
        return handler(context, args[0], args[1], args[2]);
      default:
        return handler(context, ...args);
    }
  }

  #length(length: Length, structView: DataView, structAt: number): number {
    if (length.offset < 0) return length.fixed;
    lengthField.at(structView, structAt + length.offset);
    return lengthField.count;
  }
}
