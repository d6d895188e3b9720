// Oracle: the kernel's ext4 on a loop mount: what it lists, in its order, and what it finds.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { lookup, readDirectory } from "../../src/dir/directory.js";
import { FileSystemError } from "../../src/errors.js";
import { InodeFlag } from "../../src/format/inode.js";
import { readInode } from "../../src/inode/inode-table.js";
import type { Volume } from "../../src/volume.js";
import {
  bytesOf,
  inKernelMount,
  type Listed,
  list,
  makeFolder,
  mke2fs,
  openImage,
  run,
  skipWithout,
} from "./images.js";

/** Fills the mount at argv[1] with directories given as JSON: {name: [count, pattern]}; prints what each then lists. */
const FILL_AND_LIST = `
import json, os, random, sys
root = os.fsencode(sys.argv[1]); random.seed(5)
def name(pattern, i):
    if pattern == "garbage":
        n = bytes(random.choice([b for b in range(1, 256) if b != 47]) for _ in range(random.randint(3, 255)))
        return n
    return (pattern % i).encode()
for d, (count, pattern) in json.loads(sys.argv[2]).items():
    dir = os.path.join(root, os.fsencode(d)); os.makedirs(dir, exist_ok=True)
    links = 0; source = None
    for i in range(count):
        path = os.path.join(dir, name(pattern, i))
        if i % 1000 == 3: os.mkdir(path)
        elif i % 1000 == 4: os.symlink(b"target", path)
        elif i % 1000 == 5: os.mkfifo(path)
        elif source is None or links == 60000:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY)); source = path; links = 0
        else: os.link(source, path); links += 1
    # Holes in the order: what was removed leaves unused records and, in an index, leaves of few names.
    if count > 20:
        for n in random.sample(sorted(os.listdir(dir)), count // 10):
            p = os.path.join(dir, n)
            if p == source: continue
            os.rmdir(p) if os.path.isdir(p) and not os.path.islink(p) else os.unlink(p)
os.sync()
T = {"dir": 4, "link": 10, "file": 8, "fifo": 1}
out = {}
for d in json.loads(sys.argv[2]):
    entries = []
    for e in os.scandir(os.path.join(root, os.fsencode(d))):
        k = "link" if e.is_symlink() else "dir" if e.is_dir(follow_symlinks=False) else "file" if e.is_file(follow_symlinks=False) else "fifo"
        entries.append([e.name.decode("latin1"), e.inode(), T[k]])
    out[d] = [os.stat(os.path.join(root, os.fsencode(d))).st_ino, entries]
json.dump(out, sys.stdout)
`;

type Directory = [ino: number, entries: [name: string, ino: number, type: number][]];
type Truth = Record<string, Directory> & { d?: Directory; huge?: Directory };

interface Variant {
  readonly title: string;
  readonly options: readonly string[];
  readonly tune?: readonly string[];
  readonly mebibytes: number;
  readonly directories: Record<string, [count: number, pattern: string]>;
  /** The kernel lists in the order of hashes. */
  readonly hashed: boolean;
  readonly levels?: number;
}

const ordinary: Variant["directories"] = {
  empty: [0, ""],
  few: [7, "name%d"],
  block: [60, "in-one-block-%05d"],
  thousands: [3000, "file.%d.txt"],
  garbage: [1500, "garbage"],
  long: [700, `%d-${"é".repeat(120)}`],
};

