/**
 * A kernel with fuse-iomap, without a kernel: negotiates, asks where files lie, and does their I/O itself on the device. Every write
 * is direct; what comes of its ioends is the test's to decide.
 */
import assert from "node:assert/strict";
import { AttrFlag } from "@bulkhead/fuse";
import { MappingCache } from "./mapping-cache.js";
import { Ioend, Op, WRITING } from "./operations.js";
import { brokenRule, type Limits, type Slot, Type } from "./rules.js";
import { bigints, slotAt, slotOf } from "./slots.js";
import { DEV, ROOT, Wire, type WireOptions } from "./wire.js";

const FILE = 0o100644;

const SETATTR_SIZE = 8;
const MTIME = 0x20;
const CTIME = 0x400;

export interface KernelFile {
  readonly nodeid: number;
  /** Bytes, as its users see it. */
  size: number;
  /** Bytes that the server has recorded. */
  diskSize: number;
}

/** One ioend that is due. */
export interface Completion {
  readonly file: KernelFile;
  readonly flags: number;
  readonly error: number;
  readonly pos: number;
  readonly written: number;
}

export class FakeKernel extends Wire {
  /** Decides what becomes of the ioends that a write owes; the default delivers them. */
  onIoend: (completion: Completion) => void = (completion) => void this.ioend(completion);
  /** Asked before data goes to the device; false: the device fails. */
  deviceWorks: () => boolean = () => true;
  /** What the kernel answers to mappings for its cache instead of taking them. */
  refuses = 0;
  /** What the last write did to the device. */
  segments: { readonly pos: number; readonly data: Uint8Array; readonly overwrote: boolean }[] = [];
  readonly #cache: MappingCache | undefined;
  #ends = true;

  constructor(image: Uint8Array, options: WireOptions) {
    super(image, options);
    this.#cache = options.cacheMappings === true ? new MappingCache(options.blockSize) : undefined;
    this.onNotify = (code, view) => this.#notified(code, view);
  }

  get limits(): Limits {
    const { maxBytes, device } = this;
    const cached = this.#cache !== undefined;
    return { blockSize: this.blockSize, maxBytes, dev: DEV, deviceSize: device.size, cached };
  }

  create(name: string): KernelFile {
    const [entry] = this.done("MKNOD", ROOT, { request: { mode: FILE }, names: [Buffer.from(name)] }).out;
    assert.ok(entry !== undefined);
    const { flags, blksize } = entry.attr;
    assert.equal(flags & (AttrFlag.IOMAP | AttrFlag.EXCLUSIVE), AttrFlag.IOMAP | AttrFlag.EXCLUSIVE);
    assert.equal(blksize, this.blockSize);
    return { nodeid: entry.nodeid, size: 0, diskSize: 0 };
  }

  /** Takes the name away, and forgets the inode: nothing uses it any more. */
  unlink(name: string, file: KernelFile): void {
    this.done("UNLINK", ROOT, { names: [Buffer.from(name)] });
    this.drop(file);
  }

  /** Forgets an inode. */
  drop(file: KernelFile): void {
    this.#cache?.drop(file.nodeid, 0, Number.POSITIVE_INFINITY);
    this.forget(file.nodeid);
  }

  /** Forgets an inode that nobody uses, and meets it again by its name. */
  evict(name: string, file: KernelFile): void {
    this.drop(file);
    const [entry] = this.done("LOOKUP", ROOT, { names: [Buffer.from(name)] }).out;
    assert.equal(entry?.nodeid, file.nodeid);
    file.size = entry.attr.size;
    file.diskSize = entry.attr.size;
  }

  /** The mapping to use for `pos`; negative: what the server answered. */
  begin(file: KernelFile, pos: number, count: number, opflags: number): Slot | number {
    for (let attempt = 0; ; attempt++) {
      const cached = this.#cache?.find(file.nodeid, pos, (opflags & WRITING) !== 0, (opflags & Op.zero) !== 0);
      if (cached !== undefined && (opflags & (Op.atomic | Op.swapfile)) === 0) return cached;
      const request = { opflags, attr_ino: file.nodeid, pos, count };
      const { error, out } = this.ask("IOMAP_BEGIN", file.nodeid, { request });
      if (error !== 0) return error;
      const [reply] = out;
      assert.ok(reply !== undefined);
      const read = slotOf(reply.read);
      const write = slotOf(reply.write);
      for (const [slot, isWrite] of [
        [read, false],
        [write, true],
      ] as const) {
        const rule = brokenRule(slot, isWrite, pos, this.limits);
        assert.equal(rule, undefined, `op ${opflags} at ${pos}+${count}: ${JSON.stringify(slot, bigints)}`);
      }
      if (read.type !== Type.retryCache) {
        assert.equal(write.type, Type.pureOverwrite);
        return read;
      }
      assert.ok(attempt < 3, "the cache has what was put into it");
    }
  }

