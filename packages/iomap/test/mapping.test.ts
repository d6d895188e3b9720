// Oracle: the validation rules of fuse-iomap's host, one case a rule.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Mapping, MappingType, NULL_ADDR, validateMapping } from "@bulkhead/iomap";

const limits = { blockSize: 4096, maxBytes: 2 ** 44 };
const EUCLEAN = 117;

type Slot = [type: number, offset: number, length: number, addr: number, dev: number, flags?: number];

function verdict(slot: Slot, options: { write?: boolean; pos?: number } = {}): number {
  const mapping = new Mapping();
  mapping.set(...slot);
  return validateMapping(mapping, limits, options.write ?? false, options.pos ?? 4096);
}

const { hole, delalloc, mapped, unwritten, inline, noCache, retryCache, pureOverwrite } = MappingType;

const good: [string, Slot, { write?: boolean; pos?: number }?][] = [
  ["a mapped range", [mapped, 0, 8192, 65_536, 1]],
  ["an unwritten range that covers pos with its last block", [unwritten, 4096, 4096, 0, 1]],
  ["a hole", [hole, 0, 1 << 30, NULL_ADDR, 0]],
  ["reserved space", [delalloc, 0, 8192, NULL_ADDR, 0]],
  ["inline data", [inline, 0, 4096, NULL_ADDR, 0], { pos: 12 }],
  ["every server flag", [mapped, 0, 8192, 0, 3, 0xff]],
  ["a pure overwrite in the write slot", [pureOverwrite, 0, 8192, NULL_ADDR, 0], { write: true }],
];

for (const [name, slot, options] of good) {
  test(`accepts ${name}`, () => assert.equal(verdict(slot, options), 0));
}

const bad: [string, Slot, { write?: boolean; pos?: number }?][] = [
  ["an unknown type", [5, 0, 8192, NULL_ADDR, 0]],
  ["a type between the known ones", [252, 0, 8192, NULL_ADDR, 0]],
  ["a type past the last", [256, 0, 8192, NULL_ADDR, 0]],
  ["a negative type", [-1, 0, 8192, NULL_ADDR, 0]],
  ["a flag that only the host sets", [mapped, 0, 8192, 0, 1, 0x100]],
  ["length 0", [hole, 4096, 0, NULL_ADDR, 0]],
  ["a length of part of a block", [hole, 0, 8193, NULL_ADDR, 0]],
  ["an offset inside a block", [hole, 512, 8192, NULL_ADDR, 0]],
  ["an offset past the largest file", [hole, 2 ** 44, 8192, NULL_ADDR, 0], { pos: 2 ** 44 }],
  ["a range that overflows", [hole, 4096, 2 ** 64, NULL_ADDR, 0]],
  ["an offset that is not a number", [hole, Number.NaN, 8192, NULL_ADDR, 0]],
  ["a mapped range without a device", [mapped, 0, 8192, 0, 0]],
  ["a mapped range without an address", [mapped, 0, 8192, NULL_ADDR, 1]],
  ["an unwritten range without a device", [unwritten, 0, 8192, 0, 0]],
  ["a hole with a device", [hole, 0, 8192, NULL_ADDR, 1]],
  ["a hole with an address", [hole, 0, 8192, 4096, 0]],
  ["inline data with an address", [inline, 0, 8192, 0, 0]],
  ["a pure overwrite in the read slot", [pureOverwrite, 0, 8192, NULL_ADDR, 0]],
  ["a pure overwrite with a device", [pureOverwrite, 0, 8192, NULL_ADDR, 1], { write: true }],
  ["a pure overwrite with flags", [pureOverwrite, 0, 8192, NULL_ADDR, 0, 1], { write: true }],
  ["a retry without a cache", [retryCache, 0, 8192, NULL_ADDR, 0]],
  ["nocache in a begin reply", [noCache, 0, 8192, NULL_ADDR, 0]],
  ["an address that overflows", [mapped, 0, 8192, 2 ** 64 - 4096, 1]],
  ["a negative address", [mapped, 0, 8192, -4096, 1]],
  ["a range before pos", [hole, 0, 4096, NULL_ADDR, 0]],
  ["a range after pos", [hole, 8192, 4096, NULL_ADDR, 0]],
];

for (const [name, slot, options] of bad) {
  test(`refuses ${name}`, () => assert.equal(verdict(slot, options), EUCLEAN));
}
