// Oracles: a full commit of the same changes; each of those who replay fast commits: this engine, the kernel (a loop mount), e2fsck.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, describe, it } from "node:test";
import { MemoryDevice } from "../../src/device/memory.js";
import { RecordingDevice } from "../../src/device/recording.js";
import type { FileSystem } from "../../src/filesystem.js";
import { InodeFlag } from "../../src/format/inode.js";
import type { Inode } from "../../src/inode/inode.js";
import { openJournal } from "../../src/journal/journal-inode.js";
import { recoverLog } from "../../src/journal/replay.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import { TestEnvironment } from "../images.js";
import { cannotMakeImages, Workshop } from "./dirty-image.js";
import { REPLAYS, treeOf } from "./fast-commit-replays.js";
import { bytesOf, mountForWriting, overwrite, remove, writeFile } from "./writing.js";

const workshop = new Workshop();
after(() => workshop.remove());

const FEATURES = ["-b", "1024", "-O", "fast_commit", "-J", "size=4", "-N", "256"];

/** A file system with a directory `d` and files `a`, `b` of some blocks, mounted. */
interface Scene {
  readonly fs: FileSystem;
  readonly device: MemoryDevice;
  readonly root: Inode;
  readonly d: Inode;
  file(name: string, dir?: Inode): Inode;
}

const contents = (size: number, salt: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, at) => (at * 31 + salt * 7 + (at >> 8)) & 0xff);

let base: Uint8Array | undefined;

function scene(): Scene {
  base ??= new Uint8Array(fs.readFileSync(workshop.make("base.img", FEATURES, 12)));
  const device = new MemoryDevice(base.slice());
  const mounted = mountForWriting(device);
  const { root } = mounted;
  const d = mounted.mkdir(root, bytesOf("d"), { mode: 0o755, uid: 0, gid: 0 });
  for (const [salt, name] of ["a", "b"].entries()) writeFile(mounted, root, name, contents(20_000, salt));
  mounted.sync();
  const file = (name: string, dir = root) => mounted.inode(mounted.lookup(dir, bytesOf(name)));
  return { fs: mounted, device, root, d, file };
}

/** What is on the device, and what a full commit would make of it. */
function crash({ fs: mounted, device }: Scene): { crashed: Uint8Array; expected: string[] } {
  const crashed = device.bytes.slice();
  mounted.sync();
  return { crashed, expected: treeOf(device.bytes.slice()) };
}

