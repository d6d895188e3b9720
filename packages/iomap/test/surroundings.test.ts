// Oracle: arithmetic on where the files lie. The disk takes a millisecond for what it was not told of.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DeviceRegistry, IomapHost, type MappingServer, MappingType, NULL_ADDR } from "@bulkhead/iomap";

const KIB = 1024;
const REGION = 256 * KIB;

interface File {
  readonly at: number;
  readonly size: number;
}

const SEEK = 1;

/** Files on a device, what it was told, and a host that reads them. */
function disk(size: number, { isCached = false, seek = SEEK } = {}) {
  const told: number[] = [];
  const devices = new DeviceRegistry();
  const dev = devices.add({
    size,
    read(offset) {
      if (told.includes(Math.floor(offset / REGION))) return;
      for (const start = performance.now(); performance.now() < start + seek; );
    },
    readNow: (_offset, target) => (isCached ? target.length : 0),
    willRead(from, length) {
      assert.equal(from % REGION, 0);
      assert.equal(length, Math.min(REGION, size - from));
      told.push(from / REGION);
    },
  });
  const server: MappingServer<File> = {
    begin({ at, size: length }, _pos, _count, _operation, read, write) {
      read.set(MappingType.mapped, 0, Math.ceil(length / KIB) * KIB, at, dev);
      write.set(MappingType.pureOverwrite, 0, read.length, NULL_ADDR, 0);
      return 0;
    },
    readInline: never,
    end: never,
    writeInline: never,
  };
  const host = new IomapHost(server, devices, { blockSize: KIB, maxBytes: 2 ** 40 });
  return {
    told,
    /** As a server does: what is not at hand is asked for again, and waited for. */
    read(file: File, pos = 0, length = file.size) {
      const target = new Uint8Array(length);
      const got = host.readNow(file, pos, target);
      if (got < length) assert.equal(host.read(file, pos + got, target.subarray(got)), length - got);
    },
  };
}

function never(): never {
  throw new Error("a read that writes");
}

/** `count` files of 4 KiB, in an order in which no two neighbours follow each other. */
function scattered(count: number, distance: number): File[] {
  return Array.from({ length: count }, (_, n) => ({ at: ((n * 7919) % count) * distance, size: 4000 }));
}

describe("small files", () => {
  it("that lie together are read by the region, each once: from the second file of it on, and soon from the first", () => {
    const { told, read } = disk(20 * REGION);
    const files = scattered(1000, 5 * KIB);
    const seen = new Set<number>();
    let waited = 0; // what is read alone: neither it nor its surroundings were asked for
    for (const file of files) {
      const region = Math.floor(file.at / REGION);
      if (!told.includes(region)) {
        read(file);
        if (!told.includes(region)) waited++;
      } else read(file);
      seen.add(region);
    }
    assert.deepEqual(
      [...told].sort((a, b) => a - b),
      [...seen].sort((a, b) => a - b),
    );
    assert.ok(waited <= 4 * seen.size, `${waited} files of ${seen.size} regions were read alone`);
    const after = told.length;
    for (let n = 0; n < 100; n++) read({ at: 30 * 5 * KIB + n * 1024, size: 900 });
    assert.equal(told.length, after, "what was asked for is not asked for again");
  });

  it("that lie together elsewhere are read with their surroundings at once, when it has been worth it", () => {
    const { told, read } = disk(1000 * REGION);
    for (const file of scattered(1000, 5 * KIB)) read(file);
    const before = told.length;
    read({ at: 500 * REGION + 7 * KIB, size: 1000 });
    assert.deepEqual(told.slice(before), [500]);
  });

  it("that lie two by two far from others are left alone", () => {
    const { told, read } = disk(1000 * REGION);
    for (let region = 0; region < 200; region++) {
      read({ at: region * REGION, size: 4000 });
      read({ at: region * REGION + 100 * KIB, size: 4000 });
    }
    assert.ok(told.length <= 1, `${told.length} regions were read for two files each`);
  });

  it("at the end of the device take what there is", () => {
    const { told, read } = disk(3 * REGION + 100 * KIB);
    for (let n = 0; n < 8; n++) read({ at: 3 * REGION + n * 8 * KIB, size: 4000 });
    assert.deepEqual(told, [3]);
  });

  it("in memory and on a fast disk, and pieces of large ones, ask for nothing", () => {
    for (const isCached of [true, false]) {
      const { told, read } = disk(20 * REGION, { isCached, seek: 0 });
      for (const file of scattered(1000, 5 * KIB)) read(file);
      assert.deepEqual(told, []);
    }
    const { told, read } = disk(20 * REGION);
    for (let n = 0; n < 200; n++) read({ at: 0, size: 10 * REGION }, ((n * 7919) % 1000) * 2 * KIB, 4 * KIB);
    for (const { at } of scattered(200, 5 * KIB)) read({ at: Math.floor(at / KIB) * KIB, size: 70 * KIB });
    assert.deepEqual(told, []);
  });
});
