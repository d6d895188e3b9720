/** Replies, and the tokens of those that come later. */
import { EIO, LOWEST_ERROR } from "./errno.js";
import { FuseOutHeader } from "./structs.js";

const HEADER = FuseOutHeader.size;

/**
 * The right to answer one request later, once. Plain data: it may be posted to another thread, which answers with
 * {@link encodeReply} and its own buffer.
 */
export interface DeferredReply {
  readonly opcode: number;
  readonly uniqueLo: number;
  readonly uniqueHi: number;
  /** Lengths that a successful reply's payload may have. */
  readonly least: number;
  readonly most: number;
  /** Set when the answer has been made: the next attempt yields nothing. */
  answered: boolean;
}

/** Writes an out header for a payload of `length` bytes; `error` ≤ 0 (or a notify code). Returns the whole length. */
export function encodeHeader(
  view: DataView,
  uniqueLo: number,
  uniqueHi: number,
  error: number,
  length: number,
): number {
  header.at(view, 0);
  header.len = HEADER + length;
  header.error = error;
  header.uniqueLo = uniqueLo;
  header.uniqueHi = uniqueHi;
  return HEADER + length;
}
const header = FuseOutHeader.view();

/** An errno the kernel takes: anything else of ours would make the write fail, and the caller wait for ever. */
export function replyableError(result: number): number {
  return Number.isInteger(result) && result >= LOWEST_ERROR && result < 0 ? result : EIO;
}

/** The errno that an error carries itself, 0 if it has none that can be replied. */
export function errnoOf(error: unknown): number {
  const errno: unknown = typeof error === "object" && error !== null ? Reflect.get(error, "errno") : undefined;
  const carried = typeof errno === "number" ? -Math.abs(errno) : 0;
  return replyableError(carried) === carried ? carried : 0;
}

/**
 * Encodes a deferred reply at the start of `reply` (which `view` covers): `result` is a negative errno, or 0 with the
 * whole payload. The payload may already lie at offset 16 of `reply` itself. A payload of a length the kernel would
 * refuse, or too long for the buffer, becomes EIO. Returns the bytes to write to the transport, 0 if already answered.
 */
export function encodeReply(
  reply: Uint8Array,
  view: DataView,
  token: DeferredReply,
  result: number,
  payload?: Uint8Array,
): number {
  if (token.answered) return 0;
  token.answered = true;
  const { uniqueLo, uniqueHi, least, most } = token;
  if (result !== 0) return encodeHeader(view, uniqueLo, uniqueHi, replyableError(result), 0);
  const length = payload?.length ?? 0;
  if (length < least || length > most || HEADER + length > reply.length) {
    return encodeHeader(view, uniqueLo, uniqueHi, EIO, 0);
  }
  if (payload !== undefined) reply.set(payload, HEADER);
  return encodeHeader(view, uniqueLo, uniqueHi, 0, length);
}
