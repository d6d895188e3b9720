/** Whole-message lengths: the test vectors of the FUSE ABI reference, as numbers, and its rules of reply length. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  DEFERRED,
  type DeferredReply,
  decodeReply,
  encodeRequest,
  type Handlers,
  type OperationName,
  operations,
  type RequestParts,
  Session,
} from "@bulkhead/fuse";
import { answer, init, negotiated, ready } from "./session-fixture.js";
import { bytesOf, cstring, reply, request, text } from "./wire.js";

const NAME = text("four");
const OTHER = text("sixsix");
const DATA = new Uint8Array(10);
type Parts = { request?: object; names?: Uint8Array[]; data?: Uint8Array };

/** n = 4, o or t = 6, v = 10, k = 2. Reply −1: none. */
const VECTORS: readonly [OperationName, Parts, request: number, reply: number, result?: number][] = [
  ["LOOKUP", { names: [NAME] }, 41 + 4, 144],
  ["FORGET", {}, 48, -1],
  ["BATCH_FORGET", { request: { count: 2 }, data: new Uint8Array(32) }, 48 + 32, -1],
  ["GETATTR", {}, 56, 120],
  ["SETATTR", {}, 128, 120],
  ["STATX", {}, 64, 304],
  ["READLINK", {}, 40, 16 + 10, 10],
  ["SYMLINK", { names: [NAME, OTHER] }, 42 + 4 + 6, 144],
  ["MKNOD", { names: [NAME] }, 57 + 4, 144],
  ["MKDIR", { names: [NAME] }, 49 + 4, 144],
  ["UNLINK", { names: [NAME] }, 41 + 4, 16],
  ["RMDIR", { names: [NAME] }, 41 + 4, 16],
  ["RENAME", { names: [OTHER, NAME] }, 50 + 6 + 4, 16],
  ["RENAME2", { names: [OTHER, NAME] }, 58 + 6 + 4, 16],
  ["LINK", { names: [NAME] }, 49 + 4, 144],
  ["OPEN", {}, 48, 32],
  ["OPENDIR", {}, 48, 32],
  ["CREATE", { names: [NAME] }, 57 + 4, 160],
  ["TMPFILE", { names: [NAME] }, 57 + 4, 160],
  ["READ", { request: { size: 100 } }, 80, 16 + 10, 10],
  ["READDIR", { request: { size: 100 } }, 80, 16],
  ["READDIRPLUS", { request: { size: 100 } }, 80, 16],
  ["WRITE", { request: { size: 10 }, data: DATA }, 80 + 10, 24],
  ["DESTROY", {}, 40, 16],
  ["RELEASE", {}, 64, 16],
  ["RELEASEDIR", {}, 64, 16],
  ["FLUSH", {}, 64, 16],
  ["FSYNC", {}, 56, 16],
  ["FSYNCDIR", {}, 56, 16],
  ["STATFS", {}, 40, 96],
  ["SETXATTR", { request: { size: 10 }, names: [NAME], data: DATA }, 57 + 4 + 10, 16],
  ["GETXATTR", { names: [NAME] }, 49 + 4, 24, 10],
  ["GETXATTR", { request: { size: 10 }, names: [NAME] }, 49 + 4, 16 + 10, 10],
  ["LISTXATTR", {}, 48, 24, 10],
  ["LISTXATTR", { request: { size: 100 } }, 48, 16 + 10, 10],
  ["REMOVEXATTR", { names: [NAME] }, 41 + 4, 16],
  ["GETLK", {}, 88, 40],
  ["SETLK", {}, 88, 16],
  ["SETLKW", {}, 88, 16],
  ["ACCESS", {}, 48, 16],
  ["BMAP", {}, 56, 24],
  ["IOCTL", { request: { in_size: 10, out_size: 10 }, data: DATA }, 72 + 10, 32 + 10, 10],
  ["POLL", {}, 64, 24],
  ["FALLOCATE", {}, 72, 16],
  ["LSEEK", {}, 64, 24],
  ["COPY_FILE_RANGE", {}, 96, 24],
  ["COPY_FILE_RANGE_64", {}, 96, 24],
  ["SYNCFS", {}, 48, 16],
  ["INTERRUPT", {}, 48, -1],
  ["INTERRUPT", {}, 48, 16, -11],
  ["NOTIFY_REPLY", { request: { size: 10 }, data: DATA }, 80 + 10, -1],
  ["IOMAP_BEGIN", {}, 72, 80],
  ["IOMAP_END", {}, 112, 16],
  ["IOMAP_IOEND", {}, 88, 24],
  ["IOMAP_CONFIG", {}, 104, 120],
  ["FREEZE_FS", {}, 48, 16],
  ["UNFREEZE_FS", {}, 40, 16],
  ["SHUTDOWN_FS", {}, 48, 16],
];

