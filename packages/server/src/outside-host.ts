import { type FileSystem, type Inode, isEngineError } from "@bulkhead/ext4";
import type { Notifier } from "@bulkhead/fuse";
import { type Mapping, MappingType } from "@bulkhead/iomap/in-process";

/** A connection whose other end may do the file I/O itself (fuse-iomap): a kernel that can, or a program at a socket. */
export interface IomapOptions {
  /**
   * Called when the host has agreed, in the first request: makes the device known to it. The number that mappings are to name it by.
   *
   * @throws what then ends the connection
   */
  readonly register: () => number;
  /** How the host is told what changes besides its own doing. */
  readonly notifier: () => Notifier;
  /** Whether mappings go to the host's cache, so that it does not ask again where it reads and overwrites. Default true. */
  readonly cacheMappings?: boolean;
  /** Whether the device writes a block wholly or not at all. Default false. */
  readonly atomicWrites?: boolean;
  /** What the host may call the file system; 31 bytes are used. */
  readonly name?: string;
}

/** A range of a file in whole blocks. */
type Range = { readonly offset: number } & ({ readonly length: number } | typeof TO_EOF);

/** To the end of whatever file; the halves of 2^64 - 1. */
const TO_EOF = { lengthLo: 0xffff_ffff, lengthHi: 0xffff_ffff };
/** No address; the same. */
const NO_ADDRESS = { addrLo: 0xffff_ffff, addrHi: 0xffff_ffff };

/** The host of a connection on which iomap was agreed. */
export class OutsideHost {
  readonly #fs: FileSystem;
  readonly #options: IomapOptions;
  readonly #blockSize: number;
  #started = false;

  constructor(fs: FileSystem, options: IomapOptions) {
    this.#fs = fs;
    this.#options = options;
    this.#blockSize = fs.geometry.blockSize;
  }

  get name(): string {
    return this.#options.name ?? "";
  }

  get cachesMappings(): boolean {
    return this.#options.cacheMappings ?? true;
  }

  /**
   * Makes the device known, and from here on tells of blocks that were ours: what the host's end of the device has cached of them is
   * no file's data. All that was written so far is on the device, where the host will look for it.
   */
  start(): void {
    const fs = this.#fs;
    if (this.#started) return;
    fs.atomicWrites = this.#options.atomicWrites ?? false;
    fs.sync();
    fs.device.flush();
    const dev = this.#options.register();
    this.#started = true;
    fs.deviceId = dev;
    const blockSize = this.#blockSize;
    fs.onHandOver((block, count) => {
      const range = { offset: block * blockSize, length: count * blockSize };
      this.#options.notifier().iomapDevInval({ dev, range });
    });
  }

  /**
   * Whether the file I/O of an inode is the host's, for as long as it knows the inode. What goes through the journal cannot be.
   */
  owns(inode: Inode): boolean {
    return inode.isRegular && !this.#fs.ownsData(inode);
  }

  /**
   * Puts a mapping into the host's cache.
   *
   * @returns false where the host has no use for it: it gets the mapping as an answer then
   */
  cache(nodeid: number, inode: Inode, mapping: Readonly<Mapping>): boolean {
    const { type, offset, length, addr, dev, flags } = mapping;
    const address = type === MappingType.mapped || type === MappingType.unwritten ? { addr } : NO_ADDRESS;
    const read = { offset, length, ...address, type, flags, dev };
    const write = { offset, length, ...NO_ADDRESS, type: MappingType.pureOverwrite, flags: 0, dev: 0 };
    const verdict = this.#options.notifier().iomapUpsertMappings({ nodeid, attr_ino: inode.ino, read, write });
    return verdict === 0;
  }

  /**
   * Has the host forget where a file's data lies from byte `from` on: an operation that it asked for failed half way, and what was
   * freed may be used again.
   */
  forget(nodeid: number, inode: Inode, from: number): void {
    this.#invalidate(nodeid, inode, { offset: this.#blockOf(from), ...TO_EOF });
  }

  /** Runs a change of size that the host asks for, or one that frees blocks. */
  guarded(nodeid: number, inode: Inode, from: number, change: () => void): void {
    const { size } = inode;
    try {
      change();
    } catch (error) {
      if (isEngineError(error)) this.forget(nodeid, inode, from);
      throw error;
    }
    this.grew(nodeid, inode, size, inode.size);
  }

  /**
   * Has the host forget where that part of a file lies that was behind its end: what it was told is durable is not enough any more to
   * find what it writes there.
   *
   * @param size that the file had, bytes
   * @param end byte from whose block on the host forgets by itself
   */
  grew(nodeid: number, inode: Inode, size: number, end: number): void {
    const offset = this.#blockOf(size);
    const length = this.#blockOf(end) - offset;
    if (!this.cachesMappings || inode.size <= size || length <= 0) return;
    this.#invalidate(nodeid, inode, { offset, length });
  }

  #blockOf(pos: number): number {
    return pos - (pos % this.#blockSize);
  }

  #invalidate(nodeid: number, inode: Inode, range: Range): void {
    this.#options.notifier().iomapInvalMappings({ nodeid, attr_ino: inode.ino, read: range, write: range });
  }
}
