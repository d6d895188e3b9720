// Oracles: the kernel for what is on a block device; mke2fs and dumpe2fs for sizes that few machines have.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import type { BlockDevice } from "../../src/device/device.js";
import { FileDevice } from "../../src/device/file.js";
import { CorruptionError } from "../../src/errors.js";
import { SUPERBLOCK_OFFSET, SuperblockLayout } from "../../src/format/superblock.js";
import { groupDescriptor } from "../../src/groups/group-table.js";
import { Ext4 } from "../../src/library/ext4.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import { ImageDirectory, missingLoopMount, openImage, run } from "../images.js";

const skip = missingLoopMount() ?? false;
/** The usual temporary directory's file system may end files at 16 TiB; tmpfs does not. */
const BIG = "/dev/shm";

describe("an image in an unusual place", { skip }, () => {
  const images = new ImageDirectory();
  after(() => images.remove());

  it("is read from a block device, whose size fstat does not tell", () => {
    const image = images.make("image", "16M", ["-t", "ext4"]);
    images.mounted(image, "rw", (root) => fs.writeFileSync(join(root, "file"), "on a device"));
    const loop = run("losetup", ["-f", "--show", "-r", image]).trim();
    try {
      const fd = fs.openSync(loop, "r");
      const size = Number(run("blockdev", ["--getsize64", loop]));
      assert.equal(size, 16 << 20);
      const unsized = new FileDevice(fs, fd, { ownsDescriptor: false });
      assert.equal(unsized.size, 0);
      assert.throws(() => Ext4.open(unsized), CorruptionError);
      const ext4 = Ext4.open(new FileDevice(fs, fd, { size }));
      assert.equal(Buffer.from(ext4.readFile("/file")).toString(), "on a device");
      assert.equal(ext4.info().blockCount * ext4.info().blockSize, size);
      ext4.close();
    } finally {
      run("losetup", ["-d", loop]);
    }
  });

  it("is read with multiple mount protection, also while somebody has it mounted", () => {
    const image = images.make("image", "16M", ["-t", "ext4", "-O", "mmp", "-E", "mmp_update_interval=1"]);
    const pristine = fs.readFileSync(image);
    const read = () => {
      const ext4 = Ext4.open(openImage(image));
      const { mmp } = ext4.info();
      assert.ok(mmp !== undefined && mmp.block > 0 && mmp.interval === 1);
      assert.ok(ext4.exists("/lost+found"));
      ext4.close();
    };
    read();
    assert.deepEqual(fs.readFileSync(image), pristine, "the MMP block is not written");
    images.mounted(image, "rw", read);
  });

  it("is read beyond 16 TiB, where block numbers need more than 32 bits", { skip: cannotBeBig() }, () => {
    const directory = fs.mkdtempSync(join(BIG, "bulkhead-ext4-"));
    try {
      const image = join(directory, "image");
      fs.writeFileSync(image, "");
      fs.truncateSync(image, 17 * 2 ** 40);
      const sparing = [
        "-O",
        "64bit,meta_bg,^resize_inode",
        "-E",
        "lazy_itable_init=1,packed_meta_blocks=1",
        "-G",
        "65536",
      ];
      run("mke2fs", ["-q", "-F", "-t", "ext4", "-b", "4096", "-i", "67108864", "-J", "size=4", ...sparing, image]);
      const ext4 = Ext4.open(openImage(image));
      const { geometry, volume } = ext4.fs;
      assert.equal(geometry.blockCount, 17 * 2 ** 28);
      assert.ok(geometry.blockCount > 2 ** 32);
      assert.ok(ext4.exists("/lost+found"));
      const free = /Free blocks: +(\d+)/.exec(run("dumpe2fs", ["-h", image]))![1];
      assert.equal(ext4.statfs().blocksFree, Number(free));
      // The last group's metadata lies wherever it was packed; its descriptor is in the last meta group.
      assert.equal(groupDescriptor(volume, geometry.groupCount - 1).group, geometry.groupCount - 1);
      ext4.close();
      // A file whose one extent lies beyond 16 TiB.
      const block = 16 * 2 ** 28 + 12_345;
      const contents = "far out".padEnd(4096, ".");
      const fd = fs.openSync(image, "r+");
      fs.writeSync(fd, contents, block * 4096);
      fs.closeSync(fd);
      fs.writeFileSync(join(directory, "empty"), "");
      const root = Ext4.open(openImage(image)).inode("/").ino;
      run(
        "debugfs",
        ["-w", "-f", "-", image],
        `write ${join(directory, "empty")} far\nsif far size 4096\nsif far blocks 8\nsif far bmap[0] ${block}\n`,
      );
      const again = Ext4.open(openImage(image));
      assert.equal(again.inode("/").ino, root);
      assert.equal(again.fs.geometry.groupCount, geometry.groupCount);
      assert.equal(Buffer.from(again.readFile("/far")).toString(), contents);
      again.close();
    } finally {
      fs.rmSync(directory, { recursive: true });
    }
  });

  it("is refused when byte offsets would not be exact", () => {
    const image = images.make("image", "16M", ["-t", "ext4", "-b", "4096", "-O", "^metadata_csum"]);
    const bytes = fs.readFileSync(image);
    const superblock = SuperblockLayout.at(new DataView(bytes.buffer, bytes.byteOffset), SUPERBLOCK_OFFSET);
    const endless: BlockDevice = {
      size: 2 ** 63,
      readOnly: true,
      read(offset, target) {
        target.fill(0);
        if (offset < bytes.length) target.set(bytes.subarray(offset, offset + target.length));
      },
      write() {},
      flush() {},
      close() {},
    };
    for (const high of [0x200, 0x1_0000, 0x2_0000, 0xffff_ffff]) {
      superblock.blocksCountHi = high;
      superblock.inodesCount = 0xffff_ffff;
      assert.throws(
        () => openVolume(endless),
        (error: unknown) => error instanceof CorruptionError && error.kind === "superblock-geometry",
        `${high}`,
      );
    }
    assert.equal(new FileDevice(fs, 0, { size: 2 ** 63, ownsDescriptor: false }).size, Number.MAX_SAFE_INTEGER);
  });
});

function cannotBeBig(): string | false {
  try {
    const path = fs.mkdtempSync(join(BIG, "bulkhead-ext4-"));
    try {
      fs.writeFileSync(join(path, "file"), "");
      fs.truncateSync(join(path, "file"), 17 * 2 ** 40);
      return false;
    } finally {
      fs.rmSync(path, { recursive: true });
    }
  } catch (error) {
    return `needs a file of 17 TiB in ${BIG}: ${String(error)}`;
  }
}
