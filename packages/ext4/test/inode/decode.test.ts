// Oracle: the kernel's lstat on a loop mount; debugfs for inodes that it writes.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { MemoryDevice } from "../../src/device/memory.js";
import { CorruptionError, FileSystemError } from "../../src/errors.js";
import { FileSystem } from "../../src/filesystem.js";
import type { Inode } from "../../src/inode/inode.js";
import { readInode } from "../../src/inode/inode-table.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import { ImageDirectory, missingLoopMount, openImage, run } from "../images.js";

const skip = missingLoopMount() ?? false;

/** ino → what lstat says, in the inode's terms. */
function kernelView(root: string): Map<number, object> {
  const view = new Map<number, object>();
  const visit = (path: string) => {
    const stat = fs.lstatSync(path, { bigint: true });
    const nanoseconds = (time: bigint) => Number(((time % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n);
    const seconds = (time: bigint) => Number((time - BigInt(nanoseconds(time))) / 1_000_000_000n);
    view.set(Number(stat.ino), {
      mode: Number(stat.mode),
      uid: Number(stat.uid),
      gid: Number(stat.gid),
      size: Number(stat.size),
      blocks: Number(stat.blocks),
      links: Number(stat.nlink),
      rdev: Number(stat.rdev),
      atime: [seconds(stat.atimeNs), nanoseconds(stat.atimeNs)],
      mtime: [seconds(stat.mtimeNs), nanoseconds(stat.mtimeNs)],
      ctime: [seconds(stat.ctimeNs), nanoseconds(stat.ctimeNs)],
    });
    if (stat.isDirectory()) for (const name of fs.readdirSync(path)) visit(join(path, name));
  };
  visit(root);
  return view;
}

function ourView(inode: Inode): object {
  return {
    mode: inode.mode,
    uid: inode.uid,
    gid: inode.gid,
    size: inode.size,
    blocks: inode.blocks,
    links: inode.linksCount,
    rdev: inode.rdev,
    atime: [inode.atime, inode.atimeNanoseconds],
    mtime: [inode.mtime, inode.mtimeNanoseconds],
    ctime: [inode.ctime, inode.ctimeNanoseconds],
  };
}

/** Every file type, odd owners, devices of both encodings, odd times, a sparse file of 5 GiB, links. */
const fill = `
import os, stat, sys
root = sys.argv[1]
def at(name): return os.path.join(root, name)
open(at("plain"), "wb").write(b"x" * 5000)
os.chmod(at("plain"), 0o6755)
os.chown(at("plain"), 70000, 4000000000)
os.link(at("plain"), at("linked"))
f = open(at("sparse"), "wb"); f.seek(5 * 2**30); f.write(b"end"); f.close()
os.mkdir(at("dir")); [open(at("dir/f%d" % n), "wb").close() for n in range(200)]
os.symlink("short", at("fast")); os.symlink("a/" * 100, at("slow")); os.symlink("z" * 59, at("fast59")); os.symlink("z" * 60, at("slow60"))
os.mkfifo(at("fifo"))
os.mknod(at("socket"), stat.S_IFSOCK | 0o600)
for n, (major, minor) in enumerate([(1, 3), (8, 255), (8, 256), (300, 5), (4095, 1048575), (0, 0)]):
    os.mknod(at("chr%d" % n), stat.S_IFCHR | 0o600, os.makedev(major, minor))
    os.mknod(at("blk%d" % n), stat.S_IFBLK | 0o600, os.makedev(major, minor))
times = [0, 1, -1, -2**31, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**33, 2**33 + 2**31 - 1, 3 * 2**32 + 2**31 - 1, 1700000000]
for n, t in enumerate(times):
    open(at("time%d" % n), "wb").close()
    os.utime(at("time%d" % n), ns=(t * 10**9 + 123456789 * (n % 2), t * 10**9 + 999999999 * (n % 3 == 0)))
`;

const variants: ReadonlyArray<readonly [name: string, options: readonly string[]]> = [
  ["default", ["-t", "ext4"]],
  ["128-byte inodes", ["-t", "ext4", "-I", "128"]],
  ["512-byte inodes, 1 KiB blocks", ["-t", "ext4", "-I", "512", "-b", "1024"]],
  ["4096-byte inodes", ["-t", "ext4", "-I", "4096", "-b", "4096", "-N", "1024"]],
  ["no checksums, no 64bit", ["-t", "ext4", "-O", "^metadata_csum,^64bit"]],
  ["no huge_file, no extents", ["-t", "ext4", "-O", "^huge_file,^extents,^64bit"]],
  ["ext2", ["-t", "ext2"]],
  ["inline_data and ea_inode", ["-t", "ext4", "-O", "inline_data,ea_inode"]],
  ["checksum seed", ["-t", "ext4", "-O", "metadata_csum_seed"]],
  ["meta_bg and bigalloc", ["-t", "ext4", "-O", "meta_bg,bigalloc,^resize_inode"]],
];

describe("inodes", { skip }, () => {
  const images = new ImageDirectory();
  after(() => images.remove());

  for (const [name, options] of variants) {
    it(`are decoded as the kernel decodes them: ${name}`, () => {
      const image = images.make("image", "80M", options);
      images.mounted(image, "rw", (root) => run("python3", ["-c", fill, root]));
      const truth = images.mounted(image, "ro", kernelView);
      const filesystem = FileSystem.mount(openImage(image));
      assert.ok(truth.size > 220);
      for (const [ino, expected] of truth) {
        assert.deepEqual(ourView(filesystem.inode(ino)), expected, `inode ${ino}`);
      }
      filesystem.close();
    });
  }

  it("have the creation time, generation, project and checksum that debugfs shows", () => {
    const image = images.make("image", "64M", ["-t", "ext4", "-O", "project,quota", "-E", "quotatype=prjquota"]);
    const commands = [
      "write /etc/passwd f",
      "sif f crtime 20231114221320",
      "sif f crtime_extra 0x1d",
      "sif f generation 77",
      "sif f projid 4242",
    ];
    for (const command of commands) run("debugfs", ["-w", "-R", command, image]);
    const text = run("debugfs", ["-R", "stat f", image]);
    const ino = Number(/Inode: (\d+)/.exec(text)![1]);
    const filesystem = FileSystem.mount(openImage(image));
    const inode = filesystem.inode(ino);
    assert.equal(inode.hasCrtime, true);
    assert.deepEqual([inode.crtime, inode.crtimeNanoseconds], [1_700_000_000 + 2 ** 32, 7]);
    assert.match(text, /crtime: 0x[0-9a-f]{8}:0000001d/);
    assert.equal(inode.generation, 77);
    assert.equal(inode.projectId, 4242);
    filesystem.close();
  });

  it("are refused with what is wrong, and never by an error of JavaScript's", () => {
    const image = images.make("image", "16M", ["-t", "ext4", "-b", "1024", "-O", "^metadata_csum"]);
    images.mounted(image, "rw", (root) => run("python3", ["-c", fill, root]));
    const bytes = fs.readFileSync(image);
    const table = 1024 * findTable(bytes);
    for (let ino = 1; ino <= 40; ino++) {
      for (let byte = 0; byte < 160; byte++) {
        for (const value of [0, 0xff, 0x80]) {
          const at = table + (ino - 1) * 256 + byte;
          const before = bytes[at]!;
          bytes[at] = value;
          try {
            readInode(openVolume(new MemoryDevice(bytes), { cacheBytes: 0 }), ino);
          } catch (error) {
            const expected =
              error instanceof CorruptionError || (error instanceof FileSystemError && error.code === "ESTALE");
            assert.ok(expected, `inode ${ino}, byte ${byte} = ${value}: ${error}`);
          }
          bytes[at] = before;
        }
      }
    }
  });

  it("have to keep the kernel's rules", () => {
    const image = images.make("image", "16M", ["-t", "ext4", "-b", "1024", "-O", "^metadata_csum"]);
    images.mounted(image, "rw", (root) => {
      fs.writeFileSync(join(root, "file"), "text");
      fs.symlinkSync("short", join(root, "link"));
    });
    const [file, link] = images.mounted(image, "ro", (root) =>
      ["file", "link"].map((name) => fs.lstatSync(join(root, name)).ino),
    ) as [number, number];
    const rules: ReadonlyArray<readonly [target: number, field: string, value: string, kind: string]> = [
      [file, "mode", "0170644", "inode-type"],
      [file, "flags", "0x10080000", "inode-type"],
      [file, "flags", "0x40080000", "inode-type"],
      [file, "size", "0xffffffffffff", "inode-geometry"],
      [file, "extra_isize", "129", "inode-geometry"],
      [file, "extra_isize", "200", "inode-geometry"],
      [file, "file_acl", "99999999", "block-range"],
      [link, "size", "4", "symlink-target"],
      [link, "flags", "0x10", "inode-type"],
    ];
    for (const [ino, field, value, kind] of rules) {
      const copy = images.file("copy");
      fs.copyFileSync(image, copy);
      run("debugfs", ["-w", "-R", `sif <${ino}> ${field} ${value}`, copy]);
      const name = ino === file ? "file" : "link";
      const kernel = images.mounted(copy, "ro,noload", (root) => {
        try {
          fs.lstatSync(join(root, name));
          return 0;
        } catch (error) {
          return (error as NodeJS.ErrnoException).errno;
        }
      });
      assert.equal(kernel, -117, `the kernel refuses ${field} = ${value}`);
      const filesystem = FileSystem.mount(openImage(copy));
      assert.throws(
        () => filesystem.lookup(filesystem.root, new TextEncoder().encode(name)),
        (error: unknown) => error instanceof CorruptionError && error.kind === kind && error.location.inode === ino,
        `${field} = ${value}`,
      );
      filesystem.close();
    }
  });

  it("that are deleted are stale by number and corruption by name", () => {
    const image = images.make("image", "16M", ["-t", "ext4"]);
    run("debugfs", ["-w", "-R", "write /etc/passwd f", image]);
    const ino = Number(/Inode: (\d+)/.exec(run("debugfs", ["-R", "stat f", image]))![1]);
    run("debugfs", ["-w", "-R", `sif <${ino}> links_count 0`, image]);
    const filesystem = FileSystem.mount(openImage(image));
    assert.throws(() => filesystem.inode(ino), { code: "ESTALE" });
    assert.throws(() => filesystem.inode(ino + 1), { code: "ESTALE" });
    assert.throws(
      () => filesystem.lookup(filesystem.root, new TextEncoder().encode("f")),
      (error: unknown) => error instanceof CorruptionError && error.kind === "inode-deleted",
    );
    for (const number of [0, -1, 0.5, Number.NaN, 2 ** 32, filesystem.geometry.inodeCount + 1]) {
      assert.throws(
        () => filesystem.inode(number),
        (error: unknown) => error instanceof CorruptionError && error.kind === "inode-number",
      );
    }
    filesystem.close();
  });

  it("with a wrong checksum are refused", () => {
    const image = images.make("image", "16M", ["-t", "ext4"]);
    const bytes = fs.readFileSync(image);
    const volume = openVolume(new MemoryDevice(bytes));
    readInode(volume, 11);
    const at = findTable(bytes) * volume.geometry.blockSize + 10 * 256;
    for (const byte of [0, 0x40, 0x7c, 0x82, 0x9f, 0xff]) {
      const changed = Buffer.from(bytes);
      changed[at + byte]! ^= 1;
      assert.throws(
        () => readInode(openVolume(new MemoryDevice(changed)), 11),
        (error: unknown) => error instanceof CorruptionError && error.kind === "inode-checksum",
        `byte ${byte}`,
      );
    }
  });
});

/** First block of group 0's inode table. */
function findTable(image: Buffer): number {
  const blockSize = 1024 << image.readUInt32LE(1024 + 24);
  return image.readUInt32LE((blockSize === 1024 ? 2048 : blockSize) + 8);
}
