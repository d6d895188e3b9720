// Oracle: a model of the file, byte by byte.
import assert from "node:assert/strict";
import { test } from "node:test";
import { DeviceRegistry, IomapHost, type Mapping, type MappingServer, MappingType, NULL_ADDR } from "@bulkhead/iomap";

const BLOCK = 1024;
const EIO = 5;
const ENXIO = 6;
const EUCLEAN = 117;

interface Layout {
  size: number;
  /** Type and device block of each file block. */
  blocks: { type: number; at: number }[];
  inline?: Uint8Array;
}

/** Answers block by block from a table, or whatever `answer` makes of it. */
class TableServer implements MappingServer<Layout> {
  answer: ((read: Mapping, write: Mapping) => number) | undefined;
  readonly dev: number;

  constructor(dev: number) {
    this.dev = dev;
  }

  begin(file: Layout, pos: number, _count: number, _operation: number, read: Mapping, write: Mapping): number {
    const index = Math.floor(pos / BLOCK);
    const { type, at } = file.blocks[index]!;
    const onDevice = type === MappingType.mapped || type === MappingType.unwritten;
    read.set(type, index * BLOCK, BLOCK, onDevice ? at * BLOCK : NULL_ADDR, onDevice ? this.dev : 0);
    write.set(MappingType.pureOverwrite, index * BLOCK, BLOCK, NULL_ADDR, 0);
    return this.answer?.(read, write) ?? 0;
  }

  readInline(file: Layout, pos: number, target: Uint8Array): number {
    const data = file.inline!.subarray(pos, pos + target.length);
    target.set(data);
    return data.length;
  }

  end = never;
  writeInline = never;
}

/** Reading does not come to this. */
function never(): never {
  throw new Error("a read that writes");
}

function setUp(deviceBlocks: number) {
  const bytes = new Uint8Array(deviceBlocks * BLOCK);
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 31 + (i >> 10) * 7 + 1) & 0xff;
  const devices = new DeviceRegistry();
  const dev = devices.add({
    size: bytes.length,
    read: (offset, target) => target.set(bytes.subarray(offset, offset + target.length)),
  });
  const server = new TableServer(dev);
  return { bytes, devices, server, host: new IomapHost(server, devices, { blockSize: BLOCK, maxBytes: 2 ** 40 }) };
}

function model(file: Layout, bytes: Uint8Array): Uint8Array {
  const content = new Uint8Array(file.blocks.length * BLOCK);
  for (const [index, { type, at }] of file.blocks.entries()) {
    if (type === MappingType.mapped) content.set(bytes.subarray(at * BLOCK, (at + 1) * BLOCK), index * BLOCK);
  }
  return content.subarray(0, file.size);
}

const { hole, mapped, unwritten, inline } = MappingType;
const mixed: Layout = {
  size: 6 * BLOCK + 100,
  blocks: [
    { type: mapped, at: 5 },
    { type: hole, at: 0 },
    { type: unwritten, at: 2 },
    { type: mapped, at: 6 },
    { type: mapped, at: 1 },
    { type: hole, at: 0 },
    { type: mapped, at: 7 },
  ],
};

test("reads every range of a mixed file as the model does", () => {
  const { bytes, host } = setUp(8);
  const content = model(mixed, bytes);
  for (let pos = 0; pos <= mixed.size + 10; pos += 97) {
    for (const length of [1, 97, BLOCK, 3 * BLOCK, 8 * BLOCK]) {
      const target = new Uint8Array(length).fill(0xee);
      const got = host.read(mixed, pos, target);
      const want = content.subarray(pos, pos + length);
      assert.equal(got, want.length, `length of ${length} at ${pos}`);
      assert.deepEqual(target.subarray(0, got), want, `${length} at ${pos}`);
    }
  }
});

