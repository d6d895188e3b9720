// Oracle: blockdev, and the image file behind a loop device.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Ext4 } from "@bulkhead/ext4";
import { nameToString } from "@bulkhead/ext4/names";
import { Flock, flock } from "@bulkhead/linux";
import { openSource, SourceError } from "../src/source.js";
import { run, withoutLoopDevices } from "./loop-devices.js";

describe("a source", { skip: withoutLoopDevices("mke2fs", "blockdev") }, () => {
  const directory = fs.mkdtempSync(join(tmpdir(), "bulkhead-source-"));
  const image = join(directory, "image");
  let loop = "";

  before(() => {
    run("mke2fs", ["-q", "-F", "-t", "ext4", "-L", "a block device", image, "8M"]);
    loop = run("losetup", ["-f", "--show", "--read-only", image]);
  });
  after(() => {
    if (loop !== "") run("losetup", ["-d", loop]);
    fs.rmSync(directory, { recursive: true });
  });

  it("may be a block device that cannot be written", () => {
    const device = openSource({ path: loop });
    assert.equal(device.size, Number(run("blockdev", ["--getsize64", loop])));
    assert.equal(device.readOnly, true);
    const ext4 = Ext4.open(device);
    assert.equal(ext4.info().label, "a block device");
    assert.equal(ext4.info().blockCount * ext4.info().blockSize, 8 << 20);
    assert.ok(ext4.exists("/lost+found"));
    ext4.close();
  });

  it("may start at an offset of a block device", () => {
    const device = openSource({ path: loop, offset: 4096 });
    const [there, here] = [new Uint8Array(512), new Uint8Array(512)];
    device.read(1024, there);
    const fd = fs.openSync(image, "r");
    fs.readSync(fd, here, 0, 512, 5120);
    fs.closeSync(fd);
    assert.deepEqual(there, here);
    assert.equal(device.size, (8 << 20) - 4096);
    device.close();
    assert.throws(() => openSource({ path: loop, offset: 8 << 20 }), SourceError);
  });

  it("is not written to while a loop device on it is in use", () => {
    const file = join(directory, "looped");
    run("mke2fs", ["-q", "-F", "-t", "ext4", file, "8M"]);
    const place = join(directory, "place");
    fs.mkdirSync(place);
    for (const path of [file, directory]) fs.chmodSync(path, 0o777);
    const device = run("losetup", ["-f", "--show", file]);
    const refusal = (error: Error) => error instanceof SourceError && error.message.includes(`is behind ${device},`);
    const write = (path = file) => openSource({ path }, fs, true).close();
    // The same file, by a name that is no UTF-8.
    const link = Buffer.concat([Buffer.from(`${directory}/loop`), Uint8Array.of(0xff)]);
    fs.linkSync(file, link);
    try {
      write();
      const held = fs.openSync(device, fs.constants.O_RDONLY | fs.constants.O_EXCL);
      assert.throws(() => write(), refusal);
      assert.throws(() => write(nameToString(link)), refusal);
      fs.closeSync(held);
      run("mount", ["-o", "ro", device, place]);
      try {
        assert.throws(() => write(), refusal);
        openSource({ path: file }).close();
        // Who may not open the device looks at what is mounted.
        process.seteuid!(65_534);
        try {
          assert.throws(() => write(), refusal);
        } finally {
          process.seteuid!(0);
        }
      } finally {
        run("umount", [place]);
      }
      write();
    } finally {
      run("losetup", ["-d", device]);
    }
  });

  it("is not opened by the name of a loop device while the file behind that is locked", () => {
    const file = join(directory, "locked");
    // A partition from sector 2048 on.
    const table = new Uint8Array(512);
    table.set([0x83, 0, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0], 450);
    table.set([0x55, 0xaa], 510);
    fs.writeFileSync(file, table);
    fs.truncateSync(file, 8 << 20);
    const device = run("losetup", ["-f", "--show", "--partscan", file]);
    const refusal = (error: Error) =>
      error instanceof SourceError &&
      error.message.includes(`${file}, the file behind it, is in use by process ${process.pid} (`);
    try {
      const paths = [device, `${device}p1`].filter((path) => fs.existsSync(path));
      const open = (path: string, writable: boolean) => openSource({ path }, fs, writable).close();
      const holding = (operation: number, then: () => void) => {
        const fd = fs.openSync(file, "r");
        try {
          assert.ok(flock(fd, operation));
          then();
        } finally {
          fs.closeSync(fd);
        }
      };
      for (const path of paths) {
        open(path, true);
        holding(Flock.EXCLUSIVE, () => {
          assert.throws(() => open(path, true), refusal);
          assert.throws(() => open(path, false), refusal);
        });
        holding(Flock.SHARED, () => {
          assert.throws(() => open(path, true), refusal);
          open(path, false);
        });
        open(path, true);
      }
    } finally {
      run("losetup", ["-d", device]);
    }
  });

  it("is not opened for writing where it is a device that is write-protected", () => {
    assert.throws(() => openSource({ path: loop }, fs, true), /for writing: the device is write-protected$/);
  });

  it("may not be a directory, a character device or nothing", () => {
    for (const path of [directory, "/dev/null", join(directory, "missing")]) {
      assert.throws(() => openSource({ path }), SourceError);
    }
  });
});
