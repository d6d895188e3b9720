/** Sessions that are past INIT. */
import assert from "node:assert/strict";
import { type Handlers, type InitOptions, type Negotiated, Session, type SessionOptions } from "@bulkhead/fuse";
import { bytesOf, request, type WireValues } from "./wire.js";

/** An INIT request as kernels from 7.36 on send it, offering everything. */
export function init(values: WireValues = {}, length = 64): Buffer {
  const body = bytesOf("fuse_init_in", {
    major: 7,
    minor: 45,
    max_readahead: 131072,
    flags: 0x7fff_ffff,
    flags2: 0x7ff,
    ...values,
  });
  return request(26, { unique: 2 }, body.subarray(0, length));
}

/** What a kernel of 7.45 and these options come to. */
export function negotiated(options: InitOptions = {}): Negotiated {
  const session = new Session({}, options);
  session.handle(init());
  assert.ok(session.negotiated);
  return session.negotiated;
}

export function ready(handlers: Handlers, options: SessionOptions = {}): Session {
  return new Session(handlers, { ...options, negotiated: negotiated(options) });
}

export function answer(session: Session, message: Buffer): Buffer {
  return Buffer.from(session.reply.subarray(0, session.handle(message)));
}