test("seeks data and holes, unwritten space being a hole and the end one too", () => {
  const { host } = setUp(8);
  assert.equal(host.seek(mixed, 0, "data"), 0);
  assert.equal(host.seek(mixed, 0, "hole"), BLOCK);
  assert.equal(host.seek(mixed, BLOCK + 5, "data"), 3 * BLOCK);
  assert.equal(host.seek(mixed, 2 * BLOCK + 5, "hole"), 2 * BLOCK + 5);
  assert.equal(host.seek(mixed, 6 * BLOCK, "hole"), mixed.size);
  assert.equal(host.seek(mixed, mixed.size, "hole"), -ENXIO);
  assert.equal(host.seek({ size: BLOCK, blocks: [{ type: hole, at: 0 }] }, 0, "data"), -ENXIO);
});

test("reads inline data through the server and zeroes the rest", () => {
  const { host } = setUp(1);
  const file: Layout = { size: 90, blocks: [{ type: inline, at: 0 }], inline: new Uint8Array(60).fill(7) };
  const target = new Uint8Array(200).fill(0xee);
  assert.equal(host.read(file, 30, target), 60);
  assert.deepEqual(target.subarray(0, 60), new Uint8Array(60).fill(7, 0, 30));
});

test("counts what was read before an error, and reports one that comes first", () => {
  const { host, server } = setUp(8);
  server.answer = (read) => (read.offset >= 3 * BLOCK ? -EIO : 0);
  assert.equal(host.read(mixed, 0, new Uint8Array(5 * BLOCK)), 3 * BLOCK);
  assert.equal(host.read(mixed, 3 * BLOCK, new Uint8Array(BLOCK)), -EIO);
});

test("tells what a device threw, of which a reader sees only EIO", () => {
  const { devices, server } = setUp(8);
  const cause = new Error("unplugged");
  const told: unknown[] = [];
  const dev = devices.add({
    size: 8 * BLOCK,
    read() {
      throw cause;
    },
  });
  server.answer = (read) => {
    read.dev = dev;
    return 0;
  };
  const limits = { blockSize: BLOCK, maxBytes: 2 ** 40 };
  const host = new IomapHost(server, devices, limits, (error) => told.push(error));
  assert.equal(host.read(mixed, 0, new Uint8Array(BLOCK)), -EIO);
  assert.deepEqual(told, [cause]);
});

test("refuses mappings that break the rules, name unknown devices or leave the device", () => {
  const { host, server } = setUp(8);
  const target = new Uint8Array(BLOCK);
  server.answer = (read) => {
    read.dev = 77;
    return 0;
  };
  assert.equal(host.read(mixed, 0, target), -EUCLEAN);
  server.answer = (read) => {
    read.addr = 8 * BLOCK;
    return 0;
  };
  assert.equal(host.read(mixed, 0, target), -EIO);
  server.answer = (_read, write) => {
    write.length = 0;
    return 0;
  };
  assert.equal(host.read(mixed, 0, target), -EUCLEAN);
});

test("a server that answers nothing is not believed with the answer before", () => {
  const { host, server } = setUp(8);
  const target = new Uint8Array(BLOCK);
  assert.equal(host.read(mixed, 0, target), BLOCK);
  server.begin = () => 0;
  assert.equal(host.read(mixed, 0, target), -EUCLEAN);
});

test("random mappings never read outside the device", () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return state;
  };
  const { host, server, devices, bytes } = setUp(8);
  let outside = 0;
  devices.add({ size: 0, read: () => outside++ });
  const interesting = [
    0,
    1,
    -1,
    512,
    BLOCK,
    7 * BLOCK,
    bytes.length,
    2 ** 31,
    2 ** 32,
    2 ** 52,
    2 ** 53,
    2 ** 64,
    Number.NaN,
  ];
  const pick = () => interesting[next() % interesting.length]!;
  server.answer = (read) => {
    read.set(
      next() % 7 === 0 ? next() % 260 : next() % 5,
      pick(),
      pick(),
      pick(),
      next() % 4,
      next() % 3 === 0 ? next() % 1024 : 0,
    );
    return 0;
  };
  const file: Layout = { ...mixed, inline: new Uint8Array(300) };
  const target = new Uint8Array(4 * BLOCK);
  for (let i = 0; i < 200_000; i++) {
    const got = host.read(file, next() % file.size, target);
    assert.ok(got <= target.length && (got >= 0 || got === -EUCLEAN || got === -EIO), `seed ${seed}: ${got}`);
  }
  assert.equal(outside, 0, `seed ${seed}`);
});

