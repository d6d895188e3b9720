// Oracle: the bytes that were put into the image.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, ROOT, text } from "./client.js";
import { BIG_SIZE, cannotMakeImages, LONG_TARGET, makeImage, pattern, SPARSE } from "./image.js";

const skip = cannotMakeImages;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const EISDIR = -21;
const EINVAL = -22;
const ENXIO = -6;

test("READ gives the file's bytes at any offset and length", { skip }, () => {
  const client = new Client(makeImage());
  const big = client.node("big");
  const whole = pattern(BIG_SIZE);
  for (const [offset, size] of [
    [0, 1],
    [0, 4096],
    [1023, 2],
    [100_000, 131_072],
    [299_999, 4096],
    [1, 300_122],
  ] as const) {
    assert.deepEqual(client.read(big, offset, size), whole.slice(offset, offset + size), `${size} bytes at ${offset}`);
  }
});

test("READ ends at the end of the file, and is empty past it", { skip }, () => {
  const client = new Client(makeImage());
  const big = client.node("big");
  assert.equal(client.read(big, BIG_SIZE - 10, 4096).length, 10);
  assert.equal(client.read(big, BIG_SIZE, 4096).length, 0);
  assert.equal(client.read(big, 2 ** 52, 4096).length, 0);
  assert.equal(client.read(client.node("empty"), 0, 4096).length, 0);
  assert.equal(client.read(big, 0, 0).length, 0);
});

test("READ of data inside the inode", { skip }, () => {
  const client = new Client(makeImage());
  const hello = client.node("hello");
  assert.equal(text(client.read(hello, 0, 4096)), "hello\n");
  assert.equal(text(client.read(hello, 2, 2)), "ll");
  assert.equal(client.read(hello, 6, 100).length, 0);
});

test("READ gives zeros for holes, and nothing of an earlier reply", { skip }, () => {
  const client = new Client(makeImage());
  const sparse = client.node("sparse");
  client.read(client.node("big"), 0, 131_072); // leaves its bytes in the reply buffer
  const expected = new Uint8Array(SPARSE.size);
  expected.set(pattern(SPARSE.end - SPARSE.data), SPARSE.data);
  for (let at = 0; at < SPARSE.size; at += 131_072) {
    assert.deepEqual(client.read(sparse, at, 131_072), expected.subarray(at, at + 131_072), `at ${at}`);
  }
});

test("READ of what is no regular file is refused", { skip }, () => {
  const client = new Client(makeImage());
  const read = (path: string) => client.ask("READ", client.node(path), { request: { size: 10 } }, 10).error;
  assert.equal(read("many"), EISDIR);
  assert.equal(read("link"), EINVAL);
  assert.equal(read("device"), EINVAL);
});

test("LSEEK finds data and holes", { skip }, () => {
  const client = new Client(makeImage());
  const sparse = client.node("sparse");
  const seek = (offset: number, whence: number, node = sparse) => {
    const reply = client.ask("LSEEK", node, { request: { offset, whence } });
    return reply.error === 0 ? reply.out[0]?.offset : reply.error;
  };
  assert.equal(seek(0, SEEK_DATA), SPARSE.data);
  assert.equal(seek(SPARSE.data + 1, SEEK_DATA), SPARSE.data + 1);
  assert.equal(seek(0, SEEK_HOLE), 0);
  assert.equal(seek(SPARSE.data, SEEK_HOLE), SPARSE.end);
  assert.equal(seek(SPARSE.end, SEEK_DATA), ENXIO);
  assert.equal(seek(SPARSE.size, SEEK_HOLE), ENXIO);
  assert.equal(seek(2 ** 60, SEEK_DATA), ENXIO);
  assert.equal(seek(0, SEEK_HOLE, client.node("big")), BIG_SIZE);
  assert.equal(seek(0, SEEK_DATA, client.node("hello")), 0);
  assert.equal(seek(0, 0), EINVAL);
});

test("READLINK gives targets in the inode and in a block", { skip }, () => {
  const client = new Client(makeImage());
  assert.equal(text(client.ask("READLINK", client.node("link"), {}).data), "hello");
  assert.equal(text(client.ask("READLINK", client.node("long-link"), {}).data), LONG_TARGET);
  assert.equal(client.ask("READLINK", client.node("hello"), {}).error, EINVAL);
  assert.equal(client.ask("READLINK", ROOT, {}).error, EINVAL);
});