/** Changes after which an fsync of what `change` returns makes a fast commit. */
const TOLD: Readonly<Record<string, (scene: Scene) => Inode>> = {
  "a new file": ({ fs, root }) => fs.create(root, bytesOf("n"), { mode: 0o100640, uid: 5, gid: 6 }),
  "a new file with data": ({ fs, d }) => writeFile(fs, d, "n", contents(9000, 3)),
  "data at the end": ({ fs, file }) => {
    overwrite(fs, file("a"), contents(40_000, 4));
    return file("a");
  },
  "a truncation": ({ fs, file }) => {
    fs.resize(file("a"), 5000);
    return file("a");
  },
  "a truncation, and data again": ({ fs, file }) => {
    fs.resize(file("a"), 3000);
    overwrite(fs, file("a"), contents(30_000, 9));
    return file("a");
  },
  "blocks without data": ({ fs, file }) => {
    fs.fallocate(file("a"), 1, 30_000, 50_000);
    return file("a");
  },
  "a hole": ({ fs, file }) => {
    fs.fallocate(file("a"), 3, 4096, 8192);
    return file("a");
  },
  "a zeroed range": ({ fs, file }) => {
    fs.fallocate(file("a"), 0x10, 4096, 8192);
    return file("a");
  },
  "the only extent gone, and two others": ({ fs, file }) => {
    fs.fallocate(file("a"), 3, 0, 20_480);
    fs.fallocate(file("a"), 1, 24_576, 2048);
    fs.fallocate(file("a"), 1, 32_768, 1024);
    fs.resize(file("a"), 42_000);
    return file("a");
  },
  "a second name": ({ fs, d, file }) => {
    fs.link(file("a"), d, bytesOf("also a"));
    return file("a");
  },
  "a name less": ({ fs, root, d, file }) => {
    fs.link(file("a"), d, bytesOf("also a"));
    fs.unlink(root, bytesOf("a"));
    return file("also a", d);
  },
  "the last name": ({ fs, root }) => {
    remove(fs, root, "a");
    return root;
  },
  "the last name of a file in use": ({ fs, root }) => {
    fs.unlink(root, bytesOf("a"));
    return root;
  },
  "a rename": ({ fs, root, d, file }) => {
    fs.rename(root, bytesOf("a"), d, bytesOf("moved"));
    return file("moved", d);
  },
  "a rename over another file": ({ fs, root, file }) => {
    const old = file("b").ino;
    fs.rename(root, bytesOf("a"), root, bytesOf("b"));
    fs.release(old);
    return file("b");
  },
  "an editor's way to save": ({ fs, root, file }) => {
    fs.fsync(writeFile(fs, root, ".a.swp", contents(7000, 8)));
    const old = file("a").ino;
    fs.rename(root, bytesOf(".a.swp"), root, bytesOf("a"));
    fs.release(old);
    return root;
  },
  "names that change places": ({ fs, root, file }) => {
    fs.rename(root, bytesOf("a"), root, bytesOf("t"));
    fs.rename(root, bytesOf("b"), root, bytesOf("a"));
    fs.rename(root, bytesOf("t"), root, bytesOf("b"));
    return file("a");
  },
  "mode, owner and times": ({ fs, file }) => {
    fs.setAttributes(file("a"), { mode: 0o4711, uid: 70_000, gid: 12, mtime: 1_000_000_000, mtimeNanoseconds: 5 });
    return file("a");
  },
  "a file that gets its name late": ({ fs, d }) => {
    const inode = fs.tmpfile(d, { mode: 0o100600, uid: 1, gid: 2 });
    overwrite(fs, inode, contents(12_000, 6));
    fs.link(inode, d, bytesOf("late"));
    return inode;
  },
  "a file that came and went": ({ fs, root, file }) => {
    writeFile(fs, root, "gone", contents(3000, 1));
    remove(fs, root, "gone");
    fs.setAttributes(file("b"), { mode: 0o600 });
    return file("b");
  },
  "a number that is used again": ({ fs, root, file }) => {
    const { ino } = file("a");
    remove(fs, root, "a");
    const inode = fs.create(root, bytesOf("new"), { mode: 0o100600, uid: 3, gid: 3 });
    assert.equal(inode.ino, ino);
    fs.resize(inode, 100_000);
    return inode;
  },
  "a number that is used again after a fast commit": ({ fs, root }) => {
    fs.fsync(writeFile(fs, root, "first", contents(15_000, 1)));
    const { ino } = fs.inode(fs.lookup(root, bytesOf("first")));
    remove(fs, root, "first");
    const inode = writeFile(fs, root, "second", contents(2000, 2));
    assert.equal(inode.ino, ino);
    return inode;
  },
  "as many names as the directory has room for": ({ fs, d }) => fillDirectory(fs, d, 24),
  "names in a directory with an index": ({ fs, d }) => {
    fillDirectory(fs, d, 100);
    for (let n = 0; n < 100; n += 2) remove(fs, d, nameOf(n));
    fs.sync();
    const { size } = d;
    let inode = d;
    for (let n = 0; n < 10; n += 2) inode = writeFile(fs, d, nameOf(n), contents(n, n));
    assert.ok(d.has(InodeFlag.index) && d.size === size, "an index, and no new block");
    return inode;
  },
  "as many extents as the inode holds": ({ fs, file }) => {
    const inode = file("a");
    for (let n = 0; n < 3; n++) fs.fallocate(inode, 1, 100_000 + n * 3000, 1000);
    return inode;
  },
};

