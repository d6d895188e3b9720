/** The other side of the wire: requests encoded and replies decoded from the same rows, for hosts without a kernel. */
import type { AnyStruct, Values, View } from "@bulkhead/linux/struct";
import { type OperationName, type Operations, operations, type Row, replyBounds } from "./operations.js";
import { FuseInHeader, FuseOutHeader } from "./structs.js";

type StructValues<S> = S extends AnyStruct ? { readonly request?: Values<S> } : { readonly request?: undefined };
type NameValues<N extends readonly string[]> = N extends readonly []
  ? { readonly names?: undefined }
  : { readonly names: { readonly [I in keyof N]: Uint8Array } };

/** The parts of a request. Lengths of data are the caller's to state in `request`, as the kernel does. */
export type RequestParts<K extends OperationName> = StructValues<Operations[K]["struct"]> &
  NameValues<Operations[K]["names"]> & {
    /** Data after the names, lists included. */
    readonly data?: Uint8Array;
    /** Extension blocks, a multiple of 8 bytes. */
    readonly extensions?: Uint8Array;
  };

export type RequestHeader = Omit<Values<typeof FuseInHeader>, "len" | "opcode" | "total_extlen">;

/** Moved from message to message. */
const inHeader = FuseInHeader.view();
const outHeader = FuseOutHeader.view();

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Encodes a request at the start of `buffer` and returns its length. `structSize` sends less of the request's structure
 * than its row says (SETXATTR without SETXATTR_EXT: 8). Throws RangeError if the buffer is too small.
 */
export function encodeRequest<K extends OperationName>(
  buffer: Uint8Array,
  name: K,
  header: RequestHeader,
  parts: RequestParts<K>,
  structSize?: number,
): number {
  const row: Row = operations[name];
  const view = viewOf(buffer);
  let end = FuseInHeader.size;
  if (row.struct !== undefined) {
    const { struct } = row;
    buffer.fill(0, end, end + struct.size);
    if (parts.request !== undefined) struct.set(view, end, parts.request);
    end += structSize ?? struct.size;
  }
  for (const part of (parts.names ?? []) as readonly Uint8Array[]) {
    buffer.set(part, end);
    end += part.length;
    buffer.fill(0, end, ++end);
  }
  for (const part of [parts.data, parts.extensions]) {
    if (part === undefined) continue;
    buffer.set(part, end);
    end += part.length;
  }
  if (end > buffer.length) throw new RangeError(`${name} takes ${end} bytes`);
  FuseInHeader.write(view, 0, header);
  inHeader.at(view, 0);
  inHeader.len = end;
  inHeader.opcode = row.opcode;
  inHeader.total_extlen = (parts.extensions?.length ?? 0) / 8;
  return end;
}

type OutViews<O extends readonly AnyStruct[]> = { readonly [I in keyof O]: View<O[I]> };

/** A reply taken apart; views and windows stand on the given bytes. */
export interface DecodedReply<K extends OperationName> {
  /** 0 or a negative errno; an errno comes without parts. */
  readonly error: number;
  readonly uniqueLo: number;
  readonly uniqueHi: number;
  /** The fixed structures; empty on error, and where the reply is an xattr's length. */
  readonly out: OutViews<Operations[K]["out"]> | readonly [];
  /** The variable last part. For an xattr asked with size 0: the 8 bytes of getxattr_out. */
  readonly data: Uint8Array;
}

/**
 * Decodes the first `length` bytes of `reply`, the answer to a request for `name`. `limit` is what the request allowed
 * for the variable last part (`size`, `out_size`); 0 without. Returns undefined when the kernel would refuse it.
 */
export function decodeReply<K extends OperationName>(
  name: K,
  reply: Uint8Array,
  length: number,
  limit = 0,
): DecodedReply<K> | undefined {
  const row: Row = operations[name];
  if (row.answer === "never" || length < FuseOutHeader.size || length > reply.length) return undefined;
  const view = viewOf(reply);
  const { len, error, uniqueLo, uniqueHi } = outHeader.at(view, 0);
  const payload = length - FuseOutHeader.size;
  if (len !== length || error > 0 || error < -511 || (uniqueLo === 0 && uniqueHi === 0)) return undefined;
  if (error !== 0) {
    return payload === 0 ? { error, uniqueLo, uniqueHi, out: [], data: reply.subarray(0, 0) } : undefined;
  }
  const { least, most } = replyBounds(row, typeof row.tail?.limit === "number" ? row.tail.limit : limit);
  if (payload < least || payload > most) return undefined;

  const out: unknown[] = [];
  let at = FuseOutHeader.size;
  for (const struct of row.out) {
    if (row.tail?.kind === "short") {
      // Missing bytes are 0: the structure is completed in a copy.
      const whole = new Uint8Array(struct.size);
      whole.set(reply.subarray(at, length));
      out.push(struct.view().at(viewOf(whole), 0));
      at = length;
    } else {
      out.push(struct.view().at(view, at));
      at += struct.size;
    }
  }
  return { error, uniqueLo, uniqueHi, out: out as DecodedReply<K>["out"], data: reply.subarray(at, length) };
}
