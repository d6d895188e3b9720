// Oracle: a model of the file, byte by byte, over a device full of old bytes; and what the disk alone says after an fsync.
import assert from "node:assert/strict";
import { test } from "node:test";
import { FallocateMode, IoFlag } from "@bulkhead/iomap";
import { type Allocation, type BenchOptions, bench } from "./block-server.js";
import { pattern, randomFrom } from "./data.js";

const EDEADLK = 35;
const MOST = 60_000;
/** So few pages that dirty ones are evicted all the time. */
const SCARCE = { pageBytes: 4096, bytes: 8 * 4096, dirtyBytes: 4 * 4096 };
const { keepSize, punchHole, zeroRange } = FallocateMode;

/** The bench's device is waited for. */
function late(): void {
  assert.fail("answered later");
}

/** Random operations on one file, each compared with the model. */
function live(seed: number, rounds: number, options: BenchOptions & { meddles?: boolean }): void {
  const { server, connection, inode, ...made } = bench(options);
  let { file } = made;
  const random = randomFrom(seed);
  let model = new Uint8Array(0);
  const resize = (size: number) => {
    const grown = new Uint8Array(size);
    grown.set(model.subarray(0, size));
    model = grown;
  };
  const put = (pos: number, data: Uint8Array) => {
    if (pos + data.length > model.length) resize(pos + data.length);
    model.set(data, pos);
  };
  if (options.meddles === true) {
    const other = randomFrom(seed + 1);
    server.onCall = () => {
      assert.equal(file.write(0, new Uint8Array(1)), -EDEADLK);
      assert.equal(connection.sync(), -EDEADLK);
      if (other(2) === 0) file.invalidatePages(other(MOST), other(2) === 0 ? undefined : other(9000));
    };
  }
  let trace = "";
  for (let round = 0; round < rounds; round++) {
    const pos = random(4) === 0 ? random(60) * 1024 : random(MOST);
    const length = 1 + random(random(3) === 0 ? 20_000 : 3000);
    const data = pattern(length, round);
    const kind = random(15);
    trace = `seed ${seed}, round ${round}: ${kind} at ${pos}, ${length}, size ${model.length}`;
    switch (kind) {
      case 0:
      case 1:
      case 2:
        assert.equal(file.write(pos, data, random(8) === 0 ? IoFlag.sync : 0), length, trace);
        put(pos, data);
        break;
      case 3:
      case 4:
        assert.equal(file.writeDirect(pos, data, random(8) === 0 ? IoFlag.dataSync : 0), length, trace);
        put(pos, data);
        break;
      case 14: {
        const whole = Math.min(Math.ceil(length / file.blockSize), 8) * file.blockSize;
        const blocks = pattern(whole, round);
        const at = random(2) === 0 ? pos : pos - (pos % file.blockSize);
        assert.equal(file.submitWrite(at, blocks, late), whole, trace);
        put(at, blocks);
        break;
      }
      case 5: {
        const at = model.length;
        assert.equal(file.write(0, data, IoFlag.append), length, trace);
        put(at, data);
        break;
      }
      case 6:
      case 7: {
        const target = new Uint8Array(length);
        if (kind === 7 && pos % 512 !== 0 && options.device?.blockSize !== undefined) break;
        const direct = () => (random(2) === 0 ? file.submitRead(pos, target, late) : file.readDirect(pos, target));
        const got = kind === 6 ? file.read(pos, target) : direct();
        const want = model.subarray(pos, pos + length);
        assert.equal(got, want.length, trace);
        assert.deepEqual(target.subarray(0, got), want, trace);
        break;
      }
      case 8:
        assert.equal(file.truncate(pos), 0, trace);
        resize(pos);
        break;
      case 9: {
        const mode = [0, keepSize, punchHole | keepSize, zeroRange, zeroRange | keepSize][random(5)]!;
        assert.equal(file.fallocate(mode, pos, length), 0, trace);
        if ((mode & keepSize) === 0 && pos + length > model.length) resize(pos + length);
        if ((mode & (punchHole | zeroRange)) !== 0) model.fill(0, pos, pos + length);
        break;
      }
      case 10:
        assert.equal(file.zero(pos, length), 0, trace);
        model.fill(0, pos, pos + length);
        break;
      case 11:
        assert.equal(file.fsync(), 0, trace);
        assert.deepEqual(server.contents(inode), model, trace);
        break;
      case 12: {
        let given = 0;
        const buffer = new Uint8Array(4096 + random(4096));
        const give = (target: Uint8Array, at: number) => {
          assert.equal(at, pos + given, trace);
          const piece = data.subarray(given, given + Math.min(target.length, 1 + random(3000)));
          target.set(piece);
          given += piece.length;
          return piece.length;
        };
        assert.equal(file.streamIn(pos, length, buffer, give), length, trace);
        put(pos, data);
        break;
      }
      default:
        assert.equal(random(2) === 0 ? file.evict() : file.unshare(pos, length), 0, trace);
        file = connection.open(inode, { size: inode.size, blockSize: file.blockSize });
    }
    assert.equal(file.size, model.length, trace);
    assert.deepEqual(server.complaints, [], trace);
    if (round % 16 !== 0) continue;
    const all = new Uint8Array(model.length);
    assert.equal(file.read(0, all), all.length, trace);
    assert.deepEqual(all, model, trace);
  }
  assert.equal(file.evict(), 0, trace);
  assert.deepEqual(server.contents(inode), model, trace);
}

for (const allocation of ["unwritten", "new", "copy"] satisfies Allocation[]) {
  for (const caches of [false, true]) {
    const name = `${allocation} space, ${caches ? "with" : "without"} cached mappings`;
    test(`a file is what its model is: ${name}`, () => {
      for (let seed = 1; seed <= 7; seed++) live(seed * 7919 + 1, 150, { allocation, caches });
    });
  }
}

test("a file that begins inside its inode is what its model is", () => {
  for (let seed = 1; seed <= 10; seed++) live(seed * 104_729, 100, { inline: 300 });
});

test("a file on a device that wants alignment is what its model is", () => {
  for (const allocation of ["unwritten", "new", "copy"] satisfies Allocation[]) {
    for (let seed = 1; seed <= 6; seed++) live(seed * 31_337, 100, { allocation, device: { blockSize: 512 } });
  }
});

test("long mappings do not outlive what write-back makes of them, where little is cached", () => {
  for (const caches of [false, true]) {
    for (let seed = 1; seed <= 6; seed++) live(seed * 60_013, 150, { caches, run: 64, pageCache: SCARCE });
  }
});

test("a server that drops pages while it is asked, or asks for more, confuses nobody", () => {
  for (const allocation of ["unwritten", "copy"] satisfies Allocation[]) {
    for (let seed = 1; seed <= 6; seed++)
      live(seed * 50_021, 150, { allocation, meddles: true, inline: 300, pageCache: SCARCE });
  }
});
