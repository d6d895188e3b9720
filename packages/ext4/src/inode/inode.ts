import { crc32cLe32 } from "../checksum/crc32c.js";
import { FileType, I_BLOCK_OFFSET, I_BLOCK_SIZE, InodeFlag } from "../format/inode.js";

/**
 * One inode, decoded and verified. Plain numbers, so that answering a stat allocates nothing; `raw` keeps the bytes for what
 * lives inside the inode (the extent root, inline data, in-inode attributes).
 */
export class Inode {
  readonly ino: number;
  /** The whole on-disk inode, `s_inode_size` bytes. */
  readonly raw: Uint8Array;
  readonly view: DataView;
  /** File type and permission bits, as in stat. */
  mode = 0;
  uid = 0;
  gid = 0;
  /** Bytes. */
  size = 0;
  /** Units of 512 bytes, as the inode counts them; stat adds to it, see `statBlocks`. */
  blocks = 0;
  linksCount = 0;
  /** i_flags; see InodeFlag. */
  flags = 0;
  generation = 0;
  /** Seconds since 1970, negative before, and nanoseconds. */
  atime = 0;
  atimeNanoseconds = 0;
  mtime = 0;
  mtimeNanoseconds = 0;
  ctime = 0;
  ctimeNanoseconds = 0;
  crtime = 0;
  crtimeNanoseconds = 0;
  /** Whether the inode is big enough to have crtime. */
  hasCrtime = false;
  /** Deletion time, or the next inode on the orphan list. */
  dtime = 0;
  /** Block of the extended attributes, 0 if none. */
  fileAcl = 0;
  /** Bytes of the inode past the first 128 that its fixed fields take: i_extra_isize. */
  extraSize = 0;
  projectId = 0;
  /** Device number of a device file in the kernel's user-space encoding (new_encode_dev), else 0. */
  rdev = 0;
  /** Seed of the checksums of what belongs to this inode: extent blocks, directory blocks. 0 without metadata_csum. */
  checksumSeed = 0;
  /** Whether attributes were found neither in the inode nor in a block: a stat-heavy caller asks often. */
  noXattrs = false;
  /** Number of the handle that changes it. */
  modifiedIn = 0;
  /** Number of the handle that allocated it: there is nothing to go back to when that is undone. */
  createdIn = 0;
  /** Numbers of the transactions that changed it last, and that changed what fdatasync has to bring to the device; 0 if none, or durable when it was read. */
  syncTransaction = 0;
  dataSyncTransaction = 0;
  /** Of a directory: counts the changes of its entries, for who keeps what it has read of them. */
  entryChanges = 0;
  /** File block where what was converted last from unwritten ends, and how many of its last blocks are zeros: see iomap/zero-ahead.ts. */
  convertedTo = 0;
  zeroedAhead = 0;
  /** Whether the extent root in i_block was found right; its checks run once, see map/extent-node. */
  extentRootVerified = false;

  constructor(ino: number, raw: Uint8Array) {
    this.ino = ino;
    this.raw = raw;
    this.view = new DataView(raw.buffer, raw.byteOffset, raw.length);
  }

  get type(): number {
    return this.mode & FileType.mask;
  }
  get isDirectory(): boolean {
    return (this.mode & FileType.mask) === FileType.directory;
  }
  get isRegular(): boolean {
    return (this.mode & FileType.mask) === FileType.regular;
  }
  get isSymlink(): boolean {
    return (this.mode & FileType.mask) === FileType.symlink;
  }
  /** st_blocks: a file whose data is inside the inode shows that data as well, so that nobody takes it for sparse. */
  get statBlocks(): number {
    return this.isRegular && this.hasInlineData ? this.blocks + Math.ceil(this.size / 512) : this.blocks;
  }
  has(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }
  get hasExtents(): boolean {
    return (this.flags & InodeFlag.extents) !== 0;
  }
  get hasInlineData(): boolean {
    return (this.flags & InodeFlag.inlineData) !== 0;
  }
  /** The 60 bytes of i_block, in place. */
  get block(): Uint8Array {
    return this.raw.subarray(I_BLOCK_OFFSET, I_BLOCK_OFFSET + I_BLOCK_SIZE);
  }
}

/** The seed that checksums of an inode and its blocks start from. */
export function inodeChecksumSeed(filesystemSeed: number, ino: number, generation: number): number {
  return crc32cLe32(crc32cLe32(filesystemSeed, ino), generation);
}
