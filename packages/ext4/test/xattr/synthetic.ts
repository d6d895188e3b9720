import { BlockCache } from "../../src/cache/block-cache.js";
import { MemoryDevice } from "../../src/device/memory.js";
import { XATTR_MAGIC } from "../../src/format/xattr.js";
import { Inode } from "../../src/inode/inode.js";
import type { Volume } from "../../src/volume.js";
import { xattrBlockChecksum } from "../../src/xattr/in-block.js";

export const BLOCK_SIZE = 1024;
export const BLOCK_COUNT = 16;
export const INODE_SIZE = 256;
/** Bytes of i_extra_isize; the attributes' magic number follows at 128 + 32. */
export const EXTRA_SIZE = 32;
export const SEED = 0x1234_5678;

/** What of a volume the attributes' code looks at, over a device of zeros. */
export function syntheticVolume(features: { eaInode?: boolean; metadataCsum?: boolean } = {}): {
  volume: Volume;
  device: MemoryDevice;
} {
  const device = new MemoryDevice(new Uint8Array(BLOCK_SIZE * BLOCK_COUNT));
  const volume = {
    device,
    cache: new BlockCache(device, BLOCK_SIZE, BLOCK_COUNT, 0),
    checksumSeed: features.metadataCsum === true ? SEED : 0,
    features: { eaInode: false, metadataCsum: false, ...features },
    geometry: {
      blockSize: BLOCK_SIZE,
      blockCount: BLOCK_COUNT,
      firstDataBlock: 1,
      firstInode: 11,
      inodeCount: 64,
      inodeSize: INODE_SIZE,
    },
  };
  return { volume: volume as unknown as Volume, device };
}

export interface Attribute {
  readonly index: number;
  readonly name: string;
  readonly value?: Uint8Array;
  readonly valueInode?: number;
  readonly valueSize?: number;
  readonly valueOffset?: number;
}

/** Lays out entries from `first` upwards and values from the end downwards, as ext4 does. */
export function writeEntries(
  data: Uint8Array,
  first: number,
  valueBase: number,
  attributes: readonly Attribute[],
): void {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  let entry = first;
  let end = data.length;
  for (const { index, name, value = new Uint8Array(0), valueInode = 0, valueSize, valueOffset } of attributes) {
    if (valueInode === 0) end -= (value.length + 3) & ~3;
    view.setUint8(entry, name.length);
    view.setUint8(entry + 1, index);
    view.setUint16(entry + 2, valueOffset ?? end - valueBase, true);
    view.setUint32(entry + 4, valueInode, true);
    view.setUint32(entry + 8, valueSize ?? value.length, true);
    for (let at = 0; at < name.length; at++) data[entry + 16 + at] = name.charCodeAt(at);
    if (valueInode === 0) data.set(value, end);
    entry += 16 + ((name.length + 3) & ~3);
  }
}

/** A regular file's inode with these attributes inside. */
export function inodeWith(attributes: readonly Attribute[], fileAcl = 0): Inode {
  const raw = new Uint8Array(INODE_SIZE);
  const inode = new Inode(20, raw);
  inode.mode = 0o100644;
  inode.fileAcl = fileAcl;
  inode.view.setUint16(128, EXTRA_SIZE, true);
  inode.view.setUint32(128 + EXTRA_SIZE, XATTR_MAGIC, true);
  const first = 128 + EXTRA_SIZE + 4;
  writeEntries(raw, first, first, attributes);
  return inode;
}

/** Writes a block of attributes, with its checksum. */
export function writeBlock(device: MemoryDevice, block: number, attributes: readonly Attribute[]): DataView {
  const data = device.bytes.subarray(block * BLOCK_SIZE, (block + 1) * BLOCK_SIZE);
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  view.setUint32(0, XATTR_MAGIC, true);
  view.setUint32(4, 1, true);
  view.setUint32(8, 1, true);
  writeEntries(data, 32, 0, attributes);
  view.setUint32(16, xattrBlockChecksum(SEED, block, data), true);
  return view;
}

export function text(value: string): Uint8Array {
  return Uint8Array.from(value, (char) => char.charCodeAt(0));
}
