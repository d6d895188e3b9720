// Oracle: node:fs on a loop mount of the same image.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { MemoryDevice } from "../../src/device/memory.js";
import { CorruptionError } from "../../src/errors.js";
import { InodeFlag } from "../../src/format/inode.js";
import { groupDescriptor } from "../../src/groups/group-table.js";
import { Ext4 } from "../../src/library/ext4.js";
import { nameToString, stringToName } from "../../src/library/names.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import { ImageDirectory, missingLoopMount, openImage, run, TestEnvironment } from "../images.js";

const skip = missingLoopMount() ?? false;

const fill = `
import os, sys
root = os.fsencode(sys.argv[1])
def at(name): return os.path.join(root, name)
os.makedirs(at(b"a/b/c"))
open(at(b"a/b/c/file"), "wb").write(b"contents\\n" * 5000)
f = open(at(b"sparse"), "wb"); f.seek(1 << 20); f.write(b"x" * 10000); f.seek(3 << 20); f.write(b"y"); f.truncate(5 << 20); f.close()
os.posix_fallocate(os.open(at(b"unwritten"), os.O_CREAT | os.O_RDWR), 0, 300000)
open(at(b"tiny"), "wb").write(b"inline?")
open(at(b"empty"), "wb").close()
os.symlink(b"a/b", at(b"relative")); os.symlink(b"/a/b/c/file", at(b"absolute")); os.symlink(b"../../a", at(b"a/b/up"))
os.symlink(b"loop2", at(b"loop1")); os.symlink(b"loop1", at(b"loop2")); os.symlink(b"nowhere", at(b"dangling")); os.symlink(b"a/b/", at(b"slash"))
for n in range(45): os.symlink(b"chain%d" % (n + 1) if n < 44 else b"tiny", at(b"chain%d" % n))
open(at(b"bad\\xff\\xfename"), "wb").write(b"1"); open(at("grün 🙂".encode()), "wb").write(b"2")
open(at(b"n" * 255), "wb").write(b"3")
os.mkdir(at(b"many")); [open(at(b"many/entry%d" % n), "wb").close() for n in range(3000)]
os.setxattr(at(b"tiny"), b"user.comment", b"a value"); os.mkfifo(at(b"fifo"))
`;

/** What stat and lstat say of paths inside the image alone: inode numbers, or the errno's name. */
const resolve = `
import errno, json, os, sys
os.chroot(sys.argv[1]); os.chdir("/")
def ask(call, path):
    try: return call(path).st_ino
    except OSError as e: return errno.errorcode[e.errno]
print(json.dumps([[ask(os.stat, p), ask(os.lstat, p)] for p in sys.argv[2:]]))
`;

