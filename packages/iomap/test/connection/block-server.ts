/**
 * A small file system for the host to work on: blocks from a device full of old bytes that no reader may see, allocated as unwritten,
 * as mapped and new, or copied at every write. It complains of what a host must not do.
 */
import {
  connectIomap,
  FallocateMode,
  type FileIdentity,
  type HostDevice,
  type Ioend,
  IoendFlag,
  type IomapConnection,
  type IomapFile,
  type IomapOptions,
  type IomapServer,
  Mapping,
  MappingFlag,
  MappingType,
  NULL_ADDR,
  Operation,
} from "@bulkhead/iomap";

export const BLOCK = 1024;
/** What a reader must never see. */
export const STALE = 0xa5;
const ENOSPC = 28;
const WRITING = Operation.write | Operation.zero | Operation.unshare | Operation.writeback;

interface Block {
  readonly at: number;
  written: boolean;
}

export class TestInode implements FileIdentity {
  readonly nodeid: number;
  readonly ino: number;
  /** On disk. */
  size = 0;
  readonly blocks = new Map<number, Block>();
  /** Copies that are written to and not yet part of the file. */
  readonly copies = new Map<number, number>();
  inline: Uint8Array | undefined;

  constructor(nodeid = 100) {
    this.nodeid = nodeid;
    this.ino = nodeid + 1;
  }
}

export type Allocation = "unwritten" | "new" | "copy";

export interface Called {
  readonly what: string;
  readonly pos: number;
  readonly count: number;
  readonly written: number;
  /** Operation or IoendFlag. */
  readonly flags: number;
  readonly mappingFlags: number;
  readonly error: number;
}

export class BlockServer implements IomapServer<TestInode> {
  readonly calls: Called[] = [];
  /** What the host has done wrong. */
  readonly complaints: string[] = [];
  /** Runs inside of every call. */
  onCall: () => void = () => {};
  connection!: IomapConnection<TestInode>;
  dev = 1;
  allocation: Allocation = "unwritten";
  /** Whether mappings are put into the host's cache. */
  caches = false;
  /** Blocks of a mapping at most. */
  run = 4;
  readonly #device: Uint8Array;
  readonly #free: number[] = [];

  constructor(device: Uint8Array) {
    this.#device = device;
    for (let block = device.length / BLOCK - 1; block >= 0; block--) this.#free.push(block);
  }

  get freeBlocks(): number {
    return this.#free.length;
  }

