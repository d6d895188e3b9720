import { crc32c } from "../checksum/crc32c.js";

/** CRC-32 with the most significant bit first (polynomial 0x04C11DB7): jbd2's checksum v1 of whole transactions. */

const table = new Uint32Array(256);
for (let n = 0; n < 256; n++) {
  let c = n << 24;
  for (let bit = 0; bit < 8; bit++) c = c & 0x8000_0000 ? (c << 1) ^ 0x04c1_1db7 : c << 1;
  table[n] = c >>> 0;
}

/** Continues a big-endian CRC-32 over `data`; a transaction starts from 0xFFFFFFFF and ends as is. */
export function crc32be(seed: number, data: Uint8Array): number {
  let c = seed | 0;
  for (let at = 0; at < data.length; at++) c = (c << 8) ^ table[((c >>> 24) ^ data[at]!) & 0xff]!;
  return c >>> 0;
}

const zero = new Uint8Array(4);

/** CRC-32C of a block whose own 4-byte checksum at `offset` counts as zero. */
export function checksumWithout(seed: number, data: Uint8Array, offset: number): number {
  const before = crc32c(seed, data, 0, offset);
  return crc32c(crc32c(before, zero), data, offset + 4);
}

const word = new Uint8Array(4);
const wordView = new DataView(word.buffer);

/** Checksum v2 and v3 of a logged block: the transaction's number, big-endian, and the block as it lies in the log. */
export function loggedBlockChecksum(seed: number, sequence: number, data: Uint8Array): number {
  wordView.setUint32(0, sequence);
  return crc32c(crc32c(seed, word), data);
}