const nameOf = (n: number): string => `a rather long name for number ${n}`;

/** Makes files in a directory that has none; 24 go into its one block. @returns the last one */
function fillDirectory(fs: FileSystem, dir: Inode, count: number): Inode {
  let inode = dir;
  for (let n = 0; n < count; n++) inode = writeFile(fs, dir, nameOf(n), contents(n, n));
  assert.equal(dir.size > fs.geometry.blockSize, count > 24);
  return inode;
}

/** Makes files from `nameOf(from)` on, each durable, until the directory has a block more. @returns the last one, which is not */
function growDirectory(fs: FileSystem, dir: Inode, from: number): Inode {
  const { size } = dir;
  for (let n = from; ; n++) {
    fs.sync();
    const inode = writeFile(fs, dir, nameOf(n), contents(n, n));
    if (dir.size > size) return inode;
  }
}

/** Where in its block each name of a directory is. */
function placesOf(fs: FileSystem, dir: Inode): Map<string, number> {
  const places = new Map<string, number>();
  fs.readDirectory(dir, 0, 0, (_ino, _type, block, start, length) => {
    places.set(Buffer.from(block.subarray(start, start + length)).toString(), start);
    return true;
  });
  return places;
}

/** Gives a file names, each durable, until others had to be moved for one, and the directory has no block more. The last name is not durable. */
function moveTogether(fs: FileSystem, dir: Inode, file: Inode): void {
  for (let n = 0; ; n++) {
    fs.sync();
    const { size } = dir;
    const before = placesOf(fs, dir);
    fs.link(file, dir, bytesOf(`${n} ${"has more room than any one of those before it had".repeat(2)}`));
    const after = placesOf(fs, dir);
    if (dir.size === size && [...before].some(([name, place]) => after.get(name) !== place)) return;
  }
}

/** Changes of which no fast commit tells. */
const UNTOLD: Readonly<Record<string, (scene: Scene) => Inode>> = {
  "a directory": ({ fs, root }) => fs.mkdir(root, bytesOf("n"), { mode: 0o755, uid: 0, gid: 0 }),
  "a directory's mode": ({ fs, d }) => {
    fs.setAttributes(d, { mode: 0o700 });
    return d;
  },
  "a directory's name": ({ fs, root, d }) => {
    fs.rename(root, bytesOf("d"), root, bytesOf("e"));
    return d;
  },
  "a directory that grows": ({ fs, d }) => {
    fillDirectory(fs, d, 24);
    return growDirectory(fs, d, 24);
  },
  "a directory with an index that grows": ({ fs, d }) => {
    fillDirectory(fs, d, 100);
    return growDirectory(fs, d, 100);
  },
  "a name for which others are moved in their block": ({ fs, d, file }) => {
    fillDirectory(fs, d, 100);
    for (let n = 0; n < 100; n += 2) remove(fs, d, nameOf(n));
    moveTogether(fs, d, file("a"));
    return file("a");
  },
  "a symbolic link": ({ fs, root }) => fs.symlink(root, bytesOf("n"), bytesOf("a"), { uid: 0, gid: 0 }),
  "an attribute": ({ fs, file }) => {
    fs.setXattr(file("a"), "user.x", bytesOf("y"));
    return file("a");
  },
  "a flag": ({ fs, file }) => {
    fs.setFlags(file("a"), file("a").flags | 0x40);
    return file("a");
  },
  "more extents than the inode holds": ({ fs, file }) => {
    const inode = file("a");
    for (let n = 0; n < 40; n++) fs.fallocate(inode, 1, 100_000 + n * 3000, 1000);
    return inode;
  },
  "a range that is cut out": ({ fs, file }) => {
    fs.fallocate(file("a"), 8, 2048, 4096);
    return file("a");
  },
  "names that are exchanged": ({ fs, root, file }) => {
    fs.rename(root, bytesOf("a"), root, bytesOf("b"), 2);
    return file("a");
  },
  "a number whose place in the table has another file's attributes": ({ fs, root, file }) => {
    const { ino } = file("a");
    fs.setXattr(file("a"), "user.x", bytesOf("y"));
    fs.sync();
    remove(fs, root, "a");
    const inode = writeFile(fs, root, "new", contents(3000, 1));
    assert.equal(inode.ino, ino);
    return inode;
  },
  "an orphan of the last transaction": ({ fs, root, file }) => {
    const { ino } = file("a");
    fs.unlink(root, bytesOf("a"));
    fs.sync();
    fs.release(ino);
    return writeFile(fs, root, "n", contents(100, 1));
  },
};

