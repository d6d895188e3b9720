import { crc32c } from "../checksum/crc32c.js";
import { incompatFeature } from "../format/features.js";
import type { Volume } from "../volume.js";

/** The hash of a value that lies in an inode of its own: crc32c, seeded as metadata checksums are, but without these, too. */
export function valueHash(volume: Volume, value: Uint8Array): number {
  return crc32c(valueHashSeed(volume), value);
}

function valueHashSeed({ features, superblock, checksumSeed }: Volume): number {
  if (features.metadataCsum) return checksumSeed;
  if ((features.incompat & incompatFeature.metadata_csum_seed) !== 0) return superblock.checksumSeed;
  return crc32c(0xffff_ffff, superblock.uuid);
}

/** The name's part of e_hash: rotated by 5 bits a byte. Kernels before 6.2 took bytes as signed where chars are. */
function hashName(name: Uint8Array | Int8Array): number {
  let hash = 0;
  for (let at = 0; at < name.length; at++) hash = (hash << 5) ^ (hash >>> 27) ^ name[at]!;
  return hash;
}

/** e_hash of an entry whose value is in an inode: the name's, then the value's hash as one word. */
export function hashInodeEntry(name: Uint8Array | Int8Array, hashOfValue: number): number {
  return addWord(hashName(name), hashOfValue) >>> 0;
}

/** e_hash of an entry of a block whose value is there as well: the name's, then the value's words, the last padded with zeros. */
export function hashBlockEntry(name: Uint8Array, value: Uint8Array): number {
  let hash = hashName(name);
  for (let at = 0; at < value.length; at += 4) {
    const word = value[at]! | ((value[at + 1] ?? 0) << 8) | ((value[at + 2] ?? 0) << 16) | ((value[at + 3] ?? 0) << 24);
    hash = addWord(hash, word);
  }
  return hash >>> 0;
}

function addWord(hash: number, word: number): number {
  return (hash << 16) ^ (hash >>> 16) ^ word;
}

/** h_hash of a block from its entries' e_hash. Zero, which says "not to be shared", when one of them has none. */
export function hashBlock(entryHashes: Iterable<number>): number {
  let hash = 0;
  for (const entry of entryHashes) {
    if (entry === 0) return 0;
    hash = addWord(hash, entry);
  }
  return hash >>> 0;
}
