import { HashVersion } from "../format/directory.js";

/**
 * The hashes that order names in an indexed directory (fs/ext4/hash.c): a major hash of 31 bits, shifted left by one, which
 * the index is sorted by, and a minor one that orders names within equal major hashes. One object is reused for many names.
 */
export class DirectoryHash {
  /** Even, 0 to 0xFFFFFFFC. */
  major = 0;
  /** Unsigned 32 bits; 0 for the legacy hash, which has none. */
  minor = 0;
  readonly #seed = new Uint32Array(4);
  readonly #state = new Uint32Array(4);
  readonly #input = new Int32Array(8);

  /** @param seed the 16 bytes of s_hash_seed; all zero means the default seed */
  constructor(seed: Uint8Array) {
    let any = 0;
    for (let i = 0; i < 16; i++) any |= seed[i]!;
    if (any === 0) {
      this.#seed.set([0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476]);
    } else {
      const view = new DataView(seed.buffer, seed.byteOffset, 16);
      for (let i = 0; i < 4; i++) this.#seed[i] = view.getUint32(4 * i, true);
    }
  }

  /**
   * Hashes `name[start, end)`.
   *
   * @param version one of HashVersion, with signedness resolved; false for those that need a key (siphash) or are unknown
   */
  compute(version: number, name: Uint8Array, start: number, end: number): boolean {
    let major: number;
    this.minor = 0;
    const state = this.#state;
    switch (version) {
      case HashVersion.legacy:
      case HashVersion.legacyUnsigned:
        major = legacyHash(name, start, end, version === HashVersion.legacy);
        break;
      case HashVersion.halfMd4:
      case HashVersion.halfMd4Unsigned:
        state.set(this.#seed);
        for (let at = start; at < end; at += 32) {
          pack(name, at, end, this.#input, 8, version === HashVersion.halfMd4);
          halfMd4Transform(state, this.#input);
        }
        major = state[1]!;
        this.minor = state[2]!;
        break;
      case HashVersion.tea:
      case HashVersion.teaUnsigned:
        state.set(this.#seed);
        for (let at = start; at < end; at += 16) {
          pack(name, at, end, this.#input, 4, version === HashVersion.tea);
          teaTransform(state, this.#input);
        }
        major = state[0]!;
        this.minor = state[1]!;
        break;
      default:
        this.major = 0;
        return false;
    }
    this.major = usableMajor(major);
    return true;
  }
}

/** Clears the lowest bit, which the index uses as its continuation mark, and steps off the value that means "end of directory". */
export function usableMajor(hash: number): number {
  const even = (hash & ~1) >>> 0;
  return even === 0xffff_fffe ? 0xffff_fffc : even;
}

function legacyHash(name: Uint8Array, start: number, end: number, signed: boolean): number {
  let hash0 = 0x12a3fe2d;
  let hash1 = 0x37abe8f9;
  for (let at = start; at < end; at++) {
    const byte = signed ? (name[at]! << 24) >> 24 : name[at]!;
    let hash = (hash1 + (hash0 ^ Math.imul(byte, 7152373))) | 0;
    if (hash < 0) hash = (hash - 0x7fff_ffff) | 0;
    hash1 = hash0;
    hash0 = hash;
  }
  return hash0 << 1;
}

/** Packs the next `words` * 4 bytes of a name into big-endian words, padded with the remaining length. */
function pack(name: Uint8Array, at: number, end: number, out: Int32Array, words: number, signed: boolean): void {
  const left = end - at;
  let pad = left | (left << 8);
  pad |= pad << 16;
  const stop = Math.min(end, at + words * 4);
  let value = pad;
  let word = 0;
  let inWord = 0;
  for (let i = at; i < stop; i++) {
    const byte = signed ? (name[i]! << 24) >> 24 : name[i]!;
    value = (byte + (value << 8)) | 0;
    if (++inWord === 4) {
      out[word++] = value;
      value = pad;
      inWord = 0;
    }
  }
  if (word < words) out[word++] = value;
  while (word < words) out[word++] = pad;
}

function teaTransform(state: Uint32Array, input: Int32Array): void {
  let b0 = state[0]! | 0;
  let b1 = state[1]! | 0;
  const a = input[0]!;
  const b = input[1]!;
  const c = input[2]!;
  const d = input[3]!;
  let sum = 0;
  for (let round = 0; round < 16; round++) {
    sum = (sum + 0x9e3779b9) | 0;
    b0 = (b0 + (((b1 << 4) + a) ^ (b1 + sum) ^ ((b1 >>> 5) + b))) | 0;
    b1 = (b1 + (((b0 << 4) + c) ^ (b0 + sum) ^ ((b0 >>> 5) + d))) | 0;
  }
  state[0] = state[0]! + b0;
  state[1] = state[1]! + b1;
}

const K2 = 0x5a827999;
const K3 = 0x6ed9eba1;

function rotated(sum: number, bits: number): number {
  return (sum << bits) | (sum >>> (32 - bits));
}
function f(a: number, x: number, y: number, z: number, input: number, bits: number): number {
  return rotated((a + (z ^ (x & (y ^ z))) + input) | 0, bits);
}
function g(a: number, x: number, y: number, z: number, input: number, bits: number): number {
  return rotated((a + (x & y) + ((x ^ y) & z) + input + K2) | 0, bits);
}
function h(a: number, x: number, y: number, z: number, input: number, bits: number): number {
  return rotated((a + (x ^ y ^ z) + input + K3) | 0, bits);
}

function halfMd4Transform(state: Uint32Array, w: Int32Array): void {
  let a = state[0]! | 0;
  let b = state[1]! | 0;
  let c = state[2]! | 0;
  let d = state[3]! | 0;

  a = f(a, b, c, d, w[0]!, 3);
  d = f(d, a, b, c, w[1]!, 7);
  c = f(c, d, a, b, w[2]!, 11);
  b = f(b, c, d, a, w[3]!, 19);
  a = f(a, b, c, d, w[4]!, 3);
  d = f(d, a, b, c, w[5]!, 7);
  c = f(c, d, a, b, w[6]!, 11);
  b = f(b, c, d, a, w[7]!, 19);

  a = g(a, b, c, d, w[1]!, 3);
  d = g(d, a, b, c, w[3]!, 5);
  c = g(c, d, a, b, w[5]!, 9);
  b = g(b, c, d, a, w[7]!, 13);
  a = g(a, b, c, d, w[0]!, 3);
  d = g(d, a, b, c, w[2]!, 5);
  c = g(c, d, a, b, w[4]!, 9);
  b = g(b, c, d, a, w[6]!, 13);

  a = h(a, b, c, d, w[3]!, 3);
  d = h(d, a, b, c, w[7]!, 9);
  c = h(c, d, a, b, w[2]!, 11);
  b = h(b, c, d, a, w[6]!, 15);
  a = h(a, b, c, d, w[1]!, 3);
  d = h(d, a, b, c, w[5]!, 9);
  c = h(c, d, a, b, w[0]!, 11);
  b = h(b, c, d, a, w[4]!, 15);

  state[0] = state[0]! + a;
  state[1] = state[1]! + b;
  state[2] = state[2]! + c;
  state[3] = state[3]! + d;
}
