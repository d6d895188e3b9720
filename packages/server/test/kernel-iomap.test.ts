// Oracle: the reference of fuse-iomap, and this machine's kernel, which has none of it or all.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  IomapSupport,
  iomapSupport,
  registerIomapDevice,
  setIomapBlockSize,
  setNoFilesystemRecursion,
} from "@bulkhead/fuse";
import { Errno, LinuxError } from "@bulkhead/linux";
import { atomicWriteSizes, keepBlocksApart, whyNoIomap } from "../src/kernel-iomap.js";

const FILE_IO = IomapSupport.FILEIO;

test("the kernel does file I/O of whole block devices, where it can, and of nothing that goes through the journal", () => {
  const directory = fs.mkdtempSync(join(tmpdir(), "bulkhead-iomap-"));
  try {
    const file = join(directory, "image");
    fs.writeFileSync(file, "");
    assert.match(whyNoIomap({ source: { path: file }, data: undefined }, 0) ?? "", /this kernel has no fuse-iomap/);
    assert.match(whyNoIomap({ source: { path: file }, data: undefined }, FILE_IO) ?? "", /image is a file.*losetup/);
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
});

const device = fs.existsSync("/dev/loop0") ? "/dev/loop0" : undefined;

test("of a block device, all has to be the file system", { skip: device === undefined && "no block device" }, () => {
  const path = device!;
  assert.equal(whyNoIomap({ source: { path }, data: "ordered" }, FILE_IO), undefined);
  assert.match(whyNoIomap({ source: { path, offset: 1024 }, data: undefined }, FILE_IO) ?? "", /a part of the device/);
  assert.match(whyNoIomap({ source: { path, partition: 1 }, data: undefined }, FILE_IO) ?? "", /a part of the device/);
  assert.match(whyNoIomap({ source: { path }, data: "journal" }, FILE_IO) ?? "", /data=journal/);
  assert.equal(atomicWriteSizes(fs.statSync(path).rdev, FILE_IO), undefined, "the kernel does not say so");
});

const fuse = fs.existsSync("/dev/fuse") ? false : "there is no /dev/fuse";

test("a kernel without fuse-iomap offers nothing, and refuses each of its ioctls", { skip: fuse }, (t) => {
  const support = iomapSupport();
  if (support !== 0) {
    t.skip("this kernel has fuse-iomap");
    return;
  }
  const fd = fs.openSync("/dev/fuse", "r+");
  try {
    assert.equal(iomapSupport(fd), 0);
    for (const ask of [
      () => registerIomapDevice(fd, fd),
      () => setIomapBlockSize(fd, 1, 4096),
      () => setNoFilesystemRecursion(fd, true),
    ]) {
      assert.throws(
        ask,
        (error) => error instanceof LinuxError && /^(ENOTTY|EINVAL|EPERM|EOPNOTSUPP)$/.test(error.code),
      );
    }
  } finally {
    fs.closeSync(fd);
  }
});

test("blocks that are smaller than a page are written back one by one, or the kernel does not do the file I/O", () => {
  const lines: string[] = [];
  const tried: string[] = [];
  const refuses = () => {
    tried.push("refuses");
    throw new LinuxError("ioctl", Errno.EACCES, "BLKBSZSET");
  };
  const works = () => void tried.push("works");
  const keep = (blockSize: number, ways: (() => void)[], writable = true) =>
    keepBlocksApart({ path: "/dev/x", writable, blockSize }, ways, (line) => void lines.push(line));
  keep(1024, [refuses, works]);
  assert.deepEqual(tried.splice(0), ["refuses", "works"], "a contained server may not do what an administrator may");
  keep(1024, [works, refuses]);
  assert.deepEqual([tried, lines], [["works"], []]);
  assert.throws(() => keep(1024, [refuses, refuses]), /blocks of 1024 bytes.*iomap=0/);
  assert.deepEqual(lines, []);
  keep(4096, [refuses]);
  keep(1024, [refuses], false);
  assert.equal(lines.length, 2);
  assert.match(lines[0]!, /page cache stays.*EACCES/);
});
