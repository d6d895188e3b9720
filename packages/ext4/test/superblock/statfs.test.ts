// Oracle: the kernel's statfs(2) on a loop mount of the same image.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { FileSystem } from "../../src/filesystem.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import { statistics } from "../../src/superblock/statfs.js";
import { ImageDirectory, missingLoopMount, openImage, run } from "../images.js";

const skip = missingLoopMount() ?? false;

const variants: ReadonlyArray<readonly [name: string, size: string, options: readonly string[]]> = [
  ["default", "64M", ["-t", "ext4"]],
  ["4 KiB blocks, several groups", "600M", ["-t", "ext4", "-b", "4096"]],
  ["1 KiB blocks", "100M", ["-t", "ext4", "-b", "1024"]],
  ["2 KiB blocks", "100M", ["-t", "ext4", "-b", "2048"]],
  ["ext2", "64M", ["-t", "ext2"]],
  ["ext2 revision 0", "64M", ["-t", "ext2", "-r", "0"]],
  ["ext3", "64M", ["-t", "ext3"]],
  ["no sparse_super", "100M", ["-t", "ext4", "-b", "1024", "-O", "^sparse_super,^resize_inode"]],
  ["sparse_super2", "100M", ["-t", "ext4", "-b", "1024", "-O", "sparse_super2,^resize_inode"]],
  [
    "sparse_super2 with one copy",
    "100M",
    ["-t", "ext4", "-b", "1024", "-O", "sparse_super2,^resize_inode", "-E", "num_backup_sb=1"],
  ],
  ["meta_bg", "400M", ["-t", "ext4", "-b", "1024", "-O", "meta_bg,^resize_inode"]],
  ["meta_bg, 32-bit", "400M", ["-t", "ext4", "-b", "1024", "-O", "meta_bg,^resize_inode,^64bit"]],
  ["meta_bg without sparse_super", "400M", ["-t", "ext4", "-b", "1024", "-O", "meta_bg,^resize_inode,^sparse_super"]],
  ["no flex_bg", "100M", ["-t", "ext4", "-b", "1024", "-O", "^flex_bg"]],
  ["bigalloc", "300M", ["-t", "ext4", "-O", "bigalloc", "-C", "16384"]],
  ["bigalloc, 64 KiB clusters", "600M", ["-t", "ext4", "-O", "bigalloc", "-C", "65536"]],
  ["bigalloc, 1 KiB blocks", "100M", ["-t", "ext4", "-b", "1024", "-O", "bigalloc"]],
  ["no journal", "64M", ["-t", "ext4", "-O", "^has_journal"]],
  ["many inodes, few reserved", "64M", ["-t", "ext4", "-i", "4096", "-m", "1"]],
  ["half reserved", "64M", ["-t", "ext4", "-m", "50"]],
];

describe("statfs", { skip }, () => {
  const images = new ImageDirectory();
  after(() => images.remove());

  for (const [name, size, options] of variants) {
    for (const df of ["bsddf", "minixdf"]) {
      it(`is the kernel's: ${name}, ${df}`, () => {
        const image = images.make("image", size, options);
        images.mounted(image, "rw", (root) => {
          for (let n = 0; n < 40; n++) fs.writeFileSync(join(root, `file${n}`), Buffer.alloc(n * 777));
        });
        const truth = images.mounted(image, `ro,${df}`, (root) => {
          // Newer versions of Node tell more.
          const { type, bsize, blocks, bfree, bavail, files, ffree } = fs.statfsSync(root);
          const id = run("stat", ["-f", "-c", "%i", root]).trim();
          return { type, bsize, blocks, bfree, bavail, files, ffree, id };
        });
        const filesystem = FileSystem.mount(openImage(image), { minixDf: df === "minixdf" });
        const ours = filesystem.statfs();
        filesystem.close();
        assert.deepEqual(
          {
            type: 0xef53,
            bsize: ours.blockSize,
            blocks: ours.blocks,
            bfree: ours.blocksFree,
            bavail: ours.blocksAvailable,
            files: ours.files,
            ffree: ours.filesFree,
            id: ((BigInt(ours.fsid[0]) << 32n) | BigInt(ours.fsid[1])).toString(16),
          },
          truth,
        );
      });
    }
  }

  it("takes the overhead of bigalloc from the superblock, and computes it where that has none", () => {
    const image = images.make("image", "300M", ["-t", "ext4", "-O", "bigalloc,^metadata_csum", "-C", "16384"]);
    const fd = fs.openSync(image, "r+");
    fs.writeSync(fd, Buffer.alloc(4), 0, 4, 1024 + 0x248);
    fs.closeSync(fd);
    const truth = images.mounted(image, "ro", (root) => fs.statfsSync(root).blocks);
    const filesystem = FileSystem.mount(openImage(image));
    assert.equal(filesystem.statfs().blocks, truth);
    filesystem.close();
  });

  it("takes no longer for a billion groups, which a hostile superblock may claim", () => {
    for (const features of ["bigalloc", "meta_bg,^resize_inode"]) {
      const image = images.make("image", "64M", ["-t", "ext4", "-O", features]);
      const device = openImage(image);
      const volume = openVolume(device);
      const groupCount = 2 ** 30;
      const claimed = { ...volume, geometry: { ...volume.geometry, groupCount } };
      claimed.superblock.overheadClusters = 0;
      const start = performance.now();
      statistics(claimed, false);
      assert.ok(performance.now() - start < 500);
      device.close();
    }
  });
});