const variants: Variant[] = [
  {
    title: "4 KiB blocks, metadata_csum, 50,000 names",
    options: ["-b", "4096", "-N", "20000"],
    mebibytes: 96,
    directories: { ...ordinary, huge: [50_000, "a-file-%d"] },
    hashed: true,
  },
  {
    title: "1 KiB blocks, two levels below the root, 110,000 names",
    options: ["-b", "1024", "-N", "8000"],
    mebibytes: 64,
    directories: { ...ordinary, huge: [110_000, "%d"] },
    hashed: true,
    levels: 1,
  },
  {
    title: "large_dir, three levels of index",
    options: ["-b", "1024", "-O", "large_dir,^has_journal", "-N", "4000"],
    mebibytes: 96,
    directories: { huge: [75_000, `%d${"n".repeat(236)}`] },
    hashed: true,
    levels: 2,
  },
  ...["legacy", "half_md4", "tea"].map((hash) => ({
    title: `${hash}, no checksums`,
    options: [
      "-b",
      "1024",
      "-O",
      "^metadata_csum,^has_journal",
      "-E",
      "hash_seed=00000000-0000-0000-0000-000000000000",
    ],
    tune: ["tune2fs", "-E", `hash_alg=${hash}`],
    mebibytes: 32,
    directories: { ...ordinary, many: [6000, "many%d"] as [number, string] },
    hashed: true,
  })),
  ...["legacy", "half_md4", "tea"].map((hash) => ({
    title: `${hash}, unsigned`,
    options: ["-b", "2048", "-O", "^has_journal"],
    tune: ["sh", "-c", `tune2fs -E hash_alg=${hash} "$0" && debugfs -w -R "ssv flags 2" "$0"`],
    mebibytes: 32,
    directories: ordinary,
    hashed: true,
  })),
  {
    title: "without file types",
    options: ["-b", "1024", "-O", "^filetype,^has_journal"],
    mebibytes: 32,
    directories: ordinary,
    hashed: true,
  },
  {
    title: "without indexes",
    options: ["-b", "1024", "-O", "^dir_index"],
    mebibytes: 32,
    directories: ordinary,
    hashed: false,
  },
  {
    title: "ext2: indirect blocks, no checksums, no indexes",
    options: ["-b", "1024", "-O", "^dir_index,^extents,^metadata_csum,^has_journal,^64bit,^flex_bg"],
    mebibytes: 32,
    directories: ordinary,
    hashed: false,
  },
  {
    title: "inline directories",
    options: ["-b", "4096", "-I", "512", "-O", "inline_data"],
    mebibytes: 32,
    directories: { ...ordinary, one: [1, "a%d"], tiny: [5, "n%d"], filled: [18, "inline-%d"] },
    hashed: true,
  },
  {
    title: "inline directories without indexes",
    options: ["-b", "1024", "-I", "256", "-O", "inline_data,^dir_index"],
    mebibytes: 32,
    directories: { ...ordinary, one: [1, "a%d"], tiny: [5, "n%d"], filled: [9, "inline-%d"] },
    hashed: false,
  },
];

const skip = skipWithout("root", "loop", "mke2fs", "debugfs", "python3", "unshare");