  #log(what: string, pos: number, count: number, written: number, flags: number, mappingFlags = 0, error = 0): void {
    this.calls.push({ what, pos, count, written, flags, mappingFlags, error });
    this.onCall();
  }

  #release(block: number): void {
    this.#device.fill(STALE, block * BLOCK, (block + 1) * BLOCK);
    this.#free.push(block);
  }

  begin(file: TestInode, pos: number, count: number, operation: number, read: Mapping, write: Mapping): number {
    this.#log("begin", pos, count, 0, operation);
    const first = Math.floor(pos / BLOCK);
    if (file.inline !== undefined) {
      const writes = (operation & WRITING) !== 0;
      if (!writes || (pos + count <= file.inline.length && pos < BLOCK)) {
        if (first > 0) read.set(MappingType.hole, first * BLOCK, BLOCK, NULL_ADDR, 0);
        else read.set(MappingType.inline, 0, BLOCK, NULL_ADDR, 0);
        write.set(MappingType.pureOverwrite, read.offset, BLOCK, NULL_ADDR, 0);
        return 0;
      }
      this.#spill(file);
    }
    const failure = this.#map(file, first, pos, count, operation, read, write);
    if (failure !== 0 || !this.caches || write.type !== MappingType.pureOverwrite) return failure;
    // Space that may be taken back again is nothing for a cache, nor is what was there before.
    if ((read.flags & MappingFlag.new) !== 0) {
      return this.connection.invalidate(file.nodeid, file.ino, read, { offset: 0, length: 0 });
    }
    if ((operation & (Operation.atomic | Operation.swapfile)) !== 0) return 0;
    const nothing = new Mapping();
    nothing.set(MappingType.noCache, read.offset, read.length, NULL_ADDR, 0);
    const verdict = this.connection.upsert(file.nodeid, file.ino, read, nothing);
    if (verdict !== 0) {
      this.complaints.push(`upsert answered ${verdict}`);
      return 0;
    }
    read.set(MappingType.retryCache, read.offset, read.length, NULL_ADDR, 0);
    write.copy(read);
    return 0;
  }

  #map(
    file: TestInode,
    first: number,
    pos: number,
    count: number,
    operation: number,
    read: Mapping,
    write: Mapping,
  ): number {
    const end = Math.ceil((pos + count) / BLOCK);
    const wanted = Math.max(1, Math.min(this.run, end - first));
    const zeroes = (operation & (Operation.zero | Operation.unshare)) !== 0;
    const writes = (operation & WRITING) !== 0;
    const old = file.blocks.get(first);
    if (writes && this.allocation === "copy" && old?.written === true)
      return this.#copyOnWrite(file, first, read, write);
    if (writes && !zeroes && !file.blocks.has(first)) {
      const failure = this.#allocate(file, first, wanted);
      if (failure !== 0) return failure;
      const fresh = this.allocation === "new";
      this.#extent(file, first, wanted, read);
      if (fresh) {
        for (let n = first; n < read.end / BLOCK; n++) file.blocks.get(n)!.written = true;
        read.type = MappingType.mapped;
        read.flags = MappingFlag.new;
      }
    } else {
      this.#extent(file, first, zeroes ? end - first : wanted, read);
    }
    write.set(MappingType.pureOverwrite, read.offset, read.length, NULL_ADDR, 0);
    return 0;
  }

  #allocate(file: TestInode, first: number, wanted: number): number {
    for (let n = first; n < first + wanted && !file.blocks.has(n); n++) {
      const at = this.#free.pop();
      if (at === undefined) return n === first ? -ENOSPC : 0;
      file.blocks.set(n, { at, written: false });
    }
    return 0;
  }

  #copyOnWrite(file: TestInode, first: number, read: Mapping, write: Mapping): number {
    const copy = file.copies.get(first) ?? this.#free.pop();
    if (copy === undefined) return -ENOSPC;
    file.copies.set(first, copy);
    this.#extent(file, first, 1, read);
    write.set(MappingType.mapped, first * BLOCK, BLOCK, copy * BLOCK, this.dev, MappingFlag.shared);
    return 0;
  }

  #extent(file: TestInode, first: number, most: number, out: Mapping): void {
    const block = file.blocks.get(first);
    let count = 1;
    if (block === undefined) {
      while (count < most && !file.blocks.has(first + count)) count++;
      out.set(MappingType.hole, first * BLOCK, count * BLOCK, NULL_ADDR, 0);
      return;
    }
    for (; count < most; count++) {
      const next = file.blocks.get(first + count);
      if (next === undefined || next.at !== block.at + count || next.written !== block.written) break;
    }
    const type = block.written ? MappingType.mapped : MappingType.unwritten;
    out.set(type, first * BLOCK, count * BLOCK, block.at * BLOCK, this.dev);
  }

  #spill(file: TestInode): void {
    const data = file.inline!;
    file.inline = undefined;
    if (file.size === 0) return;
    this.#allocate(file, 0, 1);
    const block = file.blocks.get(0)!;
    this.#device.fill(0, block.at * BLOCK, (block.at + 1) * BLOCK);
    this.#device.set(data.subarray(0, file.size), block.at * BLOCK);
    block.written = true;
  }

  end(file: TestInode, pos: number, count: number, written: number, operation: number, mapping: Mapping): number {
    this.#log("end", pos, count, written, operation, mapping.flags);
    if (mapping.type === MappingType.mapped && (mapping.flags & MappingFlag.new) !== 0 && written < count) {
      this.#cut(file, Math.ceil((pos + written) / BLOCK), Math.ceil((pos + count) / BLOCK));
    }
    return 0;
  }

  ioend(file: TestInode, { flags, error, pos, written, newAddr }: Ioend): number {
    this.#log("ioend", pos, 0, written, flags, 0, error);
    if (error !== 0) return error;
    const first = Math.floor(pos / BLOCK);
    const end = Math.ceil((pos + written) / BLOCK);
    if ((flags & IoendFlag.shared) !== 0) {
      for (let n = first; n < end; n++) {
        const copy = file.copies.get(n);
        if (copy === undefined) {
          if (!file.blocks.has(n)) this.complaints.push(`ioend of block ${n}, of which there is no copy`);
          continue;
        }
        if (
          newAddr !== NULL_ADDR &&
          newAddr !== copy * BLOCK + (n === first ? pos - first * BLOCK : 0) &&
          n === first
        ) {
          this.complaints.push(`ioend of block ${n} names ${newAddr}, the copy is at ${copy * BLOCK}`);
        }
        const old = file.blocks.get(n);
        if (old !== undefined) this.#release(old.at);
        file.blocks.set(n, { at: copy, written: true });
        file.copies.delete(n);
      }
    }
    if ((flags & IoendFlag.unwritten) !== 0) {
      for (let n = first; n < end; n++) {
        const block = file.blocks.get(n);
        if (block === undefined) this.complaints.push(`ioend of block ${n}, which has no space`);
        else block.written = true;
      }
    }
    const grows = pos + written > file.size;
    if (grows !== ((flags & IoendFlag.append) !== 0)) this.complaints.push(`ioend to ${pos + written} of ${file.size}`);
    if (grows) file.size = pos + written;
    return file.size;
  }

  readInline(file: TestInode, pos: number, target: Uint8Array): number {
    this.#log("readInline", pos, target.length, 0, 0);
    const data = file.inline!.subarray(pos, Math.max(pos, Math.min(Math.max(file.size, 1), pos + target.length)));
    target.set(data);
    return data.length;
  }

  writeInline(file: TestInode, pos: number, source: Uint8Array): number {
    this.#log("writeInline", pos, source.length, 0, 0);
    file.inline!.set(source, pos);
    file.size = Math.max(file.size, pos + source.length);
    return source.length;
  }

  setSize(file: TestInode, size: number, changes: boolean): number {
    this.#log("setSize", size, 0, 0, changes ? 1 : 0);
    if (file.inline !== undefined && size > file.inline.length) this.#spill(file);
    if (file.inline !== undefined) file.inline.fill(0, size);
    file.size = size;
    this.#cut(file, Math.ceil(size / BLOCK), Infinity);
    return size;
  }

  #cut(file: TestInode, from: number, end: number): void {
    for (const [n, block] of file.blocks) {
      if (n < from || n >= end) continue;
      this.#release(block.at);
      file.blocks.delete(n);
    }
    for (const [n, at] of file.copies) {
      if (n < from || n >= end) continue;
      this.#release(at);
      file.copies.delete(n);
    }
  }

  fallocate(file: TestInode, mode: number, offset: number, length: number): number {
    this.#log("fallocate", offset, length, 0, mode);
    if (file.inline !== undefined) this.#spill(file);
    const end = offset + length;
    if ((mode & (FallocateMode.punchHole | FallocateMode.zeroRange)) !== 0) {
      this.#cut(file, Math.ceil(offset / BLOCK), Math.floor(end / BLOCK));
    }
    if ((mode & FallocateMode.punchHole) === 0 && this.allocation === "unwritten") {
      for (let n = Math.floor(offset / BLOCK); n < Math.ceil(end / BLOCK); n++) this.#allocate(file, n, 1);
    }
    if ((mode & FallocateMode.keepSize) === 0) file.size = Math.max(file.size, end);
    return 0;
  }

  fsync(_file: TestInode, dataOnly: boolean): number {
    this.#log("fsync", 0, 0, 0, dataOnly ? 1 : 0);
    return 0;
  }

  /** What the disk alone says of the file. */
  contents(file: TestInode): Uint8Array {
    if (file.inline !== undefined) return file.inline.slice(0, file.size);
    const data = new Uint8Array(file.size);
    for (const [n, { at, written }] of file.blocks) {
      const length = Math.min(BLOCK, file.size - n * BLOCK);
      if (written && length > 0) data.set(this.#device.subarray(at * BLOCK, at * BLOCK + length), n * BLOCK);
    }
    return data;
  }

  count(what: string): number {
    return this.calls.filter((call) => call.what === what).length;
  }
}

