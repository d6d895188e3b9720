/** CRC-32C (Castagnoli, reflected polynomial 0x82F63B78) as ext4 and jbd2 use it: the seed goes in and the state comes out as is. */

const SLICES = 8;
const table = makeTable(0x82f63b78);

function makeTable(polynomial: number): Uint32Array {
  const t = new Uint32Array(SLICES * 256);
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ polynomial : c >>> 1;
    t[n] = c;
  }
  for (let n = 256; n < t.length; n++) {
    const previous = t[n - 256]!;
    t[n] = (previous >>> 8) ^ t[previous & 0xff]!;
  }
  return t;
}

/**
 * Continues a CRC-32C over `data[start, end)`.
 *
 * @param seed the state so far, 0 to 2^32-1; ext4 starts from 0xFFFFFFFF or from the file system's seed
 * @returns the new state, unsigned 32 bits, not inverted
 */
export function crc32c(seed: number, data: Uint8Array, start = 0, end = data.length): number {
  let c = seed;
  let at = start;
  const sliced = end - SLICES + 1;
  const t = table;
  for (; at < sliced; at += SLICES) {
    const low = c ^ (data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16) | (data[at + 3]! << 24));
    c =
      t[1792 + (low & 0xff)]! ^
      t[1536 + ((low >>> 8) & 0xff)]! ^
      t[1280 + ((low >>> 16) & 0xff)]! ^
      t[1024 + (low >>> 24)]! ^
      t[768 + data[at + 4]!]! ^
      t[512 + data[at + 5]!]! ^
      t[256 + data[at + 6]!]! ^
      t[data[at + 7]!]!;
  }
  for (; at < end; at++) c = t[(c ^ data[at]!) & 0xff]! ^ (c >>> 8);
  return c >>> 0;
}

const word = new Uint8Array(4);

/** Continues a CRC-32C over one little-endian 32-bit number. */
export function crc32cLe32(seed: number, value: number): number {
  word[0] = value;
  word[1] = value >>> 8;
  word[2] = value >>> 16;
  word[3] = value >>> 24;
  return crc32c(seed, word, 0, 4);
}

const zeros = new Uint8Array(8);

/** Continues a CRC-32C as if `count` (at most 8) zero bytes stood there: how ext4 skips a checksum field. */
export function crc32cZeros(seed: number, count: number): number {
  return crc32c(seed, zeros, 0, count);
}
