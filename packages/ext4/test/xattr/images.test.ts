// Oracle: the kernel's ext4 on a loop mount, asked with listxattr and getxattr (by Python, which has them).
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { FileDevice } from "../../src/device/file.js";
import { MemoryDevice } from "../../src/device/memory.js";
import { CorruptionError, FileSystemError } from "../../src/errors.js";
import { readInode } from "../../src/inode/inode-table.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import type { Volume } from "../../src/volume.js";
import { getXattr, listXattrs } from "../../src/xattr/xattrs.js";
import { missingLoopMount, missingTool, run, withMount } from "../images.js";

/** Fills the file system at argv[1] and prints what it then has: [[ino, [[name, value in hex], …]], …]. */
const FILL_AND_ASK = `
import json, os, stat, struct, sys
root = sys.argv[1]; big = sys.argv[2] == "ea_inode"
def make(name, kind="file"):
    path = os.path.join(root, name)
    if kind == "dir": os.mkdir(path)
    elif kind == "symlink": os.symlink("nowhere", path)
    elif kind == "fifo": os.mkfifo(path)
    else: open(path, "wb").close()
    return path
def put(path, name, value):
    os.setxattr(path, name, value, follow_symlinks=False)
def try_put(path, name, value):
    try: put(path, name, value)
    except OSError as e:
        if e.errno != 28: raise
        return False
    return True
make("none")
f = make("few"); put(f, b"user.a", b"one"); put(f, b"user.empty", b""); put(f, b"user.\\xff\\xfe\\x01", b"\\x00\\x01")
f = make("spaces"); [put(f, n, n.encode()) for n in ("user.u", "trusted.t", "security.s", "security.capability2")]
f = make("full"); i = 0
while try_put(f, "user.n%d" % i, b"v" * (i % 40)): i += 1
f = make("long"); put(f, b"user." + b"x" * 250, b"y" * 700)
f = make("shared1"); put(f, "user.same", b"z" * 800)
f = make("shared2"); put(f, "user.same", b"z" * 800)
f = make("link", "symlink"); put(f, "trusted.link", b"of a link" * 20)
f = make("fifo", "fifo"); put(f, "security.pipe", b"p")
acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in
    [(1, 7, 2**32-1), (2, 5, 1000), (2, 4, 70000), (4, 5, 2**32-1), (8, 1, 33), (16, 7, 2**32-1), (32, 0, 2**32-1)])
f = make("acl"); put(f, "system.posix_acl_access", acl); put(f, "user.too", b"!")
f = make("dir", "dir"); put(f, "system.posix_acl_default", acl); make("dir/heir"); make("dir/subdir", "dir")
if big:
    for size in (5000, 65535, 65536):
        f = make("big%d" % size)
        put(f, "user.big", bytes((n * 7 + size) % 251 for n in range(size)))
        put(f, b"user.other\\xc3", b"q" * size)
    f = make("bigtwin"); put(f, "user.big", bytes((n * 7 + 65536) % 251 for n in range(65536)))
out = []
for dir, dirs, files in os.walk(root):
    for name in dirs + files:
        path = os.path.join(dir, name)
        names = os.listxattr(os.fsencode(path), follow_symlinks=False)
        out.append([os.lstat(path).st_ino, [[os.fsencode(n).hex(), os.getxattr(path, n, follow_symlinks=False).hex()] for n in names]])
print(json.dumps(out))
`;

const variants: [name: string, options: string[], big: boolean][] = [
  ["4 KiB blocks, metadata_csum, ea_inode", ["-b", "4096", "-O", "metadata_csum,ea_inode"], true],
  [
    "1 KiB blocks, metadata_csum_seed, ea_inode",
    ["-b", "1024", "-O", "metadata_csum,metadata_csum_seed,ea_inode"],
    true,
  ],
  ["ea_inode without checksums", ["-b", "4096", "-O", "^metadata_csum,ea_inode"], true],
  ["inodes of 128 bytes, ext3", ["-b", "1024", "-I", "128", "-O", "^extents,^64bit,^metadata_csum,^flex_bg"], false],
  ["inodes of 1 KiB, inline_data", ["-b", "4096", "-I", "1024", "-O", "inline_data"], false],
];