for (const [name, parts, requestLength, replyLength, result = 0] of VECTORS) {
  test(`${name}: request ${requestLength}, reply ${replyLength < 0 ? "none" : replyLength}`, () => {
    const buffer = new Uint8Array(256);
    // The parts are typed per operation; this table is not.
    const length = encodeRequest(buffer, name, { uniqueLo: 2 }, parts as unknown as RequestParts<"DESTROY">);
    assert.equal(length, requestLength);
    const session = ready({ [name]: () => result } as Handlers);
    assert.equal(session.handle(buffer, length), Math.max(0, replyLength));
    // One byte less or more is not this message.
    for (const wrong of [length - 1, length + 1]) {
      new DataView(buffer.buffer).setUint32(0, wrong, true);
      const refused = operations[name].answer === "never" || wrong < 40 ? 0 : 16;
      assert.equal(session.handle(buffer, wrong), refused, `${wrong} bytes`);
    }
  });
}

test("INIT: request 104, reply 80", () => {
  const message = init();
  assert.equal(message.length, 104);
  assert.equal(new Session({}).handle(message), 80);
});

test("SETXATTR without SETXATTR_EXT: request 49 + n + v, and its flags read as 0", () => {
  let seen: number[] = [];
  const session = ready(
    {
      SETXATTR: (_context, { size, flags, setxattr_flags }, name, value) => {
        seen = [size, flags, setxattr_flags, name.length, value.length];
        return 0;
      },
    },
    { without: ["SETXATTR_EXT"] },
  );
  const head = bytesOf("fuse_setxattr_in", { size: 3, flags: 1 }).subarray(0, 8);
  const message = request(21, {}, head, cstring("user.a"), text("abc"));
  assert.equal(message.length, 49 + 6 + 3);
  assert.deepEqual(answer(session, message), reply(2n, 0));
  assert.deepEqual(seen, [3, 1, 0, 6, 3]);
});

test("a variable last part may be empty, may be full, and never leaves longer", () => {
  for (const [result, expected] of [
    [0, 16],
    [100, 116],
    [101, 16],
  ] as const) {
    const session = ready({ READ: () => result });
    const got = answer(session, request(15, {}, bytesOf("fuse_read_in", { size: 100 })));
    assert.equal(got.length, expected);
    if (result > 100) assert.deepEqual(got, reply(2n, -5));
  }
});

test("an xattr that is longer than the caller's buffer is ERANGE", () => {
  const session = ready({ GETXATTR: () => 11 });
  const message = request(22, {}, bytesOf("fuse_getxattr_in", { size: 10 }), cstring("user.a"));
  assert.deepEqual(answer(session, message), reply(2n, -34));
});

test("an xattr asked with size 0 answers the length wanted", () => {
  const session = ready({ LISTXATTR: (_context, _request, window) => (window.length === 0 ? 70000 : -5) });
  const message = request(23, {}, bytesOf("fuse_getxattr_in"));
  assert.deepEqual(answer(session, message), reply(2n, 0, bytesOf("fuse_getxattr_out", { size: 70000 })));
});

test("a READ larger than was negotiated is refused, not answered short", () => {
  const session = ready({ READ: () => assert.fail() }, { maxWrite: 4096, maxPages: 1 });
  const message = request(15, {}, bytesOf("fuse_read_in", { size: 1 << 30 }));
  assert.deepEqual(answer(session, message), reply(2n, -5));
});

