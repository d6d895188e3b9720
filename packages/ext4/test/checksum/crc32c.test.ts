// Oracle: the polynomial, a bit at a time, and the check value of the CRC catalogue.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { crc32c, crc32cLe32, crc32cZeros } from "../../src/checksum/crc32c.js";

function bitByBit(seed: number, data: Uint8Array): number {
  let c = seed;
  for (const byte of data) {
    c ^= byte;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1;
  }
  return c >>> 0;
}

/** Bytes as blocks have them: records, and long runs of zeros between them. */
const blocks = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 90 }),
      fc.integer({ min: 1, max: 400 }).map((length) => new Uint8Array(length)),
    ),
    { maxLength: 12 },
  )
  .map((parts) => new Uint8Array(Buffer.concat(parts)));

describe("CRC-32C", () => {
  it("has the check value of the catalogue, which inverts before and after", () => {
    assert.equal(~crc32c(0xffff_ffff, Buffer.from("123456789")) >>> 0, 0xe306_9283);
  });

  it("is that of the polynomial wherever the bytes lie, whatever is zero among them", () => {
    const seeds = fc.oneof(fc.constantFrom(0, 0xffff_ffff, 0x8000_0000), fc.integer({ min: 0, max: 0xffff_ffff }));
    const places = fc.record({ before: fc.nat({ max: 9 }), start: fc.nat({ max: 70 }), rest: fc.nat({ max: 70 }) });
    fc.assert(
      fc.property(seeds, blocks, places, (seed, bytes, { before, start, rest }) => {
        const data = new Uint8Array(before + bytes.length).subarray(before);
        data.set(bytes);
        const end = Math.max(start, data.length - rest);
        if (end > data.length) return;
        assert.equal(crc32c(seed, data, start, end), bitByBit(seed, data.subarray(start, end)));
      }),
      { numRuns: 500 },
    );
  });

  it("continues over numbers and over fields that count as zero", () => {
    assert.equal(crc32cLe32(7, 0x0102_0384), bitByBit(7, Uint8Array.of(0x84, 3, 2, 1)));
    assert.equal(crc32cZeros(0xdead_beef, 4), bitByBit(0xdead_beef, new Uint8Array(4)));
  });
});
