/** What a hostile or broken peer gets. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Handlers } from "@bulkhead/fuse";
import { answer, ready } from "./session-fixture.js";
import { bytesOf, cstring, reply, request, text } from "./wire.js";

const never = () => assert.fail("the handler was called");
const everything: Handlers = {
  LOOKUP: never,
  SYMLINK: never,
  WRITE: never,
  SETXATTR: never,
  RENAME: never,
  IOCTL: never,
  FORGET: never,
  BATCH_FORGET: never,
  REMOVEMAPPING: never,
};

const write = (size: number, data: Buffer) => request(16, {}, bytesOf("fuse_write_in", { size }), data);
const refused: [string, Buffer][] = [
  ["a name that does not end", request(1, {}, text("abc"))],
  ["no name at all", request(1, {})],
  ["bytes after the name", request(1, {}, cstring("abc"), text("x"))],
  ["one name where two belong", request(6, {}, cstring("abc"))],
  ["a second name that does not end", request(6, {}, cstring("abc"), text("def"))],
  ["a short structure", request(12, {}, Buffer.alloc(7))],
  ["less data than stated", write(11, Buffer.alloc(10))],
  ["more data than stated", write(9, Buffer.alloc(10))],
  ["4 GiB of data stated", write(0xffff_ffff, Buffer.alloc(10))],
  ["a count of 2^32 − 1", request(49, {}, bytesOf("fuse_removemapping_in", { count: 0xffff_ffff }))],
  [
    "a list that ends in half an entry",
    request(49, {}, bytesOf("fuse_removemapping_in", { count: 1 }), Buffer.alloc(15)),
  ],
  [
    "an xattr value shorter than stated",
    request(21, {}, bytesOf("fuse_setxattr_in", { size: 4 }), cstring("a"), text("abc")),
  ],
];
for (const [what, message] of refused) {
  test(`${what} is EIO`, () => {
    const log: string[] = [];
    assert.deepEqual(answer(ready(everything, { log: (line) => log.push(line) }), message), reply(2n, -5));
    assert.match(log[0] ?? "", /^malformed [A-Z]+ of \d+ bytes$/);
  });
}

test("a terminator beyond the message does not count", () => {
  const message = request(1, {}, text("abc"));
  const buffer = Buffer.concat([message, Buffer.alloc(8)]);
  const session = ready(everything);
  assert.equal(session.handle(buffer, message.length), 16);
});

test("malformed operations that are never answered are not answered", () => {
  const session = ready(everything);
  assert.equal(session.handle(request(2, {}, Buffer.alloc(3))), 0);
  assert.equal(session.handle(request(42, {}, bytesOf("fuse_batch_forget_in", { count: 9 }))), 0);
});

test("unknown opcodes are ENOSYS, byte-swapped ones too", () => {
  const session = ready({});
  for (const opcode of [0, 7, 19, 54, 63, 64, 4088, 4097, 0x0010_0000, 0x1a00_0000, 0xffff_ffff]) {
    assert.deepEqual(answer(session, request(opcode, {})), reply(2n, -38), `${opcode}`);
  }
});

test("nothing is replied to what cannot be replied to", () => {
  const session = ready(everything);
  const whole = request(1, {}, cstring("abc"));
  assert.equal(session.handle(whole.subarray(0, 39)), 0, "shorter than a header");
  assert.equal(session.handle(whole, whole.length - 1), 0, "shorter than the header says");
  assert.equal(session.handle(whole, whole.length + 1), 0, "longer than the buffer");
  assert.equal(session.handle(Buffer.concat([whole, Buffer.alloc(1)])), 0, "longer than the header says");
  assert.equal(session.handle(request(1, { unique: 0 }, cstring("abc"))), 0, "unique 0 would be a notification");
  assert.equal(session.handle(new Uint8Array(0)), 0, "empty");
});

test("an id whose low half is 0 is an id", () => {
  const unique = 0x5_0000_0000n;
  assert.deepEqual(answer(ready({}), request(34, { unique }, bytesOf("fuse_access_in"))), reply(unique, -38));
});

test("a session reads a request that lies inside a larger buffer", () => {
  const message = request(34, {}, bytesOf("fuse_access_in", { mask: 5 }));
  const holder = Buffer.concat([Buffer.alloc(13, 0xff), message, Buffer.alloc(7, 0xff)]);
  let mask = 0;
  const session = ready({
    ACCESS: (_context, access) => {
      mask = access.mask;
      return 0;
    },
  });
  assert.equal(session.handle(holder.subarray(13, 13 + message.length)), 16);
  assert.equal(mask, 5);
});