test("a READ of 32 pages is answered where MAX_PAGES was not agreed on", () => {
  const size = 32 * 4096;
  const session = ready(
    { READ: (_context, _request, window) => window.length },
    { maxWrite: 4096, without: ["MAX_PAGES"] },
  );
  assert.equal(session.negotiated?.maxPages, 32);
  assert.equal(answer(session, request(15, {}, bytesOf("fuse_read_in", { size }))).length, 16 + size);
});

test("what is neither an errno nor a length becomes EIO", () => {
  for (const [n, result] of [
    -512,
    -4095,
    Number.NaN,
    0.5,
    Number.NEGATIVE_INFINITY,
    undefined as unknown as number,
    Symbol("no number") as unknown as number,
    Object.create(null) as number,
    Promise.resolve(0) as unknown as number,
    DEFERRED,
    1,
  ].entries()) {
    const logged: string[] = [];
    const session = ready({ ACCESS: () => result }, { log: (line) => logged.push(line) });
    assert.deepEqual(answer(session, request(34, {}, bytesOf("fuse_access_in"))), reply(2n, -5), `result ${n}`);
    assert.equal(logged.length, 1);
  }
});

test("what a handler throws becomes the errno that toErrno says, and is logged", () => {
  const boom = new Error("boom");
  const message = request(34, {}, bytesOf("fuse_access_in"));
  const logged: unknown[] = [];
  const fails: Handlers = {
    ACCESS: () => {
      throw boom;
    },
  };
  assert.deepEqual(answer(ready(fails, { log: (_line, error) => logged.push(error) }), message), reply(2n, -5));
  assert.deepEqual(logged, [boom]);
  assert.deepEqual(answer(ready(fails, { toErrno: () => 117 }), message), reply(2n, -117));
  assert.deepEqual(answer(ready(fails, { toErrno: () => 9999 }), message), reply(2n, -5));
  const throws = () => {
    throw new Error("worse");
  };
  assert.deepEqual(answer(ready(fails, { toErrno: throws }), message), reply(2n, -5));
});

test("a thrown error that carries an errno is an answer, and not logged", () => {
  const logged: string[] = [];
  const thrown = (errno: number) =>
    ready(
      {
        ACCESS: () => {
          throw Object.assign(new Error("no such file"), { errno });
        },
      },
      { log: (line) => logged.push(line) },
    );
  const message = request(34, {}, bytesOf("fuse_access_in"));
  assert.deepEqual(answer(thrown(-2), message), reply(2n, -2));
  assert.deepEqual(answer(thrown(28), message), reply(2n, -28));
  assert.deepEqual(logged, []);
  assert.deepEqual(answer(thrown(-4095), message), reply(2n, -5), "what the kernel does not take is no errno");
  assert.equal(logged.length, 1);
});

test("a length that its reply does not hold is EIO, and logged", () => {
  const logged: string[] = [];
  const handlers: Handlers = {
    READ: (_context, _request, window) => window.length + 1,
    WRITE: (_context, _request, data) => data.length,
  };
  const session = ready(handlers, { log: (line) => logged.push(line) });
  assert.deepEqual(answer(session, request(15, {}, bytesOf("fuse_read_in", { size: 8 }))), reply(2n, -5));
  const write = Buffer.concat([bytesOf("fuse_write_in", { size: 5 }), text("hello")]);
  assert.deepEqual(
    answer(session, request(16, {}, write)),
    reply(2n, -5),
    "write(2) of 0 bytes would be tried for ever",
  );
  assert.deepEqual(
    logged.map((line) => line.split(" ").slice(0, 3).join(" ")),
    ["READ returned 9,", "WRITE returned 5,"],
  );
});

test("a deferred request is answered once, later, under its own id", () => {
  let token: DeferredReply | undefined;
  const session = ready({
    READ: (context) => {
      token = context.defer();
      return DEFERRED;
    },
    ACCESS: () => 0,
  });
  const unique = 0x8000_0000_0000_0004n;
  assert.equal(session.handle(request(15, { unique }, bytesOf("fuse_read_in", { size: 8 }))), 0);
  assert.ok(token);
  const first = token;
  assert.equal(session.handle(request(34, { unique: 6 }, bytesOf("fuse_access_in"))), 16);
  assert.equal(session.complete(first, 0, text("late")), 20);
  assert.deepEqual(Buffer.from(session.reply.subarray(0, 20)), reply(unique, 0, text("late")));
  assert.equal(session.complete(first, 0, text("late")), 0);

  session.handle(request(15, { unique: 8 }, bytesOf("fuse_read_in", { size: 8 })));
  assert.equal(session.complete(token, 0, new Uint8Array(9)), 16);
  assert.deepEqual(Buffer.from(session.reply.subarray(0, 16)), reply(8n, -5));
});