export interface Bench {
  readonly bytes: Uint8Array;
  readonly server: BlockServer;
  readonly connection: IomapConnection<TestInode>;
  readonly inode: TestInode;
  readonly file: IomapFile<TestInode>;
  /** What the host was told to report. */
  readonly errors: unknown[];
  /** Transfers of the device, as [what, offset, length]. */
  readonly transfers: [string, number, number][];
  /** Writes, and reads, that reach this address fail. */
  failWritesAt: number;
  failReadsAt: number;
}

export interface BenchOptions extends IomapOptions {
  readonly allocation?: Allocation;
  readonly caches?: boolean;
  readonly blocks?: number;
  readonly run?: number;
  readonly device?: Partial<HostDevice>;
  readonly inline?: number;
  readonly atomic?: boolean;
}

/** A server with one empty file, and a host for it with a small cache. */
export function bench(options: BenchOptions = {}): Bench {
  const bytes = new Uint8Array((options.blocks ?? 1024) * BLOCK).fill(STALE);
  const server = new BlockServer(bytes);
  const made: { -readonly [K in keyof Bench]?: Bench[K] } = { bytes, server, errors: [], transfers: [] };
  made.failReadsAt = Infinity;
  made.failWritesAt = Infinity;
  const connection = connectIomap(server, {
    blockSize: BLOCK,
    maxBytes: 1 << 24,
    pageCache: { bytes: 64 * 1024, pageBytes: 4096, dirtyBytes: 16 * 1024 },
    onError: (error) => made.errors!.push(error),
    ...options,
  });
  server.connection = connection;
  server.allocation = options.allocation ?? "unwritten";
  server.caches = options.caches ?? false;
  server.run = options.run ?? 4;
  const alignment = options.device?.blockSize ?? 1;
  const check = (offset: number, length: number) => {
    if (offset % alignment !== 0 || length % alignment !== 0) server.complaints.push(`${length} bytes at ${offset}`);
  };
  server.dev = connection.devices.add({
    size: bytes.length,
    read(offset, target) {
      check(offset, target.length);
      if (offset + target.length > made.failReadsAt!) throw new Error("unreadable");
      made.transfers!.push(["read", offset, target.length]);
      target.set(bytes.subarray(offset, offset + target.length));
    },
    write(offset, source) {
      check(offset, source.length);
      if (offset + source.length > made.failWritesAt!) throw new Error("worn out");
      made.transfers!.push(["write", offset, source.length]);
      bytes.set(source, offset);
    },
    ...options.device,
  });
  made.connection = connection;
  made.inode = new TestInode();
  if (options.inline !== undefined) made.inode.inline = new Uint8Array(options.inline);
  made.file = connection.open(made.inode, { size: 0, blockSize: BLOCK, atomic: options.atomic ?? false });
  return made as Bench;
}
