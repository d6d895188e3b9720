/** CRC-32C (Castagnoli, reflected polynomial 0x82F63B78) as ext4 and jbd2 use it: the seed goes in and the state comes out as is. */

/** Bytes that a step takes at once: words of 32 bits, where the processor has their bytes in the disk's order. */
const SLICES = 16;
/** Bytes that are passed at once when all are zero: most of a new directory, a bitmap or a half empty block is. */
const RUN = 64;
const RUN_WORDS = RUN / 4;
/** Below this a view of words costs more than it saves. */
const LEAST_FOR_WORDS = 256;
const littleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

const table = makeTable(0x82f63b78);
const runTable = makeRunTable(table);

/** What each byte of the state becomes, and each of 16 bytes of data, when the others are zero. */
function makeTable(polynomial: number): Int32Array {
  const t = new Int32Array(SLICES * 256);
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

/** What each byte of the state becomes by a run of zero bytes. */
function makeRunTable(t: Int32Array): Int32Array {
  const runs = new Int32Array(4 * 256);
  for (let n = 0; n < runs.length; n++) {
    let c = (n & 0xff) << (8 * (n >>> 8));
    for (let byte = 0; byte < RUN; byte++) c = t[c & 0xff]! ^ (c >>> 8);
    runs[n] = c;
  }
  return runs;
}

/**
 * Continues a CRC-32C over `data[start, end)`.
 *
 * @param seed the state so far, 0 to 2^32-1; ext4 starts from 0xFFFFFFFF or from the file system's seed
 * @returns the new state, unsigned 32 bits, not inverted
 */
export function crc32c(seed: number, data: Uint8Array, start = 0, end = data.length): number {
  let c = seed | 0;
  let at = start;
  const t = table;
  const first = data.byteOffset + start;
  if (end - start >= LEAST_FOR_WORDS && first % 4 === 0 && littleEndian) {
    const runs = Math.floor((end - start) / RUN);
    c = overRuns(c, new Int32Array(data.buffer, first, runs * RUN_WORDS));
    at += runs * RUN;
  }
  const sliced = end - 7;
  for (; at < sliced; at += 8) {
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

/** @param words of whole runs */
function overRuns(state: number, words: Int32Array): number {
  let c = state;
  const t = table;
  const r = runTable;
  for (let run = 0; run < words.length; run += RUN_WORDS) {
    if (words[run] === 0 && isZero(words, run)) {
      c = r[c & 0xff]! ^ r[256 + ((c >>> 8) & 0xff)]! ^ r[512 + ((c >>> 16) & 0xff)]! ^ r[768 + (c >>> 24)]!;
      continue;
    }
    for (let at = run; at < run + RUN_WORDS; at += 4) {
      const one = c ^ words[at]!;
      const two = words[at + 1]!;
      const three = words[at + 2]!;
      const four = words[at + 3]!;
      c =
        t[3840 + (one & 0xff)]! ^
        t[3584 + ((one >>> 8) & 0xff)]! ^
        t[3328 + ((one >>> 16) & 0xff)]! ^
        t[3072 + (one >>> 24)]! ^
        t[2816 + (two & 0xff)]! ^
        t[2560 + ((two >>> 8) & 0xff)]! ^
        t[2304 + ((two >>> 16) & 0xff)]! ^
        t[2048 + (two >>> 24)]! ^
        t[1792 + (three & 0xff)]! ^
        t[1536 + ((three >>> 8) & 0xff)]! ^
        t[1280 + ((three >>> 16) & 0xff)]! ^
        t[1024 + (three >>> 24)]! ^
        t[768 + (four & 0xff)]! ^
        t[512 + ((four >>> 8) & 0xff)]! ^
        t[256 + ((four >>> 16) & 0xff)]! ^
        t[four >>> 24]!;
    }
  }
  return c;
}

function isZero(words: Int32Array, first: number): boolean {
  let any = 0;
  for (let at = first; at < first + RUN_WORDS; at++) any |= words[at]!;
  return any === 0;
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