test("a handler that answers after all takes its token back", () => {
  let token: DeferredReply | undefined;
  const session = ready({
    ACCESS: (context) => {
      token = context.defer();
      return 0;
    },
  });
  assert.deepEqual(answer(session, request(34, {}, bytesOf("fuse_access_in"))), reply(2n, 0));
  assert.ok(token);
  assert.equal(session.complete(token, -5), 0);
});

test("replies of a wrong length or shape are refused as the kernel refuses them", () => {
  const entry = Buffer.alloc(128);
  const refused: [string, OperationName, Buffer, number?][] = [
    ["an errno with a payload", "LOOKUP", reply(2n, -2, entry)],
    ["a short structure", "LOOKUP", reply(2n, 0, entry.subarray(1))],
    ["a long structure", "LOOKUP", reply(2n, 0, entry, Buffer.alloc(1))],
    ["too much data", "READ", reply(2n, 0, Buffer.alloc(11)), 10],
    ["a positive error", "READ", reply(2n, 1), 10],
    ["an error below −511", "READ", reply(2n, -512), 10],
    ["a notification", "READ", reply(0n, 0), 10],
    ["an answer to FORGET", "FORGET", reply(2n, 0)],
    ["a length of xattrs that is data", "GETXATTR", reply(2n, 0, Buffer.alloc(9)), 0],
    ["a header only", "GETATTR", reply(2n, 0)],
    ["less than a header", "GETATTR", reply(2n, 0).subarray(0, 15)],
  ];
  for (const [what, name, bytes, limit] of refused) {
    assert.equal(decodeReply(name, bytes, bytes.length, limit), undefined, what);
  }
  const longer = reply(2n, 0, entry);
  longer.writeUInt32LE(145, 0);
  assert.equal(decodeReply("LOOKUP", longer, 144), undefined, "a length that is not the header's");
});

test("INIT and IOMAP_CONFIG replies may be cut short: what is missing reads as 0", () => {
  const short = reply(2n, 0, bytesOf("fuse_init_out", { major: 7, minor: 45, max_write: 9 }).subarray(0, 24));
  const out = decodeReply("INIT", short, short.length)?.out[0];
  assert.deepEqual([out?.minor, out?.max_write, out?.flags2], [45, 9, 0]);
  const config = reply(2n, 0, bytesOf("fuse_iomap_config_out", { flags: 1 }).subarray(0, 96));
  assert.equal(decodeReply("IOMAP_CONFIG", config, config.length)?.out[0]?.flags, 1);
});

test("statistics count requests and errors by operation", () => {
  const session = ready({ ACCESS: () => -13 });
  session.handle(request(34, {}, bytesOf("fuse_access_in")));
  session.handle(request(34, {}, bytesOf("fuse_access_in")));
  assert.deepEqual(session.statistics(), [{ name: "ACCESS", requests: 2, errors: 2 }]);
});

test("tracing reports every answered, unanswered and unknown request", () => {
  const seen: unknown[][] = [];
  const session = new Session(
    { FORGET: () => 0 },
    { negotiated: negotiated(), trace: (e) => seen.push([e.name, e.uniqueLo, e.nodeid, e.result, e.length]) },
  );
  session.handle(request(2, { nodeid: 9 }, bytesOf("fuse_forget_in")));
  session.handle(request(34, { unique: 4 }, bytesOf("fuse_access_in")));
  session.handle(request(777, { unique: 6 }));
  assert.deepEqual(seen, [
    ["FORGET", 2, 9, 0, 0],
    ["ACCESS", 4, 0, -38, 16],
    ["opcode 777", 6, 0, -38, 16],
  ]);
});
