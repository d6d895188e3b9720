// Oracle: the kernel's ext4 on a loop mount: what it lists, in its order, and what it finds.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { readDirectory } from "../../src/dir/directory.js";
import { readInode } from "../../src/inode/inode-table.js";
import { inKernelMount, makeFolder, mke2fs, openImage } from "./images.js";
import { compareWithKernel, FILL_AND_LIST, ordinary, skip, type Truth, type Variant } from "./kernel-comparison.js";

/** What shows a hash function: names of any bytes, and enough of them for an index. */
const hashing: Variant["directories"] = {
  few: [7, "name%d"],
  garbage: [800, "garbage"],
  many: [1500, "many%d"],
};

const variants: Variant[] = [
  {
    title: "4 KiB blocks, metadata_csum",
    options: ["-b", "4096", "-N", "8000"],
    mebibytes: 32,
    directories: { ...ordinary, huge: [9000, "a-file-%d"] },
    hashed: true,
    levels: 0,
  },
  {
    title: "1 KiB blocks, two levels of index",
    options: ["-b", "1024", "-N", "8000"],
    mebibytes: 32,
    directories: { huge: [12_000, "%d"] },
    hashed: true,
    levels: 1,
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
    directories: hashing,
    hashed: true,
  })),
  ...["legacy", "half_md4", "tea"].map((hash) => ({
    title: `${hash}, unsigned`,
    options: ["-b", "2048", "-O", "^has_journal"],
    tune: ["sh", "-c", `tune2fs -E hash_alg=${hash} "$0" && debugfs -w -R "ssv flags 2" "$0"`],
    mebibytes: 32,
    directories: hashing,
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

describe("directories that the kernel wrote", { skip }, () => {
  let folder = "";
  before(() => {
    folder = makeFolder();
  });
  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  for (const [index, variant] of variants.entries()) {
    it(`are listed and searched as by the kernel: ${variant.title}`, () => {
      compareWithKernel(join(folder, `${index}.img`), variant);
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
