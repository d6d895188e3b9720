/** A server that answers anything, and a device that knows what it was given: what the host does with both. */
import assert from "node:assert/strict";
import {
  connectIomap,
  type FileIdentity,
  type Ioend,
  type IomapConnection,
  type IomapFile,
  type IomapServer,
  Mapping,
  MappingType,
  NULL_ADDR,
  Operation,
  TO_EOF,
} from "@bulkhead/iomap";
import { randomFrom } from "./data.js";

const BLOCK = 1024;
const BLOCKS = 96;
const MOST_BYTES = 256 * BLOCK;
const WRITING = Operation.write | Operation.zero | Operation.unshare | Operation.writeback;
/** Begins that one operation may take: it works on no more than MOST_BYTES, and a stubborn server has a few tries a step. */
const MOST_BEGINS = 200_000;
const TYPES = [0, 1, 2, 2, 2, 3, 3, 4, 253, 254, 255, 5, 77, -1];
const ODD = [0, 1, -1, 511, 1024, 4096, 2 ** 31, 2 ** 32, 2 ** 40, 2 ** 53 - 1, 2 ** 53, 2 ** 63, NaN, Infinity, 0.5];
const ERRORS = [-1, -4, -5, -28, -38, -15, -11, -107, 1, NaN, -5000, 2 ** 60, 0.5];

/** The operation whose answer is a place on the device. */
const BMAP = 18;

type Random = (below: number) => number;

class FuzzServer implements IomapServer<FileIdentity> {
  readonly #random: Random;
  connection!: IomapConnection<FileIdentity>;
  begins = 0;
  /** Mappings so far. */
  mappings = 0;
  /** Blocks of the device that some mapping gave to read, and to write. */
  readonly readable = new Uint8Array(BLOCKS);
  readonly writable = new Uint8Array(BLOCKS);
  readonly #spare = [new Mapping(), new Mapping()] as const;
  /** Whether errors that end the connection may come. */
  mayGo = false;

  constructor(random: Random) {
    this.#random = random;
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#random(from.length)]!;
  }

