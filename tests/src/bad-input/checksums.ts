/** Makes the checksums of damaged metadata right again: of superblock, descriptors, bitmaps and inodes, computed by the format's description. */
import {
  crc32c,
  GroupDescriptorLayout as Descriptor,
  InodeLayout,
  roCompatFeature,
  SuperblockLayout,
} from "@bulkhead/ext4";

const SUPERBLOCK = 1024;
const at = SuperblockLayout.offset;
const ALL = 0xffff_ffff;

/** CRC-16 (ANSI), reflected: of descriptors without metadata_csum. */
function crc16(seed: number, bytes: Uint8Array): number {
  let sum = seed;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum & 1) === 0 ? sum >>> 1 : (sum >>> 1) ^ 0xa001;
  }
  return sum;
}

function le32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

/** Changes nothing in an image that has no checksums, and what it can in one whose geometry is damaged. */
export function fixChecksums(image: Uint8Array): void {
  const view = new DataView(image.buffer, image.byteOffset, image.length);
  const u32 = (offset: number) => view.getUint32(SUPERBLOCK + offset, true);
  const roCompat = u32(at.featureRoCompat);
  const checksums = (roCompat & roCompatFeature.metadata_csum) !== 0;
  if (!checksums && (roCompat & roCompatFeature.uninit_bg) === 0) return;
  const blockSize = 1024 << (u32(at.logBlockSize) & 7);
  const size = (u32(at.featureIncompat) & 0x80) === 0 ? 32 : view.getUint16(SUPERBLOCK + at.descriptorSize, true);
  const groups = Math.ceil((u32(at.blocksCountLo) - u32(at.firstDataBlock)) / u32(at.blocksPerGroup));
  const inodes = u32(at.inodesPerGroup);
  const inodeSize = view.getUint16(SUPERBLOCK + at.inodeSize, true);
  const uuid = image.subarray(SUPERBLOCK + 0x68, SUPERBLOCK + 0x78);
  const seed = crc32c(ALL, uuid);
  const table = (u32(at.firstDataBlock) + 1) * blockSize;
  if (groups > 64 || inodes > 4096 || inodeSize < 128 || inodeSize > 1024 || size < 32 || size > 1024) return;
  for (let group = 0; group < groups; group++) {
    const start = table + group * size;
    if (start + size > image.length) return;
    const field = (name: keyof typeof Descriptor.offset) => start + Descriptor.offset[name];
    if (checksums) {
      const blockBitmap = view.getUint32(field("blockBitmapLo"), true) * blockSize;
      const inodeBitmap = view.getUint32(field("inodeBitmapLo"), true) * blockSize;
      const perGroup = u32(at.clustersPerGroup) >>> 3;
      if (blockBitmap + perGroup <= image.length) {
        const sum = crc32c(seed, image, blockBitmap, blockBitmap + perGroup);
        view.setUint16(field("blockBitmapChecksumLo"), sum & 0xffff, true);
        if (size >= 64) view.setUint16(field("blockBitmapChecksumHi"), sum >>> 16, true);
      }
      if (inodeBitmap + (inodes >>> 3) <= image.length) {
        const sum = crc32c(seed, image, inodeBitmap, inodeBitmap + (inodes >>> 3));
        view.setUint16(field("inodeBitmapChecksumLo"), sum & 0xffff, true);
        if (size >= 64) view.setUint16(field("inodeBitmapChecksumHi"), sum >>> 16, true);
      }
      fixInodes(
        image,
        view,
        view.getUint32(field("inodeTableLo"), true) * blockSize,
        group * inodes,
        inodes,
        inodeSize,
        seed,
      );
    }
    view.setUint16(field("checksum"), 0, true);
    const descriptor = image.slice(start, start + size);
    if (checksums) view.setUint16(field("checksum"), crc32c(crc32c(seed, le32(group)), descriptor) & 0xffff, true);
    else {
      const without = new Uint8Array([...descriptor.subarray(0, 0x1e), ...descriptor.subarray(0x20)]);
      view.setUint16(field("checksum"), crc16(crc16(crc16(0xffff, uuid), le32(group)), without), true);
    }
  }
  if (checksums)
    view.setUint32(SUPERBLOCK + at.checksum, crc32c(ALL, image, SUPERBLOCK, SUPERBLOCK + at.checksum), true);
}

function fixInodes(
  image: Uint8Array,
  view: DataView,
  table: number,
  before: number,
  count: number,
  size: number,
  fsSeed: number,
): void {
  const { mode, generation, checksumLo, checksumHi } = InodeLayout.offset;
  for (let index = 0; index < count; index++) {
    const start = table + index * size;
    if (start + size > image.length) return;
    if (view.getUint16(start + mode, true) === 0) continue;
    view.setUint16(start + checksumLo, 0, true);
    const high = size > 128 && view.getUint16(start + InodeLayout.offset.extraInodeSize, true) >= 4;
    if (high) view.setUint16(start + checksumHi, 0, true);
    const numbers = new Uint8Array([...le32(before + index + 1), ...le32(view.getUint32(start + generation, true))]);
    const sum = crc32c(crc32c(fsSeed, numbers), image, start, start + size);
    view.setUint16(start + checksumLo, sum & 0xffff, true);
    if (high) view.setUint16(start + checksumHi, sum >>> 16, true);
  }
}
