import assert from "node:assert/strict";
import { test } from "node:test";
import { hasFlag, InitFlag, type InitFlagName, Session, type SessionOptions } from "@bulkhead/fuse";
import { answer, init } from "./session-fixture.js";
import { bytesOf, reply, request } from "./wire.js";

const DEFAULTS = 0x1 | 0x8 | 0x20 | 0x1000 | 0x8000 | 0x40000 | 0x400000 | 0x20000000 | 0x40000000;

function negotiate(message: Buffer, options: SessionOptions = {}): { session: Session; bytes: Buffer; log: string[] } {
  const log: string[] = [];
  const session = new Session({}, { log: (line) => log.push(line), ...options });
  return { session, bytes: answer(session, message), log };
}

for (const [kernel, spoken] of [
  [31, 31],
  [34, 34],
  [36, 36],
  [45, 45],
  [99, 45],
] as const) {
  test(`a kernel of 7.${kernel} is answered with 7.${spoken} and the defaults`, () => {
    const extended = kernel >= 36;
    const flags = extended ? 0x7fff_ffff : 0x3fff_ffff;
    const message = init({ minor: kernel, flags }, extended ? 64 : 16);
    const { session, bytes } = negotiate(message);
    const golden = bytesOf("fuse_init_out", {
      major: 7,
      minor: spoken,
      max_readahead: 131072,
      flags: (DEFAULTS & flags) >>> 0,
      max_write: 1 << 20,
      time_gran: 1,
      max_pages: 256,
    });
    assert.deepEqual(bytes, reply(2n, 0, golden));
    assert.equal(session.negotiated?.minor, spoken);
    assert.equal(session.negotiated?.kernelMinor, kernel);
  });
}

test("a kernel of 7.30 is refused with EPROTO, and then nothing is served", () => {
  const { session, bytes, log } = negotiate(init({ minor: 30 }, 16));
  assert.deepEqual(bytes, reply(2n, -71));
  assert.match(log[0] ?? "", /7\.30.*7\.31/);
  assert.equal(session.negotiated, undefined);
  assert.deepEqual(answer(session, request(34, { unique: 4 }, bytesOf("fuse_access_in"))), reply(4n, -5));
});

test("major 8 is answered with major 7, and a second INIT then succeeds", () => {
  const { session, bytes } = negotiate(init({ major: 8, minor: 0 }));
  assert.equal(bytes.length, 80);
  assert.deepEqual([bytes.readInt32LE(4), bytes.readUInt32LE(16)], [0, 7]);
  assert.equal(session.negotiated?.minor, undefined);
  assert.equal(answer(session, init()).readInt32LE(4), 0);
  assert.equal(session.negotiated?.minor, 45);
});

test("major 6 is refused with EPROTO", () => {
  const { session, bytes } = negotiate(init({ major: 6 }));
  assert.deepEqual(bytes, reply(2n, -71));
  assert.equal(session.negotiated, undefined);
});

test("every option lands in its field", () => {
  const { session, bytes } = negotiate(init(), {
    want: ["PASSTHROUGH", "REQUEST_TIMEOUT", "POSIX_ACL"],
    maxWrite: 65536,
    maxPages: 17,
    maxReadahead: 5000,
    timeGran: 100,
    maxBackground: 64,
    congestionThreshold: 48,
    maxStackDepth: 2,
    requestTimeout: 30,
  });
  const golden = bytesOf("fuse_init_out", {
    major: 7,
    minor: 45,
    max_readahead: 5000,
    flags: DEFAULTS | 0x100000,
    max_background: 64,
    congestion_threshold: 48,
    max_write: 65536,
    time_gran: 100,
    max_pages: 17,
    flags2: (1 << 5) | (1 << 10),
    max_stack_depth: 2,
    request_timeout: 30,
  });
  assert.deepEqual(bytes, reply(2n, 0, golden));
  const { negotiated } = session;
  assert.ok(negotiated);
  assert.equal(hasFlag(negotiated, "PASSTHROUGH"), true);
  assert.equal(hasFlag(negotiated, "WRITEBACK_CACHE"), false);
});

