import assert from "node:assert/strict";
import { test } from "node:test";
import {
  array,
  bytes,
  i32,
  i64,
  nested,
  opaque64,
  readI64,
  readU64,
  struct,
  u8,
  u16,
  u32,
  u64,
  writeI64,
  writeU64,
} from "@bulkhead/linux/struct";

const Inner = struct("inner", 16, { wide: u64(0), small: u16(8), tail: u32(12) });
const Outer = struct("outer", 64, {
  first: u8(0),
  signed: i32(4),
  id: opaque64(8),
  inner: nested(Inner, 16),
  spare: array(u32, 3, 32),
  name: bytes(4, 44),
  delta: i64(48),
  last: u64(56),
});

test("a view reads and writes every kind of field at its offset, in host byte order", () => {
  const buffer = Buffer.alloc(80, 0xaa);
  const view = Outer.view(new DataView(buffer.buffer, buffer.byteOffset, buffer.length), 8);
  const expected = Buffer.alloc(80, 0xaa);
  view.first = 0x12;
  expected.writeUInt8(0x12, 8);
  view.signed = -2;
  expected.writeInt32LE(-2, 12);
  view.idLo = 0xfffffff1;
  view.idHi = 0x80000002;
  expected.writeBigUInt64LE(0x80000002fffffff1n, 16);
  view.inner.wide = 2 ** 40 + 3;
  expected.writeBigUInt64LE(2n ** 40n + 3n, 24);
  view.inner.small = 0xbeef;
  expected.writeUInt16LE(0xbeef, 32);
  view.spare.set(2, 77);
  expected.writeUInt32LE(77, 48);
  view.name.set(Buffer.from("abcd"));
  expected.write("abcd", 52);
  view.delta = -5;
  expected.writeBigInt64LE(-5n, 56);
  view.last = Number.MAX_SAFE_INTEGER;
  expected.writeBigUInt64LE(2n ** 53n - 1n, 64);
  assert.deepEqual(buffer, expected);
  assert.deepEqual(
    [view.first, view.signed, view.idLo, view.idHi, view.inner.wide, view.inner.small, view.spare.get(2)],
    [0x12, -2, 0xfffffff1, 0x80000002, 2 ** 40 + 3, 0xbeef, 77],
  );
  assert.equal(view.delta, -5);
  assert.equal(view.last, Number.MAX_SAFE_INTEGER);
  assert.equal(Buffer.from(view.name).toString(), "abcd");
});

test("moving a view moves its nested structures and allocates none of them again", () => {
  const buffer = new ArrayBuffer(128);
  const data = new DataView(buffer);
  const view = Outer.view(data, 0);
  const inner = view.inner;
  assert.equal(view.at(data, 64), view);
  view.inner.tail = 9;
  assert.equal(view.inner, inner);
  assert.equal(new DataView(buffer).getUint32(64 + 16 + 12, true), 9);
});

test("offsets and sizes are plain data", () => {
  assert.equal(Outer.offset.delta, 48);
  assert.equal(Outer.size, 64);
  assert.equal(Inner.offset.tail, 12);
});

test("write zeroes what is not given", () => {
  const buffer = Buffer.alloc(64, 0xff);
  Outer.write(new DataView(buffer.buffer, buffer.byteOffset, 64), 0, {
    inner: { small: 1 },
    spare: [4, 5],
    name: Buffer.from("xy"),
    lastHi: 7,
  });
  const expected = Buffer.alloc(64);
  expected.writeUInt16LE(1, 24);
  expected.writeUInt32LE(4, 32);
  expected.writeUInt32LE(5, 36);
  expected.write("xy", 44);
  expected.writeUInt32LE(7, 60);
  assert.deepEqual(buffer, expected);
});

test("64-bit numbers saturate, and their halves are exact", () => {
  const data = new DataView(new ArrayBuffer(8));
  const cases: [bigint, number, number][] = [
    [0n, 0, 0],
    [2n ** 53n - 1n, 2 ** 53 - 1, 2 ** 53 - 1],
    [2n ** 53n, 2 ** 53 - 1, 2 ** 53 - 1],
    [2n ** 64n - 1n, 2 ** 53 - 1, -1],
    [2n ** 63n - 1n, 2 ** 53 - 1, 2 ** 53 - 1],
    [2n ** 63n, 2 ** 53 - 1, -(2 ** 53 - 1)],
    [2n ** 64n - 2n ** 53n, 2 ** 53 - 1, -(2 ** 53 - 1)],
    [2n ** 64n - 2n ** 53n + 1n, 2 ** 53 - 1, -(2 ** 53 - 1)],
    [2n ** 64n - 2n ** 32n, 2 ** 53 - 1, -(2 ** 32)],
  ];
  for (const [bits, unsigned, signed] of cases) {
    data.setBigUint64(0, bits, true);
    assert.equal(readU64(data, 0), unsigned, `u64 ${bits}`);
    assert.equal(readI64(data, 0), signed, `i64 ${bits}`);
  }
  const writes: [number, bigint, bigint][] = [
    [Number.NaN, 0n, 0n],
    [-1, 0n, -1n],
    [-(2 ** 32), 0n, -(2n ** 32n)],
    [-(2 ** 60), 0n, -(2n ** 53n - 1n)],
    [2 ** 60, 2n ** 53n - 1n, 2n ** 53n - 1n],
    [Number.POSITIVE_INFINITY, 2n ** 53n - 1n, 2n ** 53n - 1n],
    [2 ** 33 + 5, 2n ** 33n + 5n, 2n ** 33n + 5n],
  ];
  for (const [value, unsigned, signed] of writes) {
    writeU64(data, 0, value);
    assert.equal(data.getBigUint64(0, true), unsigned, `u64 ${value}`);
    writeI64(data, 0, value);
    assert.equal(data.getBigInt64(0, true), signed, `i64 ${value}`);
  }
});

test("a declaration that breaks a layout rule is refused", () => {
  const refused: [string, () => unknown, RegExp][] = [
    ["overlap", () => struct("x", 8, { a: u32(0), b: u16(2) }), /overlaps/],
    ["order", () => struct("x", 8, { a: u32(4), b: u32(0) }), /overlaps or precedes/],
    ["outside", () => struct("x", 8, { a: u64(0), b: u32(8) }), /outside/],
    ["alignment", () => struct("x", 12, { a: u32(2) }), /not aligned/],
    ["nested alignment", () => struct("x", 24, { a: u32(0), b: nested(Inner, 4) }), /not aligned/],
    ["size", () => struct("x", 12, { a: u64(0) }), /multiple/],
    ["reserved name", () => struct("x", 4, { dataView: u32(0) }), /reserved/],
  ];
  for (const [rule, declare, message] of refused) assert.throws(declare, { name: "TypeError", message }, rule);
});

test("array indices are checked", () => {
  const view = Outer.view(new DataView(new ArrayBuffer(64)), 0);
  assert.throws(() => view.spare.get(3), RangeError);
  assert.throws(() => view.spare.set(-1, 0), RangeError);
});