describe("directories that the kernel wrote", { skip }, () => {
  let folder = "";
  before(() => {
    folder = makeFolder();
  });
  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  for (const [index, variant] of variants.entries()) {
    it(`are listed and searched as by the kernel: ${variant.title}`, () => {
      const image = mke2fs(join(folder, `${index}.img`), variant.mebibytes, ...variant.options);
      const [tune, ...args] = variant.tune ?? [];
      if (tune !== undefined) run(tune, [...args, image]);
      const truth = JSON.parse(inKernelMount(image, FILL_AND_LIST, JSON.stringify(variant.directories))) as Truth;
      const volume = openImage(image);
      for (const [name, [ino, entries]] of Object.entries(truth)) compare(volume, name, ino, entries, variant);
      if (variant.levels !== undefined) {
        const huge = readInode(volume, truth.huge![0]);
        assert.ok(huge.has(InodeFlag.index));
        assert.equal(volume.cache.read(firstBlock(volume, huge.ino)).data[0x1e], variant.levels);
      }
      fs.rmSync(image);
    });
  }

  it("lists what stays exactly once while the directory changes between calls", () => {
    const image = mke2fs(join(folder, "change.img"), 32, "-b", "1024", "-O", "^has_journal");
    const fill = inKernelMount(image, FILL_AND_LIST, JSON.stringify({ d: [8000, "name-%d"] }));
    const [ino, before] = (JSON.parse(fill) as Truth).d!;
    const changed = join(folder, "changed.img");
    fs.copyFileSync(image, changed);
    const change = `
import json, os, sys
d = os.path.join(sys.argv[1], "d")
names = sorted(os.listdir(d))
for n in names[::3]:
    p = os.path.join(d, n)
    os.rmdir(p) if os.path.isdir(p) and not os.path.islink(p) else os.unlink(p)
for i in range(4000): open(os.path.join(d, "new-%d" % i), "w").close()
json.dump({"d": [os.stat(d).st_ino, [[e.name, e.inode(), 0] for e in os.scandir(d)]]}, sys.stdout)`;
    const after = (JSON.parse(inKernelMount(changed, change)) as Truth).d![1];
    const names = new Set(after.map(([name]) => name));
    const stay = before.map(([name]) => name).filter((name) => names.has(name));
    const first = openImage(image);
    const second = openImage(changed);
    for (const stop of [1, 2, 3, 500, 4001, 7000]) {
      const shown: string[] = [];
      let cookie: [number, number] = [0, 0];
      for (const volume of [first, second]) {
        readDirectory(volume, readInode(volume, ino), ...cookie, (_ino, _type, bytes, start, length, high, low) => {
          if (volume === first && shown.length === stop) return false;
          shown.push(Buffer.from(bytes.subarray(start, start + length)).toString("latin1"));
          cookie = [high, low];
          return true;
        });
      }
      assert.equal(new Set(shown).size, shown.length, "nothing is shown twice");
      const missing = stay.filter((name) => !shown.includes(name));
      assert.deepEqual(missing, []);
    }
  });
});

function compare(volume: Volume, name: string, ino: number, entries: [string, number, number][], variant: Variant) {
  const dir = readInode(volume, ino);
  const listed = list(volume, dir);
  assert.deepEqual(
    listed.slice(0, 2).map((entry) => [entry.name, entry.ino]),
    [
      [".", ino],
      ["..", 2],
    ],
  );
  const ours = listed.slice(2);
  const theirs = entries.map(([name, ino, type]): Listed => ({ name, ino, type: volume.features.filetype ? type : 0 }));
  assert.deepEqual(ours, theirs, `${name} is listed as the kernel lists it, in its order`);
  for (const perCall of [1, 7, 100]) {
    if (ours.length * 100 > 400_000 * perCall) continue;
    assert.deepEqual(list(volume, dir, perCall), listed, `${name}, ${perCall} entries a call`);
  }
  assert.equal(variant.hashed, volume.features.dirIndex);
  for (const entry of ours) {
    const found = lookup(volume, dir, bytesOf(entry.name));
    if (found !== entry.ino) assert.fail(`${name}/${entry.name} is inode ${entry.ino}, found ${found}`);
  }
  for (const missing of ["x", "file.3001.txt", "N", "name7 ", "\xff\xfe", "...", "z".repeat(255)]) {
    assert.equal(lookup(volume, dir, bytesOf(missing)), 0, missing);
  }
  assert.equal(lookup(volume, dir, bytesOf(".")), ino);
  assert.equal(lookup(volume, dir, bytesOf("..")), 2);
  assert.equal(lookup(volume, dir, new Uint8Array(0)), 0);
  assert.throws(
    () => lookup(volume, dir, new Uint8Array(256)),
    (error) => error instanceof FileSystemError && error.code === "ENAMETOOLONG",
  );
}

function firstBlock(volume: Volume, ino: number): number {
  const root = readInode(volume, ino);
  // The extent root's first entry is the first leaf extent or leads to it.
  let { view } = root;
  let base = 0x28;
  while (view.getUint16(base + 6, true) > 0) {
    view = volume.cache.read(view.getUint32(base + 16, true)).view;
    base = 0;
  }
  return view.getUint32(base + 20, true);
}