test("a flag that was not offered is never replied", () => {
  // PASSTHROUGH and WRITEBACK_CACHE exclude each other.
  const unwanted = ["INIT_RESERVED", "WRITEBACK_CACHE"];
  const all = (Object.keys(InitFlag) as InitFlagName[]).filter((name) => !unwanted.includes(name));
  for (const offered of [0, 0x4000_0000, 0x4000_1001, 0x1]) {
    const { bytes } = negotiate(init({ flags: offered, flags2: 0x25 }), { want: all, maxStackDepth: 1 });
    assert.equal(bytes.readUInt32LE(16 + 12), offered);
    assert.equal(bytes.readUInt32LE(16 + 32), offered & 0x4000_0000 ? 0x25 : 0);
    assert.equal(bytes.readUInt32LE(16 + 36), offered & 0x4000_0000 ? 1 : 0);
  }
});

test("flags2 is not read without INIT_EXT, and brings INIT_EXT along", () => {
  const without = negotiate(init({ flags: 1, flags2: 0xffff_ffff }), { want: ["SECURITY_CTX"] });
  assert.equal(without.bytes.readUInt32LE(16 + 32), 0);
  const dropped = negotiate(init(), { want: ["SECURITY_CTX"], without: ["INIT_EXT"] });
  assert.equal(dropped.bytes.readUInt32LE(16 + 12) & 0x4000_0000, 0x4000_0000);
  assert.equal(dropped.bytes.readUInt32LE(16 + 32), 1);
});

test("a required flag that is not offered fails INIT and is named", () => {
  const { bytes, log } = negotiate(init({ flags: 1 }, 16), { required: ["POSIX_LOCKS", "ASYNC_READ", "HAS_RESEND"] });
  assert.deepEqual(bytes, reply(2n, -71));
  assert.match(log[0] ?? "", /POSIX_LOCKS, HAS_RESEND/);
});

test("7.99 is spoken only when IOMAP is agreed on", () => {
  const offer = { minor: 99, flags2: 0xfff };
  assert.equal(negotiate(init(offer), { want: ["IOMAP"] }).session.negotiated?.minor, 99);
  assert.equal(negotiate(init(offer)).session.negotiated?.minor, 45);
  assert.equal(negotiate(init({ minor: 99 }), { want: ["IOMAP"] }).session.negotiated?.minor, 45);
});

test("an INIT shorter than its minor and major is malformed; a longer one than we know is not", () => {
  assert.deepEqual(negotiate(init({}, 4)).bytes, reply(2n, -5));
  const longer = request(26, {}, bytesOf("fuse_init_in", { major: 7, minor: 45, flags: 1 }), Buffer.alloc(64, 0xff));
  assert.equal(negotiate(longer).bytes.readInt32LE(4), 0);
});

test("a second INIT on a running connection is refused and changes nothing", () => {
  const { session } = negotiate(init());
  const before = session.negotiated;
  assert.deepEqual(answer(session, init({ minor: 31 })), reply(2n, -5));
  assert.equal(session.negotiated, before);
});

test("an INIT handler sees the reply and may refuse", () => {
  let minor = 0;
  const session = new Session({
    INIT: (_context, _request, out) => {
      minor = out.minor;
      return -1;
    },
  });
  assert.deepEqual(answer(session, init()), reply(2n, -1));
  assert.equal(minor, 45);
  assert.equal(session.negotiated, undefined);
});

test("a session may take over a connection whose INIT was answered before", () => {
  const first = negotiate(init()).session.negotiated;
  assert.ok(first);
  const session = new Session({ ACCESS: () => 0 }, { negotiated: structuredClone(first) });
  assert.deepEqual(answer(session, request(34, {}, bytesOf("fuse_access_in"))), reply(2n, 0));
});

test("options out of range are refused at once", () => {
  const wrong: SessionOptions[] = [
    { maxWrite: 100 },
    { maxPages: 0 },
    { maxPages: 65536 },
    { timeGran: 0 },
    { timeGran: 2e9 },
    { maxStackDepth: 3 },
    { requestTimeout: 1.5 },
    { maxBackground: -1 },
    { want: ["PASSTHROUGH"] },
  ];
  for (const options of wrong) assert.throws(() => new Session({}, options), RangeError, JSON.stringify(options));
});

test("CUSE: a session without INIT serves after CUSE_INIT", () => {
  const session = new Session({
    CUSE_INIT: (_context, _request, out, window) => {
      out.major = 7;
      window.set(Buffer.from("DEVNAME=null\0"));
      return 13;
    },
    READ: () => 0,
  });
  const read = request(15, { unique: 4 }, bytesOf("fuse_read_in"));
  assert.deepEqual(answer(session, read), reply(4n, -5));
  assert.equal(answer(session, request(4096, {}, bytesOf("cuse_init_in"))).length, 16 + 72 + 13);
  assert.deepEqual(answer(session, read), reply(4n, 0));
});