function fastCommits(image: Uint8Array): number {
  return mountForWriting(new MemoryDevice(image.slice())).replay?.fastCommits ?? 0;
}

describe("an fsync", { skip: cannotMakeImages }, () => {
  for (const [name, change] of Object.entries(TOLD)) {
    it(`makes a fast commit of ${name}`, () => {
      const set = scene();
      set.fs.fsync(change(set));
      const { crashed, expected } = crash(set);
      assert.ok(fastCommits(crashed) > 0, "there is a fast commit");
      for (const [who, replay] of Object.entries(REPLAYS)) {
        const tree = treeOf(replay(crashed, workshop));
        assert.deepEqual(tree, expected, who);
      }
    });
  }

  for (const [name, change] of Object.entries(UNTOLD)) {
    it(`makes a full commit of ${name}`, () => {
      const set = scene();
      set.fs.fsync(change(set));
      const { crashed, expected } = crash(set);
      assert.equal(fastCommits(crashed), 0);
      assert.deepEqual(treeOf(crashed), expected);
    });
  }
});

describe("an fsync of a range that begins and ends inside blocks", { skip: cannotMakeImages }, () => {
  const changes: Readonly<Record<string, (fs: FileSystem, inode: Inode) => void>> = {
    punched: (mounted, inode) => mounted.fallocate(inode, 3, 300, 8896),
    zeroed: (mounted, inode) => mounted.fallocate(inode, 0x10, 300, 8896),
    "cut off": (mounted, inode) => mounted.resize(inode, 300),
  };
  for (const [name, change] of Object.entries(changes)) {
    it(`has the zeros at its ends on the device before it tells that it is ${name}`, () => {
      const { device: memory, fs: first } = scene();
      first.unmount();
      const device = new RecordingDevice(memory);
      const mounted = mountForWriting(device);
      const a = mounted.inode(mounted.lookup(mounted.root, bytesOf("a")));
      mounted.sync();
      change(mounted, a);
      device.events.length = 0;
      const mapping = { type: 0, flags: 0, offset: 0, length: 0, addr: 0, dev: 0 };
      mounted.iomapBegin(a, 300, 724, 0, mapping);
      device.write(mapping.addr + 300 - mapping.offset, new Uint8Array(724));
      mounted.fsync(a);
      assert.ok(fastCommits(memory.bytes) > 0);
      const last = device.events.slice(-3).map(({ kind }) => kind);
      assert.deepEqual(last, ["flush", "write", "flush"]);
    });
  }
});

