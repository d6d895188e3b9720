/**
 * Changes metadata of an image in memory by name (the inode of a path, a block of a file) and makes the checksum of what was
 * changed right again, so that the rule behind the checksum is reached. The checksums are computed here by the format's
 * description, not by the engine's rooms.
 */
import { BlockMapping, crc32c, FileSystem, type Inode, InodeLayout, MappingType, MemoryDevice } from "@bulkhead/ext4";

export const SUPERBLOCK = 1024;
const CHECKSUM = 0x3fc;
const I_BLOCK = 0x28;
const ROOT = 2;
const encoder = new TextEncoder();

export class Editor {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** The undamaged file system, to find places with. */
  readonly fs: FileSystem;
  readonly blockSize: number;

  /** @param image is not changed */
  constructor(image: Uint8Array) {
    this.bytes = image.slice();
    this.view = new DataView(this.bytes.buffer);
    this.fs = FileSystem.mount(new MemoryDevice(image, { readOnly: true }), { loadJournal: false });
    this.blockSize = this.fs.geometry.blockSize;
  }

  inode(path: string): Inode {
    let inode = this.fs.inode(ROOT);
    for (const name of path.split("/").filter((part) => part !== "")) {
      const ino = this.fs.lookup(inode, encoder.encode(name));
      if (ino === 0) throw new Error(`no ${path}`);
      inode = this.fs.inode(ino);
    }
    return inode;
  }

  /** Byte offset of an on-disk inode. All inodes of a specimen are in group 0. */
  inodeAt(ino: number): number {
    const { inodeSize, inodesPerGroup } = this.fs.geometry;
    if (ino > inodesPerGroup) throw new Error(`inode ${ino} is not in group 0`);
    return this.u32(this.descriptorAt() + 8) * this.blockSize + (ino - 1) * inodeSize;
  }

  /** Byte offset of the first group descriptor: of the block behind the superblock's, which is never in the first KiB. */
  descriptorAt(): number {
    return Math.max(2 * SUPERBLOCK, (this.fs.geometry.firstDataBlock + 1) * this.blockSize);
  }

  /** Byte offset of a field of the inode of a path, or of an inode by number. */
  field(of: string | number, name: keyof typeof InodeLayout.offset): number {
    return this.inodeAt(typeof of === "number" ? of : this.inode(of).ino) + InodeLayout.offset[name];
  }

  /** Byte offset of a word of i_block. */
  pointer(path: string, index: number): number {
    return this.inodeAt(this.inode(path).ino) + I_BLOCK + 4 * index;
  }

  /** Byte offset of a block of a file or directory. */
  block(of: string | Inode, fileBlock: number): number {
    const mapping = new BlockMapping();
    this.fs.mapBlocks(typeof of === "string" ? this.inode(of) : of, fileBlock, mapping);
    if (mapping.type !== MappingType.mapped) throw new Error(`block ${fileBlock} of ${of} is not mapped`);
    return mapping.block * this.blockSize;
  }

  u16(at: number): number {
    return this.view.getUint16(at, true);
  }
  u32(at: number): number {
    return this.view.getUint32(at, true);
  }
  set16(at: number, value: number): void {
    this.view.setUint16(at, value, true);
  }
  set32(at: number, value: number): void {
    this.view.setUint32(at, value, true);
  }
  flip(at: number): void {
    this.bytes[at]! ^= 0xff;
  }

  fixSuperblock(): void {
    this.set32(SUPERBLOCK + CHECKSUM, crc32c(0xffff_ffff, this.bytes, SUPERBLOCK, SUPERBLOCK + CHECKSUM));
  }

  /** The seed of all checksums of metadata: the UUID's. */
  #seed(): number {
    return crc32c(0xffff_ffff, this.bytes, SUPERBLOCK + 0x68, SUPERBLOCK + 0x78);
  }

  #inodeSeed(ino: number): number {
    const numbers = new Uint8Array(8);
    const view = new DataView(numbers.buffer);
    view.setUint32(0, ino, true);
    view.setUint32(4, this.u32(this.inodeAt(ino) + InodeLayout.offset.generation), true);
    return crc32c(this.#seed(), numbers);
  }

  fixInode(ino: number): void {
    const at = this.inodeAt(ino);
    this.set16(at + InodeLayout.offset.checksumLo, 0);
    this.set16(at + InodeLayout.offset.checksumHi, 0);
    const sum = crc32c(this.#inodeSeed(ino), this.bytes, at, at + this.fs.geometry.inodeSize);
    this.set16(at + InodeLayout.offset.checksumLo, sum & 0xffff);
    this.set16(at + InodeLayout.offset.checksumHi, sum >>> 16);
  }

  /** The checksum behind the entries of an index block whose count and limit are at byte `entries` of it. */
  fixIndexBlock(ino: number, at: number, entries: number): void {
    const limit = this.u16(at + entries);
    const count = this.u16(at + entries + 2);
    const tail = at + entries + 8 * limit;
    this.set32(tail + 4, 0);
    const sum = crc32c(this.#inodeSeed(ino), this.bytes, at, at + entries + 8 * count);
    this.set32(tail + 4, crc32c(sum, this.bytes, tail, tail + 8));
  }
}