  #error(): number {
    const error = this.#pick(ERRORS);
    return error === -107 && !this.mayGo ? -5 : error;
  }

  /** A mapping that may be right, with a field or two that may not be. */
  #fill(out: Mapping, pos: number, isWriteSlot: boolean): void {
    this.mappings++;
    const random = this.#random;
    const offset = Math.max(0, Math.floor(pos / BLOCK) - random(3)) * BLOCK;
    const type = isWriteSlot && random(3) > 0 ? MappingType.pureOverwrite : this.#pick(TYPES);
    const onDevice = type === MappingType.mapped || type === MappingType.unwritten;
    const length = (1 + random(12)) * BLOCK;
    const addr = onDevice ? random(BLOCKS) * BLOCK : NULL_ADDR;
    out.set(type, offset, length, addr, onDevice ? 1 + random(2) : 0, onDevice ? random(8) * random(33) : 0);
    for (let mutations = random(5) === 0 ? 1 + random(2) : 0; mutations > 0; mutations--) {
      const value = random(2) === 0 ? this.#pick(ODD) : random(4 * BLOCKS) * 512;
      out[this.#pick(["type", "flags", "offset", "length", "addr", "dev"] as const)] = value;
    }
  }

  /** What a mapping says may be done, if it is one. */
  #allow({ type, addr, length, dev }: Mapping, writes: boolean): void {
    if ((type !== MappingType.mapped && type !== MappingType.unwritten) || !(dev === 1 || dev === 2)) return;
    if (!Number.isSafeInteger(addr) || addr < 0 || !Number.isSafeInteger(length) || length <= 0) return;
    const end = Math.min(BLOCKS, Math.ceil((addr + length) / BLOCK));
    for (let block = Math.floor(addr / BLOCK); block < end; block++) {
      if (type === MappingType.mapped) this.readable[block] = 1;
      if (writes) this.writable[block] = 1;
    }
  }

  begin(_file: FileIdentity, pos: number, _count: number, operation: number, read: Mapping, write: Mapping): number {
    const random = this.#random;
    if (++this.begins > MOST_BEGINS) throw new Error("no end of begins");
    if (random(6) === 0) this.#notify(pos);
    if (random(12) === 0) return this.#error();
    this.#fill(read, pos, false);
    this.#fill(write, pos, true);
    const writes = (operation & WRITING) !== 0;
    const separate = write.type !== MappingType.pureOverwrite;
    this.#allow(read, writes && !separate);
    if (separate) this.#allow(write, writes);
    return 0;
  }

  #notify(pos: number): void {
    const [read, write] = this.#spare;
    const { connection } = this;
    this.#fill(read, pos, false);
    this.#fill(write, pos, true);
    if (this.#random(3) === 0) {
      const length = this.#random(3) === 0 ? TO_EOF : write.length;
      connection.invalidate(1, 1, { offset: read.offset, length: read.length }, { offset: write.offset, length });
    } else if (connection.upsert(1, 1, read, write) === 0) {
      this.#allow(read, true);
      this.#allow(write, true);
    }
  }

  end(): number {
    return this.#random(8) === 0 ? this.#error() : 0;
  }

  ioend(_file: FileIdentity, { pos, written, error }: Ioend): number {
    assert.ok(Number.isSafeInteger(pos + written) && pos >= 0 && written >= 0 && error <= 0);
    if (this.#random(4) === 0) this.#notify(pos);
    if (this.#random(6) === 0) return this.#error();
    return this.#random(4) === 0 ? this.#pick(ODD) : pos + written;
  }

  readInline(_file: FileIdentity, _pos: number, target: Uint8Array): number {
    return this.#random(4) === 0 ? this.#pick([...ERRORS, ...ODD]) : this.#random(target.length + 2);
  }

  writeInline(_file: FileIdentity, _pos: number, source: Uint8Array): number {
    return this.#random(4) === 0 ? this.#pick([...ERRORS, ...ODD]) : source.length;
  }

  setSize(_file: FileIdentity, size: number): number {
    const answer = this.#random(4) === 0 ? this.#pick([...ERRORS, ...ODD]) : size;
    // A server may well say that a file is larger; the operations below are bounded by the size of this one.
    return answer > MOST_BYTES && answer <= 2 ** 40 ? size : answer;
  }

  fallocate(): number {
    return this.#random(4) === 0 ? this.#error() : 0;
  }

  copyRange(_from: FileIdentity, _pos: number, _to: FileIdentity, _target: number, length: number): number {
    return this.#random(4) === 0 ? this.#pick([...ERRORS, ...ODD]) : length;
  }

  fsync(): number {
    return this.#random(8) === 0 ? this.#error() : 0;
  }

  seek(): number {
    return this.#random(2) === 0 ? this.#error() : this.#pick(ODD);
  }
}

/** Runs a number of operations against one such server. @returns mappings that it gave */
export function fuzz(seed: number, operations: number): number {
  const random = randomFrom(seed);
  const server = new FuzzServer(random);
  server.mayGo = random(8) === 0;
  const connection = connectIomap<FileIdentity>(server, {
    blockSize: BLOCK,
    maxBytes: MOST_BYTES,
    mappingCacheBytes: 256 + random(1000),
    pageCache: { pageBytes: 4096, bytes: 16 * 4096, dirtyBytes: 8 * 4096, readAhead: 8192 },
  });
  server.connection = connection;
  const check = (what: Uint8Array, offset: number, length: number) => {
    const fits = Number.isSafeInteger(offset) && offset >= 0 && length > 0 && offset + length <= BLOCKS * BLOCK;
    if (!fits) violations.push(`${length} bytes at ${offset} of the device, seed ${seed}`);
    for (let block = Math.floor(offset / BLOCK); block < Math.ceil((offset + length) / BLOCK); block++) {
      if (what[block] === 0) violations.push(`block ${block} was never given for this, seed ${seed}`);
    }
    if (random(40) === 0) throw new Error("the device fails");
  };
  const violations: string[] = [];
  for (let n = 0; n < 2; n++) {
    connection.devices.add({
      size: BLOCKS * BLOCK,
      read: (offset, target) => check(server.readable, offset, target.length),
      write: (offset, source) => check(server.writable, offset, source.length),
      readOnly: n === 1 && random(4) === 0,
    });
  }
  server.connection = connection;
  const file = connection.open({ nodeid: 1, ino: 1 }, { size: random(40) * 700, atomic: true });
  for (let n = 0; n < operations; n++) {
    server.begins = 0;
    const what = random(20);
    const pos = random(100) === 0 ? (ODD[random(ODD.length)] ?? 0) : random(40 * BLOCK);
    const length = 1 + random(6 * BLOCK);
    const result = operate(file, random, what, pos, length);
    const fits = Number.isSafeInteger(result) && result >= -4095 && (result <= MOST_BYTES || what === BMAP);
    assert.ok(fits, `operation ${what} answered ${result}, seed ${seed}`);
    assert.deepEqual(violations, []);
    const { size, diskSize, dirtyBytes } = file;
    assert.ok(size >= 0 && size <= MOST_BYTES && diskSize >= 0 && diskSize <= MOST_BYTES, `sizes, seed ${seed}`);
    assert.ok(dirtyBytes >= 0 && dirtyBytes <= 16 * 4096, `${dirtyBytes} dirty bytes, seed ${seed}`);
  }
  connection.close();
  assert.deepEqual(violations, []);
  assert.equal(file.dirtyBytes, 0);
  return server.mappings;
}

/** Devices without `readLater` are waited for. */
function late(): void {
  assert.fail("answered later");
}

function operate(file: IomapFile<FileIdentity>, random: Random, what: number, pos: number, length: number): number {
  const data = new Uint8Array(length);
  const flags = random(5) === 0 ? random(256) : 0;
  switch (what) {
    case 0:
    case 1:
    case 2:
      return file.read(pos, data, flags);
    case 3:
      return file.readDirect(pos, data, flags);
    case 4:
      return file.submitRead(pos, data, late) ?? Number.NaN;
    case 5:
    case 6:
    case 7:
      return file.write(pos, data, flags);
    case 8:
    case 9:
      return file.submitWrite(pos - (pos % BLOCK), new Uint8Array((1 + random(4)) * BLOCK), late, flags) ?? Number.NaN;
    case 10:
      return file.writeDirect(random(4) === 0 ? pos - (pos % BLOCK) : pos, data, flags);
    case 11:
      return file.truncate(pos);
    case 12:
      return file.fallocate([0, 1, 3, 16, 17, 8, 32, 2][random(8)]!, pos, length);
    case 13:
      return file.zero(pos, length);
    case 14:
      return file.unshare(pos, length);
    case 15:
      return file.seek(pos, random(2) === 0 ? "data" : "hole");
    case 16:
      return file.fiemap(pos, length, 0, () => random(50) > 0);
    case 17: {
      const on = file.swapOn();
      return typeof on === "number" ? on : file.swapOff();
    }
    case BMAP:
      return random(2) === 0 ? file.bmap(random(64)) : file.copyRange(pos, file, random(40 * BLOCK), length);
    default:
      return file.fsync();
  }
}
