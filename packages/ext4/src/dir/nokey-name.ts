import { sha256 } from "../checksum/sha256.js";
import { CorruptionError } from "../errors.js";

/** Bytes of ciphertext that a no-key name holds; what a longer one has more is there as its SHA-256. */
const CIPHERTEXT_MAX = 149;
const HASH_SIZE = 8;
const DIGEST_SIZE = 32;
const LONG_SIZE = HASH_SIZE + CIPHERTEXT_MAX + DIGEST_SIZE;
/** Shortest ciphertext: names are padded to 16 bytes before they are encrypted. */
const CIPHERTEXT_MIN = 16;

const alphabet = new Uint8Array(64);
const values = new Int8Array(256).fill(-1);
for (let i = 0; i < 64; i++) {
  const code = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".charCodeAt(i);
  alphabet[i] = code;
  values[code] = i;
}

/**
 * The names of an encrypted directory without its key (struct fscrypt_nokey_name of fs/crypto/fname.c): base64url without
 * padding over the directory hash and the ciphertext, of which the part from byte 149 on is replaced by its SHA-256. One
 * object is reused for many names.
 */
export class NokeyName {
  /** The encoded name is `text[0, textLength)`. */
  readonly text = new Uint8Array(Math.ceil((LONG_SIZE * 4) / 3));
  textLength = 0;
  /** Of the decoded name: the two halves of the directory hash, 0 where the directory has no index. */
  hash = 0;
  minorHash = 0;
  /** Of the decoded name: the ciphertext, or its first 149 bytes when the name is shortened. */
  bytes: Uint8Array = new Uint8Array(0);
  isShortened = false;
  readonly #packed = new Uint8Array(LONG_SIZE);
  readonly #view = new DataView(this.#packed.buffer);

  /** Encodes the ciphertext `data[start, start + length)`. */
  encode(hash: number, minorHash: number, data: Uint8Array, start: number, length: number, ino: number): void {
    if (length < CIPHERTEXT_MIN) {
      throw new CorruptionError("directory-entry", { inode: ino }, `an encrypted name of ${length} bytes`);
    }
    const packed = this.#packed;
    this.#view.setUint32(0, hash, true);
    this.#view.setUint32(4, minorHash, true);
    const kept = Math.min(length, CIPHERTEXT_MAX);
    for (let i = 0; i < kept; i++) packed[HASH_SIZE + i] = data[start + i]!;
    let size = HASH_SIZE + kept;
    if (length > CIPHERTEXT_MAX) {
      packed.set(sha256(data.subarray(start + CIPHERTEXT_MAX, start + length)), HASH_SIZE + CIPHERTEXT_MAX);
      size = LONG_SIZE;
    }
    this.textLength = encodeBase64Url(packed, size, this.text);
  }

  /** Decodes a name that a user gave; false when it is none of this form. */
  decode(name: Uint8Array): boolean {
    const size = decodeBase64Url(name, this.#packed);
    if (size <= HASH_SIZE || (size > HASH_SIZE + CIPHERTEXT_MAX && size !== LONG_SIZE)) return false;
    this.hash = this.#view.getUint32(0, true);
    this.minorHash = this.#view.getUint32(4, true);
    this.isShortened = size === LONG_SIZE;
    this.bytes = this.#packed.subarray(HASH_SIZE, this.isShortened ? HASH_SIZE + CIPHERTEXT_MAX : size);
    return true;
  }

  /** Whether the ciphertext `data[start, end)` is the one that a shortened name stands for. */
  matches(data: Uint8Array, start: number, end: number): boolean {
    if (end - start <= CIPHERTEXT_MAX) return false;
    for (let i = 0; i < CIPHERTEXT_MAX; i++) {
      if (data[start + i] !== this.#packed[HASH_SIZE + i]) return false;
    }
    const digest = sha256(data.subarray(start + CIPHERTEXT_MAX, end));
    return digest.every((byte, i) => byte === this.#packed[HASH_SIZE + CIPHERTEXT_MAX + i]);
  }
}

function encodeBase64Url(source: Uint8Array, size: number, out: Uint8Array): number {
  let bits = 0;
  let held = 0;
  let length = 0;
  for (let i = 0; i < size; i++) {
    held = ((held << 8) | source[i]!) & 0xffff;
    for (bits += 8; bits >= 6; ) {
      bits -= 6;
      out[length++] = alphabet[(held >>> bits) & 63]!;
    }
  }
  if (bits > 0) out[length++] = alphabet[(held << (6 - bits)) & 63]!;
  return length;
}

/** The number of bytes decoded, or -1 for what is no base64url or does not fit. */
function decodeBase64Url(text: Uint8Array, out: Uint8Array): number {
  let bits = 0;
  let held = 0;
  let length = 0;
  for (const code of text) {
    const value = values[code]!;
    if (value < 0) return -1;
    held = ((held << 6) | value) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      if (length === out.length) return -1;
      out[length++] = (held >>> bits) & 0xff;
    }
  }
  // Bits that encode nothing have to be zero, so that a name has one spelling.
  return (held & ((1 << bits) - 1)) === 0 && bits < 6 ? length : -1;
}
