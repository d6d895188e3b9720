import { type CachedBlock, Verified } from "../cache/block-cache.js";
import { CorruptionError } from "../errors.js";
import {
  QUOTA_BLOCK_SIZE,
  QUOTA_ROOT,
  QUOTA_VERSION,
  QuotaHeaderLayout,
  type QuotaHeaderView,
  quotaMagics,
} from "../format/quota.js";
import { cachedInode } from "../inode/cached-inode.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import { readFileBlock } from "../map/read-data.js";
import { getFileBlockForWrite } from "../map/write-data.js";
import type { Volume } from "../volume.js";

/**
 * The blocks of a quota file: 1 KiB each, so that a block of the file system holds one or more of them. Block 0 is the header.
 */
export class QuotaBlocks {
  readonly volume: Volume;
  readonly ino: number;
  readonly #type: number;
  readonly #perBlock: number;
  readonly #header: QuotaHeaderView = QuotaHeaderLayout.at(new DataView(new ArrayBuffer(QUOTA_BLOCK_SIZE)), 0);

  /** @param type 0 user, 1 group, 2 project */
  constructor(volume: Volume, type: number, ino: number) {
    this.volume = volume;
    this.ino = ino;
    this.#type = type;
    this.#perBlock = volume.geometry.blockSize / QUOTA_BLOCK_SIZE;
  }

  get #inode(): Inode {
    return cachedInode(this.volume, this.ino);
  }

  /** The header, in place: valid until the next call. @throws CorruptionError quota-file */
  header(): QuotaHeaderView {
    const block = this.#readAny(0);
    const header = this.#header.at(block.view, 0);
    if (block.verifiedFor !== this.ino) {
      const { magic, version, blocks } = header;
      if (magic !== quotaMagics[this.#type] || version !== QUOTA_VERSION) {
        throw this.corrupt(0, `magic number 0x${magic.toString(16)}, version ${version}`);
      }
      const most = Math.ceil(this.#inode.size / QUOTA_BLOCK_SIZE);
      if (blocks <= QUOTA_ROOT || blocks > most) throw this.corrupt(0, `${blocks} blocks in a file of ${most}`);
      block.verifiedFor = this.ino;
    }
    return header;
  }

  /** As `header`, to be changed. */
  changeHeader(handle: Handle): QuotaHeaderView {
    const header = this.header();
    handle.modify(this.#readAny(0));
    return header;
  }

  /** Checks a number of a block that the file names; the header and the root are named by nothing. */
  check(block: number, from: number): number {
    const { blocks } = this.header();
    if (!(block > QUOTA_ROOT && block < blocks)) {
      throw this.corrupt(from, `block ${block} of ${blocks}`);
    }
    return block;
  }

  /** The cached block that holds a checked block of the file. */
  read(block: number): CachedBlock {
    return this.#readAny(block);
  }

  /** As `read`, to be changed. */
  change(handle: Handle, block: number): CachedBlock {
    const cached = this.#readAny(block);
    handle.modify(cached);
    return cached;
  }

  /** Byte offset of a block of the file in its cached block. */
  offset(block: number): number {
    return (block % this.#perBlock) * QUOTA_BLOCK_SIZE;
  }

  /** A block of zeros: an unused one, or a new one at the end of the file. @throws FileSystemError ENOSPC */
  allocate(handle: Handle): number {
    const header = this.changeHeader(handle);
    const { freeBlock, blocks } = header;
    if (freeBlock !== 0) {
      this.check(freeBlock, 0);
      const cached = this.change(handle, freeBlock);
      const offset = this.offset(freeBlock);
      const next = cached.view.getUint32(offset, true);
      if (next !== 0) this.check(next, freeBlock);
      this.header().freeBlock = next;
      cached.data.fill(0, offset, offset + QUOTA_BLOCK_SIZE);
      return freeBlock;
    }
    const inode = this.#inode;
    // Whoever is counted: the file is the file system's own.
    const cached = handle.asNeeded(() => getFileBlockForWrite(handle, inode, Math.floor(blocks / this.#perBlock)));
    const offset = this.offset(blocks);
    cached.data.fill(0, offset, offset + QUOTA_BLOCK_SIZE);
    handle.modifyInode(inode);
    inode.size = Math.max(inode.size, (blocks + 1) * QUOTA_BLOCK_SIZE);
    this.header().blocks = blocks + 1;
    return blocks;
  }

  /** Puts a block on the list of unused ones. */
  free(handle: Handle, block: number): void {
    const cached = this.change(handle, block);
    const offset = this.offset(block);
    const header = this.changeHeader(handle);
    cached.data.fill(0, offset, offset + QUOTA_BLOCK_SIZE);
    cached.view.setUint32(offset, header.freeBlock, true);
    header.freeBlock = block;
  }

  /** As `read`, where it is known which block of the file system it is. */
  readAt(block: number, place: number): CachedBlock {
    return this.#own(block, this.volume.cache.read(place));
  }

  /** Somebody else may be in the middle of it: a directory of which it is a leaf, for which another block is allocated, and charged. */
  #own(block: number, cached: CachedBlock): CachedBlock {
    if (cached.verifiedAs === Verified.quota) return cached;
    if (cached.verifiedAs !== 0) throw this.corrupt(block, `block ${cached.block} is in use for something else`);
    cached.verifiedAs = Verified.quota;
    cached.verifiedFor = 0;
    return cached;
  }

  #readAny(block: number): CachedBlock {
    const cached = readFileBlock(this.volume, this.#inode, Math.floor(block / this.#perBlock));
    if (cached === undefined) throw this.corrupt(block, "a hole");
    return this.#own(block, cached);
  }

  corrupt(block: number, evidence: string): CorruptionError {
    return new CorruptionError(
      "quota-file",
      { inode: this.ino, fileBlock: Math.floor(block / this.#perBlock) },
      evidence,
    );
  }
}
