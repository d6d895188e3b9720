// Oracle: the device itself, and who was asked for what.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { FileDevice } from "@bulkhead/ext4";
import { pageAligned } from "@bulkhead/linux";
import { DirectDevice } from "../src/direct-device.js";
import { run, withoutLoopDevices } from "./loop-devices.js";

const KIB = 1024;
const SIZE = 8 * KIB * KIB;

/** What goes through the cache. */
class Watched extends FileDevice {
  readonly asked: string[] = [];

  override read(offset: number, target: Uint8Array): void {
    this.asked.push(`read ${target.length}`);
    super.read(offset, target);
  }
  override readNow(_offset: number, target: Uint8Array): number {
    this.asked.push(`read now ${target.length}`);
    return 0;
  }
  override willRead(_offset: number, length: number): void {
    this.asked.push(`will read ${length}`);
  }
  override write(offset: number, source: Uint8Array): void {
    this.asked.push(`write ${source.length}`);
    super.write(offset, source);
  }
  override flush(): void {
    this.asked.push("flush");
    super.flush();
  }
}

describe("a block device past its page cache", { skip: withoutLoopDevices() }, () => {
  const directory = fs.mkdtempSync(join(tmpdir(), "bulkhead-direct-"));
  const image = join(directory, "image");
  const clock = { now: 0, step: 0 };
  let loop = "";
  let cached: Watched;
  let device: DirectDevice;

  before(() => {
    fs.writeFileSync(image, "");
    fs.truncateSync(image, SIZE);
    loop = run("losetup", ["-f", "--show", image]);
  });
  beforeEach(() => {
    const { O_RDWR, O_DIRECT } = fs.constants;
    cached = new Watched(fs, fs.openSync(loop, "r+"), { size: SIZE, readOnly: false });
    clock.step = 0;
    device = new DirectDevice(cached, fs.openSync(loop, O_RDWR | O_DIRECT), () => (clock.now += clock.step));
  });
  afterEach(() => {
    device.close();
    cached.close();
  });
  after(() => {
    if (loop !== "") run("losetup", ["-d", loop]);
    fs.rmSync(directory, { recursive: true });
  });

  const bytes = (length: number, value = 0) => pageAligned(length).fill(value);
  const onDevice = (offset: number, length: number) => {
    const found = new Uint8Array(length);
    cached.read(offset, found);
    cached.asked.pop();
    return found;
  };

  it("can be closed twice, and closes nobody else's descriptor", () => {
    device.close();
    const other = fs.openSync(image, "r");
    device.close();
    fs.closeSync(other);
  });

  it("is written so in long pieces", () => {
    device.write(64 * KIB, bytes(256 * KIB, 1));
    assert.deepEqual(cached.asked, []);
    assert.deepEqual(onDevice(64 * KIB, 256 * KIB), new Uint8Array(256 * KIB).fill(1));
  });

  it("goes through the cache with all else", () => {
    const long = bytes(512 * KIB, 2);
    device.write(0, bytes(64 * KIB, 2));
    device.write(512, long.subarray(0, 256 * KIB));
    device.write(0, long.subarray(1, 1 + 256 * KIB));
    device.write(0, long.subarray(0, 256 * KIB + 512));
    device.read(0, long);
    device.readNow(0, long.subarray(0, 4 * KIB));
    device.willRead(0, 1024 * KIB);
    assert.deepEqual(cached.asked, [
      "write 65536",
      "write 262144",
      "write 262144",
      "write 262656",
      "read 524288",
      "read now 4096",
      "will read 1048576",
    ]);
  });

  it("shows in either way what was written in the other", () => {
    const random = Array.from({ length: 60 }, (_, n) => (n * 7919) % 1000);
    const expected = onDevice(0, SIZE);
    for (const [n, place] of random.entries()) {
      const length = n % 3 === 0 ? 4 * KIB : 128 * KIB;
      const offset = place * 4 * KIB;
      device.write(offset, bytes(length, n));
      expected.fill(n, offset, offset + length);
      const found = bytes(4 * KIB);
      device.read(offset, found);
      assert.equal(found[0], n);
      assert.equal(onDevice(offset, 1)[0], n);
    }
    device.flush();
    assert.deepEqual(new Uint8Array(fs.readFileSync(image)), expected);
  });

  it("is left to the cache for a while when it is slow, and longer the next time", () => {
    clock.step = 5;
    const through = (count: number) => {
      cached.asked.length = 0;
      for (let n = 0; n < count; n++) device.write(0, bytes(128 * KIB, 3));
      return cached.asked.length;
    };
    assert.equal(through(1), 0);
    assert.equal(through(8), 8);
    assert.equal(through(1), 0);
    assert.equal(through(16), 16);
    clock.step = 0.1;
    assert.equal(through(10), 0);
    clock.step = 5;
    assert.equal(through(9), 8);
  });

  it("has what was written made durable", () => {
    device.write(0, bytes(128 * KIB, 4));
    assert.equal(cached.takeWritten(), 128 * KIB);
    device.flush();
    assert.deepEqual(cached.asked, ["flush"]);
  });

  it("ends where the device does", () => {
    assert.throws(() => device.write(SIZE - 4 * KIB, bytes(128 * KIB)), { code: "ERR_EXT4_DEVICE" });
    assert.throws(() => device.read(SIZE, bytes(4 * KIB)), { code: "ERR_EXT4_DEVICE" });
    assert.equal(fs.statSync(image).size, SIZE);
  });

  it("says of a device that fails what its cache says", () => {
    const readOnly = new DirectDevice(cached, fs.openSync(loop, fs.constants.O_RDONLY | fs.constants.O_DIRECT));
    try {
      readOnly.write(0, bytes(128 * KIB, 5));
      assert.deepEqual(cached.asked, ["write 131072"]);
    } finally {
      readOnly.close();
    }
  });
});