  /** Writes directly. Bytes, or a negative errno: then nothing may have changed but what was written over mapped space. */
  write(file: KernelFile, pos: number, data: Uint8Array): number {
    if (pos > file.size) {
      const failure = this.zero(file, file.size, pos);
      if (failure !== 0) return failure;
    }
    this.segments = [];
    let done = 0;
    let flags: number = Ioend.direct;
    let error = 0;
    while (done < data.length && error === 0) {
      const slot = this.begin(file, pos + done, data.length - done, Op.write | Op.direct);
      if (typeof slot === "number") {
        error = slot;
        break;
      }
      const length = Math.min(data.length - done, Number(slot.offset + slot.length) - pos - done);
      const window = data.subarray(done, done + length);
      if (slot.type === Type.inline) return this.#writeInline(file, pos + done, data.subarray(done));
      assert.ok(slot.type === Type.mapped || slot.type === Type.unwritten, `space was allocated, not ${slot.type}`);
      if (slot.type === Type.unwritten) flags |= Ioend.unwritten;
      if (!this.deviceWorks()) error = -5;
      else this.#toDevice(file, slot, pos + done, window);
      done += length;
      this.#end(file, pos + done - length, length, error === 0 ? length : 0, slot);
    }
    if (pos + done > file.diskSize) flags |= Ioend.append;
    const completion = { file, flags, error, pos, written: done };
    if (error !== 0 || (flags & (Ioend.unwritten | Ioend.append)) !== 0) this.onIoend(completion);
    else this.#cache?.drop(file.nodeid, pos, pos + done);
    if (error !== 0) return error;
    file.size = Math.max(file.size, pos + done);
    return done;
  }

