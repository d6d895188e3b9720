/** Random and mutated requests: handle() never throws, and yields a reply the kernel accepts, or none. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Handlers, operations, type Row, replyBounds, rows, type Session } from "@bulkhead/fuse";
import { ready } from "./session-fixture.js";
import { bytesOf, cstring, request } from "./wire.js";

const { SEED: given } = process.env;
const SEED = Number(given ?? Date.now() % 2 ** 32);
const REQUESTS = 300_000;

/** mulberry32 */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
}

const EXPECTED = new Error("thrown on purpose");

/** Handlers that touch everything they are given, and answer all sorts of things. */
function handlers(next: () => number): Handlers {
  const results = [0, 0, 0, 1, 5, 4096, 1 << 30, -2, -38, -511, -512, -(2 ** 31), Number.NaN, 2 ** 53];
  const touch = (context: object, ...args: unknown[]): number => {
    for (const key of ["opcode", "nodeid", "uid", "securityContexts", "groups"]) Reflect.get(context, key);
    for (const arg of args) {
      if (arg instanceof Uint8Array) {
        if (arg.length > 0) arg[arg.length - 1];
      } else if (typeof arg === "object" && arg !== null && "add" in arg) {
        (arg as { add(...entry: unknown[]): boolean }).add(new Uint8Array(next() & 0xff), 1, 1, 1);
      } else if (typeof arg === "object" && arg !== null && "get" in arg) {
        const list = arg as { length: number; get(index: number): object };
        if (list.length > 0) Reflect.get(list.get(list.length - 1), "nodeidLo");
      } else for (const key in arg as object) Reflect.get(arg as object, key);
    }
    if ((next() & 63) === 0) throw EXPECTED;
    return results[next() % results.length] ?? 0;
  };
  return Object.fromEntries(rows.map(([name]) => [name, touch])) as Handlers;
}

/** A well-formed request for a row, without its structure's contents. */
function wellFormed({ opcode, struct, names, data }: Row): Buffer {
  return request(
    opcode,
    { unique: 2, nodeid: 1 },
    Buffer.alloc(struct?.size ?? 0),
    ...names.map(() => cstring("name")),
    data === undefined ? Buffer.alloc(0) : Buffer.alloc(16),
  );
}

function mutate(bytes: Buffer, next: () => number): void {
  const interesting = [0, 1, 7, 8, 16, 255, 4096, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
  for (let i = next() & 7; i > 0; i--) {
    const at = 4 * (next() % (bytes.length >> 2));
    if (at === 0 || at === 4) continue;
    bytes.writeUInt32LE((next() & 1 ? interesting[next() % interesting.length] : next()) ?? 0, at);
  }
  if ((next() & 3) === 0) bytes[next() % bytes.length] = next() & 0xff;
  if ((next() & 15) !== 0) bytes.writeUInt32LE(bytes.length, 0);
}

function checkReply(session: Session, message: Buffer, length: number, limits: ReadonlyMap<number, Row>): void {
  const wrong = (rule: string) => {
    assert.fail(`${rule}; SEED=${SEED}; request ${message.toString("hex")}`);
  };
  if (length === 0) return;
  const view = new DataView(session.reply.buffer);
  const error = view.getInt32(4, true);
  if (view.getUint32(0, true) !== length) wrong("len is not the length");
  if (error > 0 || error < -511) wrong(`error ${error}`);
  if (error !== 0 && length !== 16) wrong("an errno with a payload");
  if (view.getBigUint64(8, true) !== message.readBigUInt64LE(8)) wrong("unique is not echoed");
  if (view.getBigUint64(8, true) === 0n) wrong("a notification");
  const row = limits.get(message.readUInt32LE(4));
  if (error !== 0) return;
  if (row === undefined || row.answer === "never") assert.fail(`an answer where none belongs; SEED=${SEED}`);
  const named = row.tail?.limit;
  const field = typeof named === "string" ? row.struct?.offset[named] : undefined;
  const limit = field === undefined ? (typeof named === "number" ? named : 0) : message.readUInt32LE(40 + field);
  const { least, most } = replyBounds(row, limit);
  if (length - 16 < least || length - 16 > most) wrong(`payload of ${length - 16}, allowed ${least} to ${most}`);
}

test(`${REQUESTS} mutated and random requests, SEED=${SEED}`, { timeout: 60_000 }, (t) => {
  t.diagnostic(`SEED=${SEED}`);
  const next = random(SEED);
  const byOpcode = new Map<number, Row>(rows.map(([, row]) => [row.opcode, row]));
  const templates = rows.filter(([name]) => name !== "INIT").map(([, row]) => wellFormed(row));
  const create = bytesOf("fuse_create_in");
  for (const extension of ["1800000001000000", "1000000020000000"]) {
    const block = Buffer.concat([Buffer.from(extension, "hex"), Buffer.from("0100000000000000", "hex")]);
    templates.push(request(operations.CREATE.opcode, { total_extlen: 2 }, create, cstring("n"), block));
  }
  // A part that reaches outside its message throws in the handler, which the session would answer with EIO.
  const log = (line: string, error?: unknown) => {
    if (error !== undefined && error !== EXPECTED) assert.fail(`${line}: ${error}; SEED=${SEED}`);
  };
  const session = ready(handlers(next), { maxWrite: 4096, maxPages: 1, log });
  let answered = 0;
  let served = 0;
  for (let i = 0; i < REQUESTS; i++) {
    const template = templates[next() % templates.length] ?? Buffer.alloc(0);
    const message = Buffer.from(template.subarray(0, next() & 7 ? template.length : next() % (template.length + 1)));
    if (message.length >= 40) mutate(message, next);
    if ((next() & 31) === 0) for (let at = 8; at < message.length; at++) message[at] = next() & 0xff;
    let length = 0;
    try {
      length = session.handle(message);
    } catch (error) {
      assert.fail(`${error}; SEED=${SEED}; request ${message.toString("hex")}`);
    }
    checkReply(session, message, length, byOpcode);
    if (length > 0) answered++;
    if (length > 16) served++;
  }
  // The fuzz is worth something only while it reaches both sides of the decoder.
  assert.ok(answered > REQUESTS / 3 && served > REQUESTS / 100, `${answered} answered, ${served} with a payload`);
});
