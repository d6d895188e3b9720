// Oracle: the names that were put into the image.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, type Record, ROOT, records } from "./client.js";
import { cannotMakeImages, MANY, makeImage } from "./image.js";

const skip = cannotMakeImages;
const ENOTDIR = -20;
const modes = ["READDIR", "READDIRPLUS"] as const;

function list(client: Client, mode: (typeof modes)[number], node: number, cookie: bigint, size: number): Record[] {
  const request = { offsetLo: Number(cookie & 0xffff_ffffn), offsetHi: Number(cookie >> 32n), size };
  const reply = client.ask(mode, node, { request }, size);
  assert.equal(reply.error, 0);
  return records(reply.data, mode === "READDIRPLUS");
}

/** The directory from `cookie` on, in replies of `size` bytes. */
function listAll(client: Client, mode: (typeof modes)[number], node: number, size: number, cookie = 0n): Record[] {
  const all: Record[] = [];
  for (;;) {
    const part = list(client, mode, node, cookie, size);
    all.push(...part);
    const last = part.at(-1);
    if (last === undefined) return all;
    assert.ok(all.length <= MANY.length + 2, "the listing ends");
    cookie = last.next;
  }
}

for (const mode of modes) {
  test(`${mode} lists every entry once, whatever the size of the buffer`, { skip }, () => {
    const client = new Client(makeImage());
    const many = client.node("many");
    const expected = [".", "..", ...MANY].sort();
    for (const size of [280, 512, 4096, 131_072]) {
      const names = listAll(client, mode, many, size).map(({ name }) => name);
      assert.deepEqual(names.sort(), expected, `replies of ${size} bytes`);
    }
  });

  test(`${mode} goes on at every cookie, also in another server`, { skip }, () => {
    const many = new Client(makeImage()).node("many");
    const whole = listAll(new Client(makeImage()), mode, many, 131_072);
    const other = new Client(makeImage());
    for (const [index, { next }] of whole.entries()) {
      const rest = list(other, mode, many, next, 1024).map(({ name }) => name);
      const expected = whole.slice(index + 1, index + 1 + rest.length).map(({ name }) => name);
      assert.deepEqual(rest, expected, `after entry ${index}`);
      assert.equal(rest.length === 0, index === whole.length - 1);
    }
    const cookies = new Set(whole.map(({ next }) => next));
    assert.equal(cookies.size, whole.length, "every entry has a cookie of its own");
    assert.ok(!cookies.has(0n) && [...cookies].every((cookie) => cookie < 2n ** 63n));
  });

  test(`${mode} tells inode numbers and types`, { skip }, () => {
    const client = new Client(makeImage());
    const types = new Map(listAll(client, mode, ROOT, 4096).map((record) => [record.name, record]));
    assert.equal(types.get(".")?.ino, 2);
    assert.equal(types.get("..")?.ino, 2);
    assert.deepEqual(
      ["hello", "many", "link", "device"].map((name) => types.get(name)?.type),
      [8, 4, 10, 2],
    );
    assert.equal(types.get("hello")?.ino, client.node("hello"));
  });

  test(`${mode} of a file is refused, a reply too small for one entry is empty`, { skip }, () => {
    const client = new Client(makeImage());
    assert.equal(client.ask(mode, client.node("hello"), { request: { size: 4096 } }, 4096).error, ENOTDIR);
    assert.deepEqual(list(client, mode, ROOT, 0n, 16), []);
  });

  test(`${mode} from a cookie that nobody gave out ends`, { skip }, () => {
    const client = new Client(makeImage());
    for (const cookie of [1n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 62n + 12345n, 2n ** 63n - 1n]) {
      assert.ok(listAll(client, mode, client.node("many"), 4096, cookie).length <= MANY.length + 2);
    }
  });
}

test("READDIRPLUS brings attributes, but no look-up of . and ..", { skip }, () => {
  const client = new Client(makeImage());
  for (const { name, nodeid, ino, size } of listAll(client, "READDIRPLUS", ROOT, 4096)) {
    if (name === "." || name === "..") assert.equal(nodeid, 0);
    else assert.equal(nodeid, ino, name);
    if (name === "hello") assert.equal(size, 6);
  }
});