test("device ids go round and are not handed out twice", () => {
  const devices = new DeviceRegistry();
  const device = { size: 0, read() {} };
  for (let id = 1; id <= 1024; id++) assert.equal(devices.add(device), id);
  assert.throws(() => devices.add(device), /1024/);
  assert.equal(devices.remove(7), true);
  assert.equal(devices.remove(7), false);
  assert.equal(devices.add(device), 7);
});

test("a stream asks the device where it goes on, inside mapping and device; of what lies in a row, and of random reads, it does not", () => {
  const MIB = 1024 * 1024;
  const extent = 20 * MIB;
  // The second lies before the first on the device, the third behind the second.
  const addresses = [extent, 0, 4 * extent, 5 * extent];
  const told: [from: number, length: number][] = [];
  const devices = new DeviceRegistry();
  const dev = devices.add({
    size: 6 * extent - MIB,
    read() {},
    willRead(offset, length) {
      told.push([offset, length]);
    },
  });
  const file = { size: 4 * extent - MIB };
  const server: MappingServer<{ size: number }> = {
    begin(_file, pos, _count, _operation, read, write) {
      const index = Math.floor(pos / extent);
      const into = (pos % extent) - (pos % BLOCK);
      read.set(mapped, pos - (pos % BLOCK), extent - into, (addresses[index] ?? 0) + into, dev);
      write.set(MappingType.pureOverwrite, read.offset, read.length, NULL_ADDR, 0);
      return 0;
    },
    readInline: () => -EIO,
    end: never,
    writeInline: never,
  };
  const host = new IomapHost(server, devices, { blockSize: BLOCK, maxBytes: 2 ** 40 });
  const target = new Uint8Array(128 * 1024);
  for (const pos of [9, 4, 30, 2, 11]) host.read(file, pos * MIB, target);
  assert.equal(told.length, 0, "no stream, no hint");
  for (let pos = 0; pos < file.size; pos += target.length) {
    host.read(file, pos, target);
    for (const next of [extent, 2 * extent]) {
      if (pos > 0 && next - pos - target.length <= 4 * MIB) {
        assert.ok(
          told.some(([from]) => from === addresses[next / extent]),
          `where the file goes on at ${next} was not told at ${pos}`,
        );
      }
    }
  }
  assert.deepEqual(told, [
    [0, 8 * MIB],
    [4 * extent, 8 * MIB],
  ]);
});

test("what lies outside of the device is said when it is read, and not before", () => {
  const MIB = 1024 * 1024;
  const errors: unknown[] = [];
  const told: number[] = [];
  const devices = new DeviceRegistry();
  const dev = devices.add({ size: 8 * MIB, read() {}, willRead: (offset) => told.push(offset) });
  const file = { size: 8 * MIB };
  const server: MappingServer<{ size: number }> = {
    begin(_file, pos, _count, _operation, read, write) {
      const second = pos >= 4 * MIB;
      read.set(mapped, second ? 4 * MIB : 0, 4 * MIB, second ? 6 * MIB : 0, dev);
      write.set(MappingType.pureOverwrite, read.offset, read.length, NULL_ADDR, 0);
      return 0;
    },
    readInline: () => -EIO,
    end: never,
    writeInline: never,
  };
  const host = new IomapHost(server, devices, { blockSize: BLOCK, maxBytes: 2 ** 40 }, (error) => errors.push(error));
  const target = new Uint8Array(MIB);
  for (let pos = 0; pos < 4 * MIB; pos += MIB) assert.equal(host.read(file, pos, target), MIB);
  assert.deepEqual([told, errors], [[], []]);
  assert.equal(host.read(file, 6 * MIB, target), -EIO);
  assert.equal(errors.length, 1);
});

