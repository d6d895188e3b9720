/** The host of `@bulkhead/iomap`, with its page cache and its write-back, as the kernel's end of a connection. */
import assert from "node:assert/strict";
import {
  connectIomap,
  type FileIdentity,
  type Ioend,
  type IomapConnection,
  type IomapFile,
  type IomapServer,
  Mapping,
  NULL_ADDR,
} from "@bulkhead/iomap";
import type { Slot } from "./rules.js";
import { slotAt, slotOf } from "./slots.js";
import { DEV, ROOT, Wire, type WireOptions } from "./wire.js";

const FILE = 0o100644;
const SIZE = 8;
const TIMES = 0x420;

/** Answers the host from the server at the wire's other end. */
class WireServer implements IomapServer<FileIdentity> {
  readonly #wire: Wire;

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  begin(
    { nodeid, ino }: FileIdentity,
    pos: number,
    count: number,
    opflags: number,
    read: Mapping,
    write: Mapping,
  ): number {
    const { error, out } = this.#wire.ask("IOMAP_BEGIN", nodeid, { request: { opflags, attr_ino: ino, pos, count } });
    if (error !== 0) return error;
    fill(read, slotOf(out[0]!.read));
    fill(write, slotOf(out[0]!.write));
    return 0;
  }

  end({ nodeid, ino }: FileIdentity, pos: number, count: number, written: number, opflags: number): number {
    return this.#wire.ask("IOMAP_END", nodeid, { request: { opflags, attr_ino: ino, pos, count, written } }).error;
  }

  ioend({ nodeid, ino }: FileIdentity, { flags, error, pos, written }: Ioend): number {
    const reply = this.#wire.ask("IOMAP_IOEND", nodeid, { request: { flags, error, attr_ino: ino, pos, written } });
    return reply.error !== 0 ? reply.error : reply.out[0]!.newsize;
  }

  readInline({ nodeid }: FileIdentity, offset: number, target: Uint8Array): number {
    const { error, data } = this.#wire.ask("READ", nodeid, { request: { offset, size: target.length } }, target.length);
    target.set(data);
    return error !== 0 ? error : data.length;
  }

  writeInline({ nodeid }: FileIdentity, offset: number, data: Uint8Array): number {
    const { error, out } = this.#wire.ask("WRITE", nodeid, { request: { offset, size: data.length }, data });
    return error !== 0 ? error : out[0]!.size;
  }

  setSize({ nodeid }: FileIdentity, size: number, changes: boolean): number {
    const request = { valid: SIZE | (changes ? TIMES : 0), size, mtime: 5, ctime: 5 };
    const { error, out } = this.#wire.ask("SETATTR", nodeid, { request });
    return error !== 0 ? error : out[0]!.attr.size;
  }

  fallocate({ nodeid }: FileIdentity, mode: number, offset: number, length: number): number {
    return this.#wire.ask("FALLOCATE", nodeid, { request: { mode, offset, length } }).error;
  }

  fsync({ nodeid }: FileIdentity): number {
    return this.#wire.ask("FSYNC", nodeid, { request: {} }).error;
  }

  syncFs(): number {
    return this.#wire.ask("SYNCFS", ROOT, { request: {} }).error;
  }
}

function fill(mapping: Mapping, { type, offset, length, addr, dev, flags }: Slot): void {
  mapping.set(type, Number(offset), Number(length), addr === 2n ** 64n - 1n ? NULL_ADDR : Number(addr), dev, flags);
}

function mappingAt(view: DataView, at: number): Mapping {
  const mapping = new Mapping();
  fill(mapping, slotAt(view, at));
  return mapping;
}

export class WholeHost {
  readonly wire: Wire;
  readonly connection: IomapConnection<FileIdentity>;
  readonly errors: unknown[] = [];

  constructor(image: Uint8Array, options: WireOptions, cacheBytes = 1 << 20) {
    this.wire = new Wire(image, options);
    const { wire } = this;
    this.connection = connectIomap(new WireServer(wire), {
      blockSize: options.blockSize,
      maxBytes: wire.maxBytes,
      pageCache: { bytes: cacheBytes, pageBytes: 16_384 },
      onError: (error) => void this.errors.push(error),
    });
    const { device } = wire;
    const kernelSide = {
      size: device.size,
      read: (offset: number, target: Uint8Array) => device.readDirect(offset, target),
      write: (offset: number, source: Uint8Array) => device.writeDirect(offset, source),
      flush: () => {},
      invalidate: (offset: number, length: number) => device.invalidate(offset, length),
    };
    // Ids are handed out from 1 on.
    while (this.connection.devices.open({ flags: 1, padding: 0, device: kernelSide }) < DEV);
    wire.onNotify = (code, view) => this.#notified(code, view);
  }

  #notified(code: number, view: DataView): number {
    const wide = (at: number) => Number(view.getBigUint64(at, true));
    switch (code) {
      case 99:
        return this.connection.invalidateDevice(view.getUint32(16, true), wide(24), wide(32));
      case 100:
        return this.connection.upsert(wide(16), wide(24), mappingAt(view, 32), mappingAt(view, 64));
      case 101: {
        const range = { offset: wide(32), length: Math.min(wide(40), Number.MAX_SAFE_INTEGER) };
        return this.connection.invalidate(wide(16), wide(24), range, range);
      }
      default:
        return -22;
    }
  }

  create(name: string): IomapFile<FileIdentity> {
    const [entry] = this.wire.done("MKNOD", ROOT, { request: { mode: FILE }, names: [Buffer.from(name)] }).out;
    assert.ok(entry !== undefined);
    const { nodeid } = entry;
    return this.connection.open({ nodeid, ino: entry.attr.ino }, { size: 0, blockSize: entry.attr.blksize });
  }

  /** Forgets an inode, and meets it again by its name. */
  evict(name: string, file: IomapFile<FileIdentity>): IomapFile<FileIdentity> {
    assert.equal(file.evict(), 0);
    this.wire.forget(file.identity.nodeid);
    const [entry] = this.wire.done("LOOKUP", ROOT, { names: [Buffer.from(name)] }).out;
    assert.ok(entry !== undefined);
    const { size, blksize } = entry.attr;
    return this.connection.open(file.identity, { size, blockSize: blksize });
  }

  unmount(): void {
    assert.equal(this.connection.close(), 0);
    this.wire.unmount();
    assert.deepEqual(this.errors, []);
  }
}
