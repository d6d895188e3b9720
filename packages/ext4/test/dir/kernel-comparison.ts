/** Directories that the kernel's ext4 filled and listed on a loop mount, compared with what the engine lists and finds. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { lookup } from "../../src/dir/directory.js";
import { FileSystemError } from "../../src/errors.js";
import { InodeFlag } from "../../src/format/inode.js";
import { readInode } from "../../src/inode/inode-table.js";
import type { Volume } from "../../src/volume.js";
import { bytesOf, inKernelMount, type Listed, list, mke2fs, openImage, run, skipWithout } from "./images.js";

/** Fills the mount at argv[1] with directories given as JSON: {name: [count, pattern]}; prints what each then lists. */
export const FILL_AND_LIST = `
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
export type Truth = Record<string, Directory> & { d?: Directory; huge?: Directory };

export interface Variant {
  readonly title: string;
  readonly options: readonly string[];
  readonly tune?: readonly string[];
  readonly mebibytes: number;
  readonly directories: Record<string, [count: number, pattern: string]>;
  /** The kernel lists in the order of hashes. */
  readonly hashed: boolean;
  readonly levels?: number;
}

/** Directories of every small kind. */
export const ordinary: Variant["directories"] = {
  empty: [0, ""],
  few: [7, "name%d"],
  block: [60, "in-one-block-%05d"],
  thousands: [3000, "file.%d.txt"],
  garbage: [1500, "garbage"],
  long: [700, `%d-${"é".repeat(120)}`],
};

export const skip = skipWithout("root", "loop", "mke2fs", "debugfs", "python3");

/** Makes the image of a variant at `path`, has the kernel fill and list it, and compares. */
export function compareWithKernel(path: string, variant: Variant): void {
  const image = mke2fs(path, variant.mebibytes, ...variant.options);
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
}

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