  /** Whole blocks into unwritten space, and zeros behind the end. */
  #toDevice(file: KernelFile, slot: Slot, pos: number, data: Uint8Array): void {
    const shift = Number(slot.addr - slot.offset);
    const block = this.blockSize;
    const start = Math.floor(pos / block) * block;
    const end = Math.ceil((pos + data.length) / block) * block;
    const whole = new Uint8Array(end - start);
    if (slot.type === Type.mapped) this.device.readDirect(start + shift, whole);
    whole.set(data, pos - start);
    this.segments.push({ pos, data, overwrote: slot.type === Type.mapped });
    if (pos + data.length >= file.size) whole.fill(0, pos + data.length - start);
    this.device.writeDirect(start + shift, whole);
  }

  #writeInline(file: KernelFile, pos: number, data: Uint8Array): number {
    const [out] = this.done("WRITE", file.nodeid, { request: { offset: pos, size: data.length }, data }).out;
    assert.equal(out?.size, data.length);
    this.segments.push({ pos, data, overwrote: true });
    this.#cache?.drop(file.nodeid, pos, pos + data.length);
    file.diskSize = Math.max(file.diskSize, pos + data.length);
    file.size = Math.max(file.size, file.diskSize);
    return data.length;
  }

  /** By the rules of END: short writes only, and none once the server has no use for it. */
  #end(file: KernelFile, pos: number, count: number, written: number, slot: Slot): void {
    if (!this.#ends || written === count) return;
    const { type, flags, dev } = slot;
    const map = { offset: Number(slot.offset), length: Number(slot.length), addr: Number(slot.addr), type, flags, dev };
    const request = { opflags: Op.write | Op.direct, attr_ino: file.nodeid, pos, count, written, map };
    const { error } = this.ask("IOMAP_END", file.nodeid, { request });
    if (error === -38) this.#ends = false;
    else assert.equal(error, 0);
  }

  /** Sends an ioend. 0, or the server's negative errno. */
  ioend({ file, flags, error, pos, written }: Completion): number {
    const request = {
      flags,
      error,
      attr_ino: file.nodeid,
      pos,
      written,
      new_addrLo: 0xffff_ffff,
      new_addrHi: 0xffff_ffff,
    };
    const reply = this.ask("IOMAP_IOEND", file.nodeid, { request });
    if (reply.error !== 0) return reply.error;
    const newsize = reply.out[0]?.newsize ?? 0;
    if (error === 0) {
      assert.ok(newsize >= pos + written || (flags & Ioend.append) === 0, "the size followed");
      this.#cache?.drop(file.nodeid, pos, pos + written);
    }
    file.diskSize = Math.max(file.diskSize, newsize);
    return 0;
  }

  read(file: KernelFile, pos: number, length: number): Uint8Array {
    const wanted = Math.max(0, Math.min(length, file.size - pos));
    const bytes = new Uint8Array(wanted);
    for (let done = 0; done < wanted; ) {
      const slot = this.begin(file, pos + done, wanted - done, Op.direct);
      assert.ok(typeof slot !== "number", `a read answers ${String(slot)}`);
      const count = Math.min(wanted - done, Number(slot.offset + slot.length) - pos - done);
      const window = bytes.subarray(done, done + count);
      if (slot.type === Type.mapped) this.device.readDirect(Number(slot.addr - slot.offset) + pos + done, window);
      if (slot.type === Type.inline) {
        const { data } = this.done("READ", file.nodeid, { request: { offset: pos + done, size: count } }, count);
        window.set(data);
      }
      done += count;
    }
    return bytes;
  }

  /** Makes what has space in a range read as zeros. */
  zero(file: KernelFile, from: number, until: number): number {
    for (let pos = from; pos < until; ) {
      const slot = this.begin(file, pos, until - pos, Op.zero);
      if (typeof slot === "number") return slot;
      const end = Math.min(until, Number(slot.offset + slot.length));
      if (slot.type === Type.mapped)
        this.device.writeDirect(Number(slot.addr - slot.offset) + pos, new Uint8Array(end - pos));
      if (slot.type === Type.inline) {
        const data = new Uint8Array(Math.max(0, Math.min(end, file.size) - pos));
        if (data.length > 0) this.done("WRITE", file.nodeid, { request: { offset: pos, size: data.length }, data });
      }
      pos = end;
    }
    return 0;
  }

  truncate(file: KernelFile, size: number): number {
    const block = this.blockSize;
    const failure =
      size > file.size
        ? this.zero(file, file.size, size)
        : this.zero(file, size, Math.min(file.size, Math.ceil(size / block) * block));
    if (failure !== 0) return failure;
    const request = { valid: SETATTR_SIZE | MTIME | CTIME, size, mtime: 1, ctime: 1 };
    const { error, out } = this.ask("SETATTR", file.nodeid, { request });
    if (error !== 0) return error;
    assert.equal(out[0]?.attr.size, size);
    file.size = size;
    file.diskSize = size;
    this.#cache?.drop(file.nodeid, Math.floor(size / block) * block, Number.POSITIVE_INFINITY);
    return 0;
  }

  /** @param mode KEEP_SIZE 1, PUNCH_HOLE 2, ZERO_RANGE 0x10 */
  fallocate(file: KernelFile, mode: number, offset: number, length: number): number {
    const { error } = this.ask("FALLOCATE", file.nodeid, { request: { offset, length, mode } });
    if (error !== 0) return error;
    const block = this.blockSize;
    const end = offset + length;
    this.#cache?.drop(file.nodeid, offset, end);
    if ((mode & 0x12) !== 0) {
      const inside = Math.min(end, file.size);
      const head = Math.min(Math.ceil(offset / block) * block, inside);
      const tail = Math.max(head, Math.floor(end / block) * block);
      let failure = offset < head ? this.zero(file, offset, head) : 0;
      if (failure === 0 && tail < inside) failure = this.zero(file, tail, inside);
      if (failure !== 0) return failure;
    }
    if ((mode & 1) === 0 && end > file.size) {
      const failure = this.zero(file, file.size, end);
      if (failure !== 0) return failure;
      file.size = end;
      file.diskSize = Math.max(file.diskSize, end);
    }
    return 0;
  }

  /** FSYNC, and what a kernel does to the device. */
  fsync(file: KernelFile): void {
    this.done("FSYNC", file.nodeid, { request: {} });
  }

  /** A notification; 0, or the negative errno that the kernel answers. */
  #notified(code: number, view: DataView): number {
    switch (code) {
      case 99:
        if (view.getUint32(16, true) !== DEV) return -19;
        this.device.invalidate(Number(view.getBigUint64(24, true)), Number(view.getBigUint64(32, true)));
        return 0;
      case 100:
        if (this.refuses !== 0) return this.refuses;
        return this.#cache === undefined ? -22 : this.#upsert(view, this.#cache);
      case 101: {
        const nodeid = Number(view.getBigUint64(16, true));
        const from = Number(view.getBigUint64(32, true));
        const length = view.getBigUint64(40, true);
        const whole = length === 2n ** 64n - 1n;
        if (from % this.blockSize !== 0 || (!whole && length % BigInt(this.blockSize) !== 0n)) return -117;
        this.#cache?.drop(nodeid, from, whole ? Number.POSITIVE_INFINITY : from + Number(length));
        return 0;
      }
      default:
        return -22;
    }
  }

  #upsert(view: DataView, cache: MappingCache): number {
    const nodeid = Number(view.getBigUint64(16, true));
    if (Number(view.getBigUint64(24, true)) !== nodeid) return -22;
    const read = slotAt(view, 32);
    const write = slotAt(view, 64);
    for (const [slot, isWrite] of [
      [read, false],
      [write, true],
    ] as const) {
      const rule = brokenRule(slot, isWrite, Number(slot.offset), this.limits);
      assert.equal(rule, undefined, `upsert of ${JSON.stringify(slot, bigints)}`);
    }
    assert.equal(write.type, Type.pureOverwrite);
    cache.insert(nodeid, read);
    return 0;
  }
}