describe("an fsync that makes a count of what is free what it was before the log", { skip: cannotMakeImages }, () => {
  const again: Readonly<Record<string, readonly [first: (scene: Scene) => void, then: (scene: Scene) => Inode]>> = {
    inodes: [
      ({ fs, root }) => remove(fs, root, "a"),
      ({ fs, root }) => fs.create(root, bytesOf("n"), { mode: 0o100600, uid: 1, gid: 1 }),
    ],
    blocks: [
      ({ fs, file }) => fs.fallocate(file("a"), 1, 30_000, 50_000),
      ({ fs, file }) => {
        fs.resize(file("a"), 20_000);
        return file("a");
      },
    ],
  };
  for (const [what, [first, then]] of Object.entries(again)) {
    it(`makes a full commit, and the next one a fast one: ${what}`, () => {
      const before = scene();
      before.fs.unmount();
      const mounted = mountForWriting(before.device);
      const { root } = mounted;
      const set = {
        ...before,
        fs: mounted,
        root,
        file: (name: string) => mounted.inode(mounted.lookup(root, bytesOf(name))),
      };
      first(set);
      mounted.sync();
      mounted.fsync(then(set));
      const full = crash(set);
      assert.equal(fastCommits(full.crashed), 0);
      assert.deepEqual(treeOf(REPLAYS["e2fsck"]!(full.crashed, workshop)), full.expected);
      mounted.fsync(writeFile(mounted, root, "next", contents(3000, 1)));
      const fast = crash(set);
      assert.equal(fastCommits(fast.crashed), 1);
      for (const [who, replay] of Object.entries(REPLAYS)) {
        assert.deepEqual(treeOf(replay(fast.crashed, workshop)), fast.expected, who);
      }
    });
  }
});

describe("an fsync in a directory of whose names not all who replay know enough", { skip: cannotMakeImages }, () => {
  const kinds: Readonly<Record<string, readonly [options: readonly string[], flag: number]>> = {
    "names in any case": [["-O", "fast_commit,casefold", "-E", "encoding=utf8"], InodeFlag.casefold],
    "entries in the inode": [["-O", "fast_commit,inline_data"], 0],
  };
  for (const [name, [options, flag]] of Object.entries(kinds)) {
    it(`makes a full commit: ${name}`, () => {
      const image = workshop.make("other.img", ["-b", "1024", "-J", "size=4", ...options], 12);
      const device = new MemoryDevice(new Uint8Array(fs.readFileSync(image)));
      const mounted = mountForWriting(device);
      const d = mounted.mkdir(mounted.root, bytesOf("d"), { mode: 0o755, uid: 0, gid: 0 });
      if (flag !== 0) mounted.setFlags(d, d.flags | flag);
      mounted.sync();
      mounted.fsync(mounted.create(d, bytesOf("File"), { mode: 0o100644, uid: 0, gid: 0 }));
      assert.equal(fastCommits(device.bytes), 0);
      assert.equal(treeOf(device.bytes).length, 2);
    });
  }
});

describe("the log before an area for fast commits", { skip: cannotMakeImages }, () => {
  it("is used from its beginning again, and no transaction goes round its end", () => {
    const image = workshop.make("small.img", ["-b", "1024", "-O", "fast_commit", "-J", "size=1", "-N", "512"], 8);
    const device = new MemoryDevice(new Uint8Array(fs.readFileSync(image)));
    const mounted = mountForWriting(device);
    let last = 0;
    let begunAgain = 0;
    for (let n = 0; n < 150; n++) {
      mounted.mkdir(mounted.root, bytesOf(`directory ${n}`), { mode: 0o755, uid: 0, gid: 0 });
      mounted.sync();
      const volume = openVolume(new MemoryDevice(device.bytes, { readOnly: true }), {}, new TestEnvironment());
      const log = openJournal(volume);
      const { places } = recoverLog(volume, log);
      assert.ok(places.every((place) => place >= log.start));
      const end = places.reduce((most, place) => Math.max(most, place), 0);
      if (end < last) begunAgain++;
      last = end;
    }
    assert.ok(begunAgain > 0, "it has been full");
    const crashed = device.bytes.slice();
    const expected = treeOf(crashed);
    assert.equal(expected.length, 150);
    assert.deepEqual(treeOf(REPLAYS["e2fsck"]!(crashed, workshop)), expected);
  });
});
