/** A server that allocates blocks when they are written to, over a device whose free blocks hold somebody's old bytes. */
import {
  DeviceRegistry,
  type HostDevice,
  IomapHost,
  type Mapping,
  MappingFlag,
  type MappingServer,
  MappingType,
  NULL_ADDR,
  Operation,
} from "@bulkhead/iomap";

export const BLOCK = 512;
export const MAX_BYTES = 1 << 20;
const EIO = 5;
const ENOSPC = 28;
/** What a reader must never see. */
export const STALE = 0xa5;

/** How fresh space is handed out: as unwritten, as mapped and new, or (for space that is shared) as a copy elsewhere. */
export type Allocation = "unwritten" | "new" | "copy";

export class File {
  size = 0;
  /** Device block of each file block that has one. */
  readonly blocks = new Map<number, { at: number; written: boolean }>();
  /** Files of up to this many bytes live in the server. */
  inlineCapacity = 0;
  inline: Uint8Array | undefined;
}

/** One call of `end`. */
export interface Ended {
  readonly pos: number;
  readonly count: number;
  readonly written: number;
  readonly operation: number;
  readonly type: number;
  readonly flags: number;
}

export class AllocatingServer implements MappingServer<File> {
  readonly ends: Ended[] = [];
  allocation: Allocation;
  /** Blocks that a mapping has at most. */
  run = 3;
  /** What `end` answers. */
  answer = 0;
  readonly #dev: number;
  #free: number;

  constructor(dev: number, allocation: Allocation, blocks: number) {
    this.#dev = dev;
    this.allocation = allocation;
    this.#free = blocks;
  }

  begin(file: File, pos: number, count: number, operation: number, read: Mapping, write: Mapping): number {
    const offset = Math.floor(pos / BLOCK) * BLOCK;
    const writes = (operation & Operation.write) !== 0;
    if (this.#isInline(file, writes, pos + count)) {
      read.set(MappingType.inline, 0, BLOCK, NULL_ADDR, 0);
      write.set(MappingType.pureOverwrite, 0, BLOCK, NULL_ADDR, 0);
      return 0;
    }
    const wanted = Math.min(this.run, Math.ceil((pos + count - offset) / BLOCK));
    const first = offset / BLOCK;
    write.set(MappingType.pureOverwrite, offset, BLOCK, NULL_ADDR, 0);
    const old = file.blocks.get(first);
    if (old === undefined && writes) {
      if (this.#free < wanted) return -ENOSPC;
      this.#allocate(file, first, wanted, read);
    } else if (old === undefined) {
      read.set(MappingType.hole, offset, BLOCK, NULL_ADDR, 0);
    } else {
      const type = old.written ? MappingType.mapped : MappingType.unwritten;
      read.set(type, offset, BLOCK, old.at * BLOCK, this.#dev);
      if (writes && this.allocation === "copy") {
        if (this.#free === 0) return -ENOSPC;
        write.set(MappingType.mapped, offset, BLOCK, --this.#free * BLOCK, this.#dev, MappingFlag.shared);
      }
    }
    return 0;
  }

  /** Allocates from the end of the device, so that a run goes on where the one before began. */
  #allocate(file: File, first: number, wanted: number, out: Mapping): void {
    let count = 1;
    while (count < wanted && !file.blocks.has(first + count)) count++;
    this.#free -= count;
    const fresh = this.allocation === "unwritten";
    for (let n = 0; n < count; n++) file.blocks.set(first + n, { at: this.#free + n, written: !fresh });
    const type = fresh ? MappingType.unwritten : MappingType.mapped;
    const flags = fresh ? 0 : MappingFlag.new;
    out.set(type, first * BLOCK, count * BLOCK, this.#free * BLOCK, this.#dev, flags);
  }

  #isInline(file: File, writes: boolean, end: number): boolean {
    if (file.inline === undefined) return false;
    if (!writes || end <= file.inlineCapacity) return true;
    file.inline = undefined; // only an empty one outgrows its inode in these tests
    return false;
  }

  end(file: File, pos: number, count: number, written: number, operation: number, mapping: Mapping): number {
    this.ends.push({ pos, count, written, operation, type: mapping.type, flags: mapping.flags });
    if (this.answer !== 0) return this.answer;
    for (let at = mapping.offset; at < pos + written; at += BLOCK) {
      const addr = (mapping.addr + at - mapping.offset) / BLOCK;
      if (at + BLOCK > pos) file.blocks.set(at / BLOCK, { at: addr, written: true });
    }
    file.size = Math.max(file.size, pos + written);
    return 0;
  }

  readInline(file: File, pos: number, target: Uint8Array): number {
    const data = file.inline!.subarray(pos, Math.min(file.size, pos + target.length));
    target.set(data);
    return data.length;
  }

  writeInline(file: File, pos: number, source: Uint8Array): number {
    if (pos + source.length > file.inline!.length) return -EIO;
    file.inline!.set(source, pos);
    file.size = Math.max(file.size, pos + source.length);
    return source.length;
  }

  /** Cuts a file: what a file system does for truncate, the host's part aside. */
  cut(file: File, size: number): void {
    file.size = size;
    for (const block of file.blocks.keys()) if (block * BLOCK >= size) file.blocks.delete(block);
  }
}

export interface Bench {
  readonly bytes: Uint8Array;
  readonly server: AllocatingServer;
  readonly host: IomapHost<File>;
  /** What the device was asked to write, as [offset, length]. */
  readonly writes: [number, number][];
  /** What the device threw. */
  readonly errors: unknown[];
  /** Writes that reach this address fail. */
  failAt: number;
}

export function bench(allocation: Allocation, blocks = 4096, device: Partial<HostDevice> = {}): Bench {
  const bytes = new Uint8Array(blocks * BLOCK).fill(STALE);
  const devices = new DeviceRegistry();
  const made: { -readonly [K in keyof Bench]?: Bench[K] } = { bytes, writes: [], errors: [], failAt: Infinity };
  const dev = devices.add({
    size: bytes.length,
    read: (offset, target) => target.set(bytes.subarray(offset, offset + target.length)),
    write(offset, source) {
      if (offset + source.length > made.failAt!) throw new Error("worn out");
      made.writes!.push([offset, source.length]);
      bytes.set(source, offset);
    },
    ...device,
  });
  made.server = new AllocatingServer(dev, allocation, blocks);
  const limits = { blockSize: BLOCK, maxBytes: MAX_BYTES };
  made.host = new IomapHost(made.server, devices, limits, (error) => made.errors!.push(error));
  return made as Bench;
}