function outcome(call: () => number): number | string {
  try {
    return call();
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

describe("Ext4", { skip }, () => {
  const images = new ImageDirectory();
  let image: string;
  let ext4: Ext4;

  before(() => {
    image = images.make("image", "64M", [
      "-t",
      "ext4",
      "-b",
      "4096",
      "-O",
      "inline_data",
      "-L",
      "a label",
      "-U",
      "01234567-89ab-cdef-0123-456789abcdef",
    ]);
    images.mounted(image, "rw", (root) => run("python3", ["-c", fill, root]));
    ext4 = Ext4.open(openImage(image));
  });
  after(() => {
    ext4?.close();
    images.remove();
  });

  it("resolves paths as the kernel does", () => {
    const paths = [
      "/",
      "a",
      "/a/b/c/file",
      "a//b/./c/../c/file",
      "/../../a",
      "relative",
      "relative/c/file",
      "absolute",
      "a/b/up/b/c",
      "dangling",
      "loop1",
      "slash",
      "slash/c",
      "chain0",
      "chain5",
      "chain10",
      "missing",
      "a/missing/b",
      "tiny/x",
      "tiny/",
      "absolute/",
      "relative/",
      "relative/.",
      "dangling/",
      "fifo",
      "fifo/",
      ".",
      "..",
      "a/b/c/file/..",
      "grün 🙂",
      `${"n".repeat(255)}`,
      `${"n".repeat(256)}`,
      "a/b/..",
      "relative/..",
    ];
    const truth = images.mounted(image, "ro", (root) => run("python3", ["-c", resolve, root, ...paths]));
    const ours = paths.map((path) => [outcome(() => ext4.stat(path).ino), outcome(() => ext4.lstat(path).ino)]);
    assert.deepEqual(ours, JSON.parse(truth));
    assert.throws(() => ext4.stat(""), { code: "ENOENT" });
    assert.throws(() => ext4.stat("a\0b"), { code: "ENOENT" });
  });

  it("takes a number that is no inode's, and what is no path, for the caller's mistake", () => {
    const { inodeCount } = ext4.fs.geometry;
    for (const ino of [0, -1, 12.5, Number.NaN, inodeCount + 1, 2 ** 53, inodeCount]) {
      assert.throws(() => ext4.stat(ino), { name: "FileSystemError", code: "ESTALE" }, String(ino));
      assert.equal(ext4.exists(ino), false);
    }
    assert.equal(ext4.exists(ext4.stat("tiny").ino), true);
    assert.equal(ext4.info().errorCount, 0);
    for (const path of [undefined, null, {}, 12n, true, [], Uint16Array.of(47)]) {
      assert.throws(() => ext4.stat(path as never), {
        name: "TypeError",
        message: /^a path is text or a Uint8Array, not /,
      });
    }
  });

  it("lists directories, by for and by for await", async () => {
    const truth = images.mounted(image, "ro", (root) =>
      ["/", "a", "many", "a/b/c"].map(
        (path) => [path, fs.readdirSync(join(root, path), "buffer").map(String).sort()] as const,
      ),
    );
    for (const [path, expected] of truth) {
      const sync = [...ext4.readDirectory(path)];
      assert.deepEqual(sync.map((entry) => Buffer.from(entry.nameBytes).toString()).sort(), expected);
      const async = [];
      for await (const entry of ext4.readDirectory(path)) async.push(entry);
      assert.deepEqual(async, sync);
      for (const entry of sync.slice(0, 20)) {
        const stats = ext4.lstat(entry.ino);
        assert.equal(stats.kind, entry.kind);
        assert.equal(ext4.lstat(`${path}/${entry.name}`).ino, entry.ino);
      }
    }
    assert.throws(() => ext4.readDirectory("tiny"), { code: "ENOTDIR" });
  });

  it("reads files whole and at positions", () => {
    images.mounted(image, "ro", (root) => {
      for (const path of ["a/b/c/file", "sparse", "unwritten", "tiny", "empty", "grün 🙂"]) {
        const truth = fs.readFileSync(join(root, path));
        assert.deepEqual(Buffer.from(ext4.readFile(path)), truth, path);
        const file = ext4.open(path);
        for (const [position, length] of [
          [0, 1],
          [3, 5],
          [4095, 2],
          [1048575, 4097],
          [44_990, 100],
          [3 * 2 ** 20, 10],
          [5 * 2 ** 20 - 1, 10],
          [2 ** 40, 1],
        ] as const) {
          const window = new Uint8Array(length).fill(0xaa);
          const count = file.read(position, window);
          const expected = truth.subarray(position, position + length);
          assert.equal(count, expected.length, `${path} at ${position}`);
          assert.deepEqual(Buffer.from(window.subarray(0, count)), expected);
        }
      }
    });
    assert.throws(() => ext4.readFile("a"), { code: "EISDIR" });
    assert.throws(() => ext4.readFile("fifo"), { code: "EINVAL" });
    assert.throws(() => ext4.readFile("sparse", 1000), { code: "EFBIG" });
    assert.throws(() => ext4.open("tiny").read(-1, new Uint8Array(1)), { code: "EINVAL" });
  });

  it("tells extents, data and holes", () => {
    const file = ext4.open("sparse");
    const kinds = [...file.extents()].map(({ kind, offset, length }) => [kind, offset, length]);
    assert.deepEqual(kinds, [
      ["hole", 0, 1 << 20],
      ["data", 1 << 20, 12_288],
      ["hole", (1 << 20) + 12_288, 2 * 2 ** 20 - 12_288],
      ["data", 3 << 20, 4096],
      ["hole", (3 << 20) + 4096, 2 * 2 ** 20 - 4096],
    ]);
    assert.equal(file.seekData(0), 1 << 20);
    assert.equal(file.seekHole((1 << 20) + 5), (1 << 20) + 12_288);
    assert.equal(file.seekData((3 << 20) + 4096), undefined);
    assert.equal(file.seekHole(5 << 20), undefined);
    const [only] = [...ext4.extents("unwritten")];
    assert.equal(only?.kind, "unwritten");
    assert.deepEqual([...ext4.extents("tiny")], [{ kind: "inline", offset: 0, length: 4096, address: undefined }]);
    assert.deepEqual([...ext4.extents("empty")], []);
  });

  it("reads links and attributes", () => {
    assert.equal(ext4.readLink("relative"), "a/b");
    assert.equal(ext4.readLink("absolute"), "/a/b/c/file");
    assert.throws(() => ext4.readLink("tiny"), { code: "EINVAL" });
    assert.deepEqual(ext4.listXattrs("tiny"), ["user.comment"]);
    assert.deepEqual(ext4.getXattr("chain10", "user.comment"), new TextEncoder().encode("a value"));
    assert.equal(ext4.getXattr("tiny", "user.other"), undefined);
  });

  it("keeps names that are no UTF-8", () => {
    const entry = [...ext4.readDirectory("/")].find(({ name }) => name.startsWith("bad"))!;
    assert.equal(entry.name, "bad\udcff\udcfename");
    assert.deepEqual(ext4.readFile(`/${entry.name}`), Uint8Array.of(0x31));
    assert.deepEqual(ext4.readFile(entry.nameBytes), Uint8Array.of(0x31));
    for (const bytes of [
      [0xff],
      [0xc3],
      [0xed, 0xa0, 0x80],
      [0xf4, 0x90, 0x80, 0x80],
      [0xc0, 0xaf, 0x61],
      [0xe2, 0x82, 0xac, 0xe2],
    ]) {
      const text = nameToString(Uint8Array.from(bytes));
      assert.deepEqual([...stringToName(text)], bytes);
    }
  });

  it("gives the superblock as data that JSON holds, as dumpe2fs shows it", () => {
    const info = ext4.info();
    assert.deepEqual(JSON.parse(JSON.stringify(info)), JSON.parse(JSON.stringify({ ...info })));
    const text = run("dumpe2fs", ["-h", image]);
    const field = (name: string) => new RegExp(`^${name}:[ \\t]+(.*)$`, "m").exec(text)?.[1];
    assert.equal(info.label, field("Filesystem volume name"));
    assert.equal(info.uuid, field("Filesystem UUID"));
    assert.equal(info.state, field("Filesystem state"));
    assert.equal(info.creatorOs, field("Filesystem OS type"));
    assert.equal(info.hash.seed, field("Directory Hash Seed"));
    assert.equal(info.hash.version, field("Default directory hash"));
    assert.equal(`${info.checksum?.type}c`, `${field("Checksum type")}c`);
    assert.equal(`0x${info.checksum?.value.toString(16).padStart(8, "0")}`, field("Checksum"));
    const numbers = {
      "Inode count": info.inodeCount,
      "Block count": info.blockCount,
      "Reserved block count": info.reservedBlockCount,
      "Overhead clusters": info.overheadClusters,
      "Free blocks": info.freeBlockCount,
      "Free inodes": info.freeInodeCount,
      "First block": info.firstBlock,
      "Block size": info.blockSize,
      "Group descriptor size": info.descriptorSize,
      "Blocks per group": info.blocksPerGroup,
      "Inodes per group": info.inodesPerGroup,
      "Inode blocks per group": info.inodeTableBlocksPerGroup,
      "Flex block group size": info.flexGroupSize,
      "Mount count": info.mountCount,
      "Maximum mount count": info.maximumMountCount,
      "First inode": info.firstInode,
      "Inode size": info.inodeSize,
      "Required extra isize": info.requiredExtraInodeSize,
      "Desired extra isize": info.desiredExtraInodeSize,
      "Journal inode": info.journal?.inode,
      "Total journal blocks": info.journal?.blocks,
    };
    for (const [name, value] of Object.entries(numbers)) assert.equal(String(value), field(name), name);
    const features = [...info.features.compat, ...info.features.incompat, ...info.features.roCompat].sort();
    assert.deepEqual(features, field("Filesystem features")!.split(" ").sort());
    assert.equal(info.createdTime, Date.parse(field("Filesystem created")!) / 1000);
    assert.equal(info.writeTime, Date.parse(field("Last write time")!) / 1000);
  });

  it("puts damage on record, in the log and before onPanic", () => {
    const bytes = fs.readFileSync(image);
    const ino = ext4.stat("tiny").ino;
    damageInode(bytes, ino);
    const environment = new TestEnvironment();
    const panics: unknown[] = [];
    const broken = Ext4.open(
      new MemoryDevice(bytes),
      { errors: "panic", onPanic: (error) => panics.push(error) },
      environment,
    );
    for (let time = 0; time < 30; time++) {
      environment.seconds++;
      assert.throws(
        () => broken.stat("tiny"),
        (error: unknown) => error instanceof CorruptionError && error.kind === "inode-checksum",
      );
    }
    assert.equal(panics.length, 30);
    const info = broken.info();
    assert.equal(info.errorCount, 30);
    assert.equal(info.state, "clean with errors");
    assert.deepEqual([info.firstError?.inode, info.lastError?.inode], [ino, ino]);
    assert.deepEqual([info.firstError?.time, info.lastError?.time], [1_700_000_001, 1_700_000_030]);
    assert.equal(info.lastError?.function, "inode-checksum");
    assert.ok(environment.lines.length >= 6 && environment.lines.every((line) => line.includes(`inode ${ino}`)));
  });

  it("refuses what is encrypted, but shows its attributes", () => {
    const copy = images.file("copy");
    fs.copyFileSync(image, copy);
    run("debugfs", ["-w", "-R", "feature encrypt", copy]);
    const flags = ext4.inode("a/b/c/file").flags | InodeFlag.encrypt;
    run("debugfs", ["-w", "-R", `sif a/b/c/file flags 0x${(flags >>> 0).toString(16)}`, copy]);
    const encrypted = Ext4.open(openImage(copy));
    assert.equal(encrypted.stat("a/b/c/file").size, 45_000);
    assert.throws(() => encrypted.open("a/b/c/file"), { code: "ENOKEY" });
    const mapping = { type: 0, flags: 0, offset: 0, length: 0, addr: 0, dev: 0 };
    const inode = encrypted.inode("a/b/c/file");
    assert.throws(() => encrypted.fs.iomapBegin(inode, 0, 1, 0, mapping), { code: "ENOKEY" });
    assert.throws(() => encrypted.fs.iomapBegin(inode, 0, 1, 1, mapping), { code: "EROFS" });
    encrypted.close();
  });

  it("shows the ciphertext of an encrypted link as fscrypt encodes it without a key, and its length as the size", () => {
    const path = images.make("links", "8M", ["-t", "ext4", "-O", "encrypt,^metadata_csum"]);
    run("debugfs", ["-w", "-R", `symlink link ${"A".repeat(200)}`, path]);
    run("debugfs", ["-w", "-R", "sif link flags 0x80800", path]);
    const bytes = fs.readFileSync(path);
    const block = Number(run("debugfs", ["-R", "bmap link 0", path]));
    const at = block * (1024 << bytes.readUInt32LE(1024 + 24));
    bytes.writeUInt16LE(32, at);
    const links = Ext4.open(new MemoryDevice(bytes));
    const target = Buffer.concat([Buffer.alloc(8), Buffer.from("A".repeat(32))]).toString("base64url");
    assert.equal(links.readLink("link"), target);
    assert.equal(links.lstat("link").size, target.length);
    for (const length of [0, 199, 0xffff]) {
      bytes.writeUInt16LE(length, at);
      const damaged = Ext4.open(new MemoryDevice(bytes));
      assert.throws(
        () => damaged.readLink("link"),
        (error: unknown) => error instanceof CorruptionError,
      );
    }
  });

  it("answers the same with caches of the smallest size", () => {
    const small = Ext4.open(openImage(image), { cacheBytes: 0, inodeCacheEntries: 0 });
    assert.equal(small.fs.volume.cache.capacity, 64);
    assert.equal(small.fs.volume.inodes.capacity, 16);
    for (const entry of ext4.readDirectory("many")) {
      assert.deepEqual(small.lstat(`many/${entry.name}`), ext4.lstat(entry.ino));
    }
    assert.ok(small.fs.volume.cache.size <= 64);
    small.close();
  });
});

/** Changes a byte of an inode's size in an image. */
function damageInode(bytes: Uint8Array, ino: number): void {
  const volume = openVolume(new MemoryDevice(bytes));
  const { inodesPerGroup, inodeSize, blockSize } = volume.geometry;
  const { inodeTable } = groupDescriptor(volume, Math.floor((ino - 1) / inodesPerGroup));
  bytes[inodeTable * blockSize + ((ino - 1) % inodesPerGroup) * inodeSize + 5]! ^= 0xff;
}
