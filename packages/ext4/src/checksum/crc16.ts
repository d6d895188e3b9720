/** CRC-16 (reflected polynomial 0xA001), which group descriptors carry under gdt_csum (uninit_bg). */

const table = new Uint16Array(256);
for (let n = 0; n < 256; n++) {
  let c = n;
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xa001 : c >>> 1;
  table[n] = c;
}

/** Continues a CRC-16 over `data[start, end)`; ext4 starts from 0xFFFF. */
export function crc16(seed: number, data: Uint8Array, start = 0, end = data.length): number {
  let c = seed;
  for (let at = start; at < end; at++) c = table[(c ^ data[at]!) & 0xff]! ^ (c >>> 8);
  return c;
}