type Truth = [ino: number, attributes: [name: string, value: string][]][];

/** Makes an image, has the kernel fill it, and asks the kernel what it then has. */
function makeImage(path: string, options: string[], big: boolean): Truth {
  fs.writeFileSync(path, "");
  fs.truncateSync(path, 64 << 20);
  run("mke2fs", ["-q", "-F", "-t", "ext4", "-E", "lazy_itable_init=0", ...options, path]);
  const fill = (root: string) => run("python3", ["-c", FILL_AND_ASK, root, big ? "ea_inode" : ""]);
  return JSON.parse(withMount(path, `${path}.mnt`, "rw", fill)) as Truth;
}

function ask(volume: Volume, ino: number): [string, string][] {
  const inode = readInode(volume, ino);
  return listXattrs(volume, inode).map((name) => {
    const value = getXattr(volume, inode, name);
    assert.ok(value !== undefined, `${name} is listed`);
    return [Buffer.from(name, "latin1").toString("hex"), Buffer.from(value).toString("hex")];
  });
}

describe("attributes on images that the kernel wrote", {
  skip: missingLoopMount() ?? missingTool("python3") ?? false,
}, () => {
  let directory = "";
  before(() => {
    directory = fs.mkdtempSync(join(tmpdir(), "bulkhead-xattr-"));
  });
  after(() => fs.rmSync(directory, { recursive: true, force: true }));

  for (const [index, [name, options, big]] of variants.entries()) {
    it(`are the kernel's: ${name}`, () => {
      const path = join(directory, `${index}.img`);
      fs.mkdirSync(`${path}.mnt`);
      const truth = makeImage(path, options, big);
      assert.ok(truth.length > 12);
      const device = new FileDevice(fs, fs.openSync(path, "r"));
      try {
        const volume = openVolume(device);
        for (const [ino, attributes] of truth) assert.deepEqual(ask(volume, ino), attributes, `inode ${ino}`);
      } finally {
        device.close();
      }
    });
  }

  it("with bytes changed at random give a result or a CorruptionError, never another error", () => {
    const path = join(directory, "fuzz.img");
    fs.mkdirSync(`${path}.mnt`);
    // Without checksums, so that the damage reaches the checks behind them.
    const truth = makeImage(path, ["-b", "1024", "-O", "^metadata_csum,ea_inode"], true);
    const bytes = new Uint8Array(fs.readFileSync(path));
    const pristine = openVolume(new MemoryDevice(bytes));
    const targets: [number, number][] = [];
    for (const [ino] of truth) {
      const inode = readInode(pristine, ino);
      if (inode.fileAcl !== 0) targets.push([inode.fileAcl * 1024, 1024]);
      const at = Buffer.from(bytes.buffer).indexOf(inode.raw);
      assert.ok(at > 0);
      targets.push([at + 128, inode.raw.length - 128]);
    }
    const seed = 0x5eed;
    let state = seed;
    const random = (bound: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * bound);
    };
    let corrupt = 0;
    for (let round = 0; round < 500; round++) {
      const undo: [number, number][] = [];
      for (let change = 1 + random(4); change > 0; change--) {
        const [start, length] = targets[random(targets.length)]!;
        const at = start + random(random(2) === 0 ? Math.min(length, 96) : length);
        undo.push([at, bytes[at]!]);
        bytes[at] = [0, 0xff, 0x7f, bytes[at]! ^ (1 << random(8)), random(256)][random(5)]!;
      }
      const volume = openVolume(new MemoryDevice(bytes));
      for (const [ino] of truth) {
        try {
          ask(volume, ino);
        } catch (error) {
          if (error instanceof CorruptionError) corrupt++;
          else if (!(error instanceof FileSystemError || error instanceof assert.AssertionError)) {
            throw new Error(`round ${round} of seed ${seed}`, { cause: error });
          }
        }
      }
      for (const [at, value] of undo.reverse()) bytes[at] = value;
    }
    assert.ok(corrupt > 100, `${corrupt} corruptions were found`);
  });

  it("whose value inode is damaged are corrupt, each rule by its evidence", () => {
    const path = join(directory, "value.img");
    fs.mkdirSync(`${path}.mnt`);
    const truth = makeImage(path, ["-b", "1024", "-O", "^metadata_csum,ea_inode"], true);
    const bytes = new Uint8Array(fs.readFileSync(path));
    const open = () => openVolume(new MemoryDevice(bytes));
    const hex = Buffer.from("user.big").toString("hex");
    const [ino, attributes] = truth.find(([, list]) =>
      list.some(([name, value]) => name === hex && value.length === 10_000),
    )!;
    const owner = readInode(open(), ino);
    const place = (raw: Uint8Array) => Buffer.from(bytes.buffer).indexOf(raw);
    // The entry's value inode: the only entry with this size.
    const block = owner.fileAcl * 1024;
    const view = new DataView(bytes.buffer);
    const ownerAt = place(owner.raw);
    const sizeAt = [...range(ownerAt + 160, ownerAt + 256), ...range(block + 32, block + 1024)].find(
      (at) => view.getUint32(at, true) === 5000,
    )!;
    const valueIno = view.getUint32(sizeAt - 4, true);
    const value = readInode(open(), valueIno);
    const at = place(value.raw);
    const extent = view.getUint32(at + 0x28 + 12 + 8, true) * 1024;

    const damage = (evidence: RegExp, ...changes: [offset: number, value: number][]) => {
      const undo = changes.map(([offset]) => [offset, view.getUint32(offset, true)] as const);
      for (const [offset, word] of changes) view.setUint32(offset, word, true);
      try {
        const volume = open();
        assert.throws(
          () => getXattr(volume, readInode(volume, ino), "user.big"),
          (error: unknown) => {
            assert.ok(error instanceof CorruptionError, String(error));
            assert.equal(error.kind, "xattr-value-inode");
            assert.match(error.evidence, evidence);
            return true;
          },
        );
      } finally {
        for (const [offset, word] of undo) view.setUint32(offset, word, true);
      }
    };
    const flags = view.getUint32(at + 0x20, true);
    const mode = view.getUint32(at, true);
    damage(/without the flag/, [at + 0x20, flags & ~0x20_0000]);
    damage(/mode/, [at, (mode & 0xffff_0fff) | 0x1000]);
    damage(/5001 bytes instead of 5000/, [at + 4, 5001]);
    damage(/a hole at 0/, [at + 0x28 + 12, 100]);
    damage(/value hash/, [extent, ~view.getUint32(extent, true)]);
    damage(/value hash/, [at + 8, ~view.getUint32(at + 8, true)]);
    damage(/entry hash/, [sizeAt + 4, ~view.getUint32(sizeAt + 4, true)]);
    damage(/without the flag/, [sizeAt - 4, owner.ino]);
    damage(/not in use/, [sizeAt - 4, 2000]);
    damage(/attributes itself/, [at + 0x68, owner.fileAcl || 500]);

    // Lustre's kind: the value inode names its one owner, and there are no hashes to fit.
    view.setUint32(at + 8, 0, true);
    view.setUint32(at + 0x10, owner.ino, true);
    view.setUint32(at + 0x64, owner.generation, true);
    const volume = open();
    const found = getXattr(volume, readInode(volume, ino), "user.big");
    assert.equal(Buffer.from(found!).toString("hex"), attributes.find(([name]) => name === hex)![1]);
  });
});

function* range(from: number, to: number): Generator<number> {
  for (let at = from; at < to; at += 4) yield at;
}
