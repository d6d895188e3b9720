/** CRC-32 (IEEE 802.3, reflected polynomial 0xEDB88320), which GPT headers and tables carry. */

const table = new Uint32Array(256);
for (let n = 0; n < 256; n++) {
  let c = n;
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  table[n] = c;
}

/** The CRC-32 of `data`, unsigned 32 bits. */
export function crc32(data: Uint8Array): number {
  let c = 0xffff_ffff;
  for (let at = 0; at < data.length; at++) c = table[(c ^ data[at]!) & 0xff]! ^ (c >>> 8);
  return (c ^ 0xffff_ffff) >>> 0;
}
