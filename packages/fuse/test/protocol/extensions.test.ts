import assert from "node:assert/strict";
import { test } from "node:test";
import { answer, ready } from "./session-fixture.js";
import { bytesOf, cstring, reply, request, text } from "./wire.js";

const pad = (part: Buffer) => Buffer.concat([part, Buffer.alloc(-part.length & 7)]);
const words = (...values: number[]) => {
  const buffer = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) buffer.writeUInt32LE(value, 4 * i);
  return buffer;
};
const context = (name: string, value: Buffer) => pad(Buffer.concat([words(value.length, 0), cstring(name), value]));
function contexts(...list: Buffer[]): Buffer {
  const body = Buffer.concat(list);
  return Buffer.concat([words(8 + body.length, list.length), body]);
}
const groups = (...gids: number[]) => pad(words(8 + ((4 + 4 * gids.length + 7) & ~7), 32, gids.length, ...gids));

function mkdir(extensions: Buffer, extlen = extensions.length / 8): Buffer {
  return request(9, { total_extlen: extlen }, bytesOf("fuse_mkdir_in", { mode: 0o755 }), cstring("odd"), extensions);
}

interface Seen {
  name: string;
  contexts: [string, string][];
  groups: readonly number[];
}
function serve(message: Buffer): { bytes: Buffer; seen: Seen | undefined } {
  let seen: Seen | undefined;
  const session = ready({
    MKDIR: (caller, _request, name) => {
      seen = {
        name: Buffer.from(name).toString(),
        contexts: caller.securityContexts.map((one) => [
          Buffer.from(one.name).toString(),
          Buffer.from(one.value).toString(),
        ]),
        groups: caller.groups,
      };
      return 0;
    },
  });
  return { bytes: answer(session, message), seen };
}

const SELINUX = context("security.selinux", text("system_u:object_r:etc_t:s0\0"));

test("no extensions", () => {
  assert.deepEqual(serve(mkdir(Buffer.alloc(0))).seen, { name: "odd", contexts: [], groups: [] });
});

test("a security context and a supplementary group, after an unpadded name", () => {
  const { seen, bytes } = serve(mkdir(Buffer.concat([contexts(SELINUX), groups(1234)])));
  assert.deepEqual(seen, {
    name: "odd",
    contexts: [["security.selinux", "system_u:object_r:etc_t:s0\0"]],
    groups: [1234],
  });
  assert.equal(bytes.readInt32LE(4), 0);
});

test("several contexts, an empty value, no context, several groups", () => {
  const two = contexts(SELINUX, context("security.x", Buffer.alloc(0)));
  assert.deepEqual(serve(mkdir(two)).seen?.contexts, [
    ["security.selinux", "system_u:object_r:etc_t:s0\0"],
    ["security.x", ""],
  ]);
  assert.deepEqual(serve(mkdir(contexts())).seen?.contexts, []);
  assert.deepEqual(serve(mkdir(groups(1, 2, 3))).seen?.groups, [1, 2, 3]);
});

test("an unknown extension type is skipped", () => {
  const { seen } = serve(mkdir(Buffer.concat([words(16, 33, 0xffff_ffff, 0xffff_ffff), groups(7)])));
  assert.deepEqual(seen?.groups, [7]);
});

const truncatedValue = Buffer.from(contexts(SELINUX));
truncatedValue.writeUInt32LE(1000, 8);
const hugeValue = Buffer.from(contexts(SELINUX));
hugeValue.writeUInt32LE(0xffff_ffff, 8);
const malformed: [string, Buffer][] = [
  ["a block of size 0", mkdir(words(0, 32))],
  ["a size that is no multiple of 8", mkdir(words(12, 32, 1, 5))],
  ["a block that overruns the area", mkdir(words(24, 32, 1, 5))],
  ["a block size of 2^32 − 8", mkdir(words(0xffff_fff8, 32))],
  ["an area longer than the message", mkdir(Buffer.alloc(0), 8000)],
  ["an area that reaches into the header", mkdir(Buffer.alloc(0), 2)],
  ["a value that overruns its block", mkdir(truncatedValue)],
  ["a value of 4 GiB", mkdir(hugeValue)],
  ["more contexts than the block holds", mkdir(words(8, 31))],
  ["a context without a terminated name", mkdir(words(24, 1, 0, 0, 0x61616161, 0x61616161))],
  ["a context with an empty name", mkdir(words(24, 1, 0, 0, 0, 0))],
  ["more groups than the block holds", mkdir(words(16, 32, 2, 5))],
  ["2^32 − 1 groups", mkdir(words(16, 32, 0xffff_ffff, 5))],
  ["a groups block without a count", mkdir(words(8, 32))],
];
for (const [what, message] of malformed) {
  test(`malformed: ${what} is EIO, and the handler is not called`, () => {
    const { bytes, seen } = serve(message);
    assert.deepEqual(bytes, reply(2n, -5));
    assert.equal(seen, undefined);
  });
}
