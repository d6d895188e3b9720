/** What the tests of changed directories share: a directory of links to a few files, a model of it, and the comparison of both. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { addEntry, directoryCredits, removeEntry, replaceEntry } from "../../src/dir/change.js";
import { lookup } from "../../src/dir/directory.js";
import { cachedInode } from "../../src/inode/cached-inode.js";
import type { Inode } from "../../src/inode/inode.js";
import type { Handle } from "../../src/journal/handle.js";
import { type Transactions, transact } from "../../src/journal/transactions.js";
import type { Volume } from "../../src/volume.js";
import { bytesOf, inKernelMount, list, run } from "./images.js";

export type WritableVolume = Volume & { transactions: Transactions };

/** Files that names are given to. A count of links has 16 bits. */
const TARGETS = 24;

/** An image with an empty directory `d` and the files `t/0` and so on. */
export function makeImage(folder: string, name: string, size: string, options: readonly string[]): string {
  const source = join(folder, "source");
  fs.mkdirSync(join(source, "d"), { recursive: true });
  fs.mkdirSync(join(source, "t"), { recursive: true });
  for (let i = 0; i < TARGETS; i++) fs.writeFileSync(join(source, "t", `${i}`), "");
  const image = join(folder, name);
  fs.rmSync(image, { force: true });
  run("mke2fs", ["-q", "-F", "-t", "ext4", "-N", "256", ...options, "-d", source, image, size]);
  return image;
}

/** The directory under test, with what is to be in it. */
export class Bench {
  readonly volume: WritableVolume;
  readonly dir: Inode;
  readonly targets: Inode[] = [];
  /** Name (a byte a character) to the inode that it names. */
  readonly model = new Map<string, number>();

  /** @param listed whether the model begins with what is in the directory */
  constructor(volume: WritableVolume, directory = "d", listed = true) {
    this.volume = volume;
    const root = cachedInode(volume, 2);
    this.dir = cachedInode(volume, lookup(volume, root, bytesOf(directory)));
    const targets = cachedInode(volume, lookup(volume, root, bytesOf("t")));
    for (let i = 0; i < TARGETS; i++) {
      this.targets.push(cachedInode(volume, lookup(volume, targets, bytesOf(`${i}`))));
    }
    if (listed) for (const { name, ino } of list(volume, this.dir).slice(2)) this.model.set(name, ino);
  }

  /** Runs one operation, in a transaction that is committed every so often. */
  run<T>(body: (handle: Handle) => T): T {
    return transact(this.volume, directoryCredits(this.volume) + TARGETS, body);
  }

  target(n: number): Inode {
    return this.targets[n % TARGETS]!;
  }

  add(name: string, n: number): void {
    const target = this.target(n);
    this.run((handle) => {
      link(handle, target, 1);
      addEntry(handle, this.dir, bytesOf(name), target.ino, 1);
    });
    this.model.set(name, target.ino);
  }

  remove(name: string): void {
    const ino = this.run((handle) => {
      const removed = removeEntry(handle, this.dir, bytesOf(name));
      link(handle, cachedInode(this.volume, removed), -1);
      return removed;
    });
    assert.equal(ino, this.model.get(name));
    this.model.delete(name);
  }

  replace(name: string, n: number): void {
    const target = this.target(n);
    const old = this.run((handle) => {
      link(handle, target, 1);
      const replaced = replaceEntry(handle, this.dir, bytesOf(name), target.ino, 1);
      link(handle, cachedInode(this.volume, replaced), -1);
      return replaced;
    });
    assert.equal(old, this.model.get(name));
    this.model.set(name, target.ino);
  }

  /** Compares listing and lookups with the model. */
  check(): void {
    const listed = list(this.volume, this.dir).slice(2);
    assert.equal(listed.length, this.model.size);
    for (const { name, ino, type } of listed) {
      if (this.model.get(name) !== ino) assert.fail(`${name} is listed as ${ino}, not ${this.model.get(name)}`);
      assert.equal(type, this.volume.features.filetype ? 8 : 0);
    }
    for (const [name, ino] of this.model) {
      const found = lookup(this.volume, this.dir, bytesOf(name));
      if (found !== ino) assert.fail(`${name} is found as ${found}, not ${ino}`);
    }
  }
}

function link(handle: Handle, inode: Inode, change: number): void {
  handle.modifyInode(inode);
  inode.linksCount += change;
}

/** Prints what the kernel lists in directory argv[2], after it has looked each name up. */
const LIST_AND_LOOK_UP = `
import json, os, sys
d = os.path.join(os.fsencode(sys.argv[1]), os.fsencode(sys.argv[2]))
names = os.listdir(d)
json.dump([[n.decode("latin1"), os.lstat(os.path.join(d, n)).st_ino] for n in names], sys.stdout)
`;

/** The kernel sees what the model says. */
export function checkWithKernel(image: string, model: ReadonlyMap<string, number>, directory = "d"): void {
  const seen = JSON.parse(inKernelMount(image, LIST_AND_LOOK_UP, directory)) as [string, number][];
  assert.equal(seen.length, model.size);
  for (const [name, ino] of seen) if (model.get(name) !== ino) assert.fail(`the kernel finds ${name} as ${ino}`);
}

/** Any name of `length` bytes. */
export function randomName(random: (below: number) => number, length: number): string {
  for (;;) {
    let name = "";
    for (let i = 0; i < length; i++) {
      let byte = 1 + random(255);
      if (byte === 0x2f) byte = 0x2e;
      name += String.fromCharCode(byte);
    }
    if (name !== "." && name !== "..") return name;
  }
}
