import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, describe, it } from "node:test";
import { CopyOnWriteDevice } from "../../src/device/copy-on-write.js";
import type { BlockDevice } from "../../src/device/device.js";
import { FileDevice, type FileIo } from "../../src/device/file.js";
import { MemoryDevice } from "../../src/device/memory.js";
import { RecordingDevice } from "../../src/device/recording.js";
import { SubRangeDevice } from "../../src/device/sub-range.js";
import { DeviceError } from "../../src/errors.js";
import { ImageDirectory } from "../images.js";

const pattern = Uint8Array.from({ length: 10_000 }, (_, at) => (at * 7) % 251);

describe("devices", () => {
  const files = new ImageDirectory();
  after(() => files.remove());

  const openFile = (readOnly: boolean) => {
    const path = files.file("file");
    fs.writeFileSync(path, pattern);
    return new FileDevice(fs, fs.openSync(path, readOnly ? "r" : "r+"), { readOnly });
  };
  const kinds: ReadonlyArray<readonly [string, (readOnly: boolean) => BlockDevice]> = [
    ["a file", openFile],
    ["memory", (readOnly) => new MemoryDevice(pattern.slice(), { readOnly })],
    [
      "a range",
      (readOnly) => {
        const all = new Uint8Array(20_000);
        all.set(pattern, 777);
        return new SubRangeDevice(new MemoryDevice(all, { readOnly }), 777, 10_000);
      },
    ],
  ];
  const openOnWrite = (readOnly: boolean, mostBlocks = 20) => {
    const device = new CopyOnWriteDevice(new MemoryDevice(pattern, { readOnly: true }), 512, mostBlocks);
    if (readOnly) device.freeze();
    return device;
  };
  for (const [name, open] of [...kinds, ["a device that is copied on write", openOnWrite] as const]) {
    it(`over ${name} read and write whole ranges and refuse what is outside`, () => {
      const device = open(false);
      assert.equal(device.size, 10_000);
      const bytes = new Uint8Array(100);
      device.read(9900, bytes);
      assert.deepEqual(bytes, pattern.subarray(9900));
      device.write(50, Uint8Array.of(1, 2, 3));
      device.flush();
      device.read(49, bytes);
      assert.deepEqual([...bytes.subarray(0, 5)], [pattern[49], 1, 2, 3, pattern[53]]);
      for (const offset of [-1, 9901, 10_000, 2 ** 60, Number.NaN]) {
        assert.throws(() => device.read(offset, bytes), DeviceError);
        assert.throws(() => device.write(offset, bytes), DeviceError);
      }
      device.close();
      device.close();
    });

    it(`over ${name} do not write when they are read-only`, () => {
      const device = open(true);
      assert.throws(() => device.write(0, Uint8Array.of(1)), DeviceError);
      device.close();
    });
  }

  it("over a file that is closed leave alone what has its descriptor's number now", () => {
    const device = openFile(false);
    device.write(0, Uint8Array.of(1));
    device.close();
    const path = files.file("another");
    fs.writeFileSync(path, pattern);
    const fd = fs.openSync(path, "r+");
    try {
      assert.equal(fd, device.fd);
      assert.throws(() => device.read(0, new Uint8Array(1)), DeviceError);
      assert.throws(
        () => device.write(0, Uint8Array.of(99)),
        /device write of 1 bytes at 0 failed: the device is closed/,
      );
      assert.throws(() => device.flush(), DeviceError);
      assert.equal(device.discard(0, 512), false);
      assert.deepEqual(new Uint8Array(fs.readFileSync(path)), pattern);
    } finally {
      fs.closeSync(fd);
    }
  });

  it("say what is full where there is no room for a write", () => {
    const full = () => {
      throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    };
    const device = new FileDevice({ ...fs, writeSync: full }, 0, { size: 10_000, readOnly: false });
    assert.throws(
      () => device.write(0, Uint8Array.of(1)),
      /ENOSPC.*: what the image lies on is full, not the file system in it$/,
    );
  });

  it("say whether they could discard", () => {
    const device = (punchHole?: () => void) => {
      const io = { ...fs, ...(punchHole === undefined ? {} : { punchHole }) };
      return new FileDevice(io, 0, { size: 10_000, readOnly: false, ownsDescriptor: false });
    };
    const failing = (code: string) =>
      device(() => {
        throw Object.assign(new Error(code), { code });
      });
    assert.equal(device().discard(0, 512), false);
    assert.equal(device(() => {}).discard(0, 512), true);
    assert.equal(device(() => {}).discard(0, 20_000), false);
    assert.equal(failing("EOPNOTSUPP").discard(0, 512), false);
    assert.throws(() => failing("EIO").discard(0, 512), DeviceError);
  });

  it("that are copied on write keep as many changed blocks as they may, and tell which", () => {
    const device = openOnWrite(false, 3);
    const expected = pattern.slice();
    for (const [offset, length] of [
      [9990, 10],
      [500, 20],
      [512, 512],
      [1, 3],
    ] as const) {
      const bytes = new Uint8Array(length).fill(offset % 200);
      expected.set(bytes, offset);
      device.write(offset, bytes);
    }
    const all = new Uint8Array(pattern.length);
    device.read(0, all);
    assert.deepEqual(all, expected);
    assert.equal(device.count, 3);
    assert.deepEqual(
      device.changes().map(([block]) => block),
      [0, 1, 19],
    );
    for (const [block, data] of device.changes()) {
      const part = expected.subarray(block * 512, (block + 1) * 512);
      assert.deepEqual(data.subarray(0, part.length), part);
    }
    assert.throws(() => device.write(2000, Uint8Array.of(1)), DeviceError);
  });

  it("over a file go on after short transfers, and report what fails or ends early", () => {
    const short: FileIo = {
      ...fs,
      readSync: (fd, target, at, length, position) => fs.readSync(fd, target, at, Math.min(length, 7), position),
    };
    const path = files.file("short");
    fs.writeFileSync(path, pattern);
    const device = new FileDevice(short, fs.openSync(path, "r"));
    const bytes = new Uint8Array(1000);
    device.read(3, bytes);
    assert.deepEqual(bytes, pattern.subarray(3, 1003));
    fs.truncateSync(path, 500);
    assert.throws(
      () => device.read(3, bytes),
      (error: unknown) => error instanceof DeviceError && /ends at 500/.test(error.message),
    );
    fs.closeSync(device.fd);
    assert.throws(
      () => device.read(3, bytes),
      (error: unknown) => error instanceof DeviceError && error.offset === 3 && /EBADF/.test(error.message),
    );
  });

  it("over a range end with the device below", () => {
    const base = new MemoryDevice(pattern);
    assert.equal(new SubRangeDevice(base, 9000).size, 1000);
    assert.equal(new SubRangeDevice(base, 9000, 5000).size, 1000);
    for (const start of [-1, 10_001, 0.5, Number.NaN])
      assert.throws(() => new SubRangeDevice(base, start), DeviceError);
  });

  it("in files flush what somebody else may have written before, and then only what was written", () => {
    const flushed: number[] = [];
    const io = { ...fs, fdatasyncSync: (fd: number) => flushed.push(fd) };
    const path = files.file("flushed");
    fs.writeFileSync(path, pattern);
    const device = new FileDevice(io, fs.openSync(path, "r+"), { readOnly: false });
    device.flush();
    assert.deepEqual(flushed, [device.fd]);
    device.flush();
    assert.equal(flushed.length, 1);
    device.write(0, Uint8Array.of(1));
    device.flush();
    assert.equal(flushed.length, 2);
    device.close();
    const reading = new FileDevice(io, fs.openSync(path, "r"));
    reading.flush();
    assert.equal(flushed.length, 2);
    reading.close();
  });

  it("that record keep writes and flushes in order, as they were", () => {
    const recording = new RecordingDevice(new MemoryDevice(pattern.slice()));
    const bytes = Uint8Array.of(9);
    recording.write(5, bytes);
    recording.flush();
    bytes[0] = 8;
    recording.write(6, bytes);
    assert.throws(() => recording.write(20_000, bytes), DeviceError);
    assert.deepEqual(recording.events, [
      { kind: "write", offset: 5, bytes: Uint8Array.of(9) },
      { kind: "flush" },
      { kind: "write", offset: 6, bytes: Uint8Array.of(8) },
    ]);
  });
});