/** A file in `pieces` of `length` bytes each, the last one first on the device; every third is a hole. */
function inPieces(pieces: number, length: number) {
  const told: [from: number, until: number][] = [];
  const devices = new DeviceRegistry();
  const dev = devices.add({
    size: pieces * length,
    read() {},
    willRead(offset, bytes) {
      told.push([offset, offset + bytes]);
    },
  });
  const file = { size: pieces * length };
  const begun: number[] = [];
  let broken = Number.POSITIVE_INFINITY;
  const server: MappingServer<{ size: number }> = {
    begin(_file, pos, _count, _operation, read, write) {
      const piece = Math.floor(pos / length);
      begun.push(piece);
      if (piece === broken) throw new Error("damaged");
      if (piece % 3 === 2) read.set(hole, piece * length, length, NULL_ADDR, 0);
      else read.set(mapped, piece * length, length, (pieces - 1 - piece) * length, dev);
      write.set(MappingType.pureOverwrite, piece * length, length, NULL_ADDR, 0);
      return 0;
    },
    readInline: () => -EIO,
    end: never,
    writeInline: never,
  };
  const host = new IomapHost(server, devices, { blockSize: BLOCK, maxBytes: 2 ** 40 });
  return {
    told,
    begun,
    breakAt(piece: number) {
      broken = piece;
    },
    read: (pos: number, bytes: number) => host.read(file, pos, new Uint8Array(bytes)),
    readNow: (pos: number, bytes: number) => host.readNow(file, pos, new Uint8Array(bytes)),
  };
}

test("a stream asks the device ahead from mapping to mapping, for each once", () => {
  const length = 64 * BLOCK;
  const pieces = 400;
  const at = inPieces(pieces, length);
  let least = Number.POSITIVE_INFINITY;
  for (let piece = 0; piece < pieces; piece++) {
    at.read(piece * length, length);
    const from = pieces - 1 - piece;
    if (piece > 1 && piece % 3 !== 2) {
      assert.ok(
        at.told.some(([start, end]) => start === from * length && end === start + length),
        `piece ${piece} was not told`,
      );
    }
    const furthest = Math.max(...at.begun);
    if (piece > 0 && piece < pieces - 200) least = Math.min(least, furthest - piece);
  }
  assert.ok(least * length >= 4 * 1024 * 1024 - length, `${least} pieces ahead`);
  assert.equal(new Set(at.told.map(([from]) => from)).size, at.told.length, "nothing is told twice");
  // One for the read and one ahead of it.
  assert.ok(at.begun.length <= 2 * pieces + 2, `${at.begun.length} upcalls`);
});

test("what was not at hand is asked for once, and read then", () => {
  const length = 16 * BLOCK;
  const at = inPieces(200, length);
  for (let piece = 0; piece < 5; piece++) {
    at.readNow(piece * length, length);
    const told = at.told.length;
    at.read(piece * length, length);
    assert.equal(at.told.length, told);
  }
  assert.ok(at.told.length > 0);
  assert.equal(new Set(at.told.map(([from]) => from)).size, at.told.length, "nothing is told twice");
});

test("what is damaged ahead of a stream is said when it is read, and not before", () => {
  const length = 16 * BLOCK;
  const at = inPieces(200, length);
  at.breakAt(20);
  for (let piece = 0; piece < 20; piece++) assert.equal(at.read(piece * length, length), length);
  assert.ok(at.told.length > 0 && at.told.every(([from]) => from > (200 - 1 - 20) * length));
  assert.throws(() => at.read(20 * length, length), /damaged/);
});

test("a stream of a file in the smallest pieces asks for a bounded number of mappings before each read", () => {
  const at = inPieces(20_000, BLOCK);
  for (let pos = 0; pos < 400; pos++) {
    const before = at.begun.length;
    at.read(pos * BLOCK, BLOCK);
    assert.ok(at.begun.length - before <= 65, `${at.begun.length - before} upcalls for a read`);
  }
});
