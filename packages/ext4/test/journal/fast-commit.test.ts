// Oracle: the tree before the crash, and the kernel's replay of a copy (a loop mount).
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { FileDevice } from "../../src/device/file.js";
import { lookup, readDirectory } from "../../src/dir/directory.js";
import { applyFastCommits } from "../../src/fast-commit/apply.js";
import type { Inode } from "../../src/inode/inode.js";
import { readInode } from "../../src/inode/inode-table.js";
import { type ReplayReport, replayJournal } from "../../src/journal/replay.js";
import { inlineData } from "../../src/map/inline-data.js";
import { mapBlocks } from "../../src/map/map-blocks.js";
import { BlockMapping, MappingType } from "../../src/map/mapping.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import { statistics } from "../../src/superblock/statfs.js";
import type { Volume } from "../../src/volume.js";
import { cannotMakeImages, lastWritten, needsRecovery, run, Shutdown, shell, Workshop } from "./dirty-image.js";
import { withWritable } from "./writing.js";

const workshop = new Workshop();
after(() => workshop.remove());

/** What both sides tell of a path. Directories have no times and sizes here: fast commits do not log their inodes. */
interface Entry {
  readonly ino: number;
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly size?: number;
  readonly mtime?: string;
  readonly contents?: string;
}

type Tree = Record<string, Entry>;

function contents(volume: Volume, inode: Inode): Uint8Array {
  const { blockSize } = volume.geometry;
  const bytes = new Uint8Array(inode.size);
  if (inode.hasInlineData) return inlineData(volume, inode);
  if (inode.isSymlink && inode.size < 60) return inode.block.subarray(0, inode.size);
  const mapping = new BlockMapping();
  for (let at = 0; at * blockSize < inode.size; at = mapping.fileBlock + mapping.length) {
    mapBlocks(volume, inode, at, mapping);
    assert.equal(mapping.fileBlock, at);
    assert.ok(mapping.length > 0);
    if (mapping.type !== MappingType.mapped) continue;
    const target = bytes.subarray(at * blockSize, Math.min((at + mapping.length) * blockSize, inode.size));
    volume.device.read(mapping.block * blockSize, target);
  }
  return bytes;
}

/** The tree as the engine sees it. Every name is looked up as well as listed, and the listing is resumed at each entry. */
function walk(volume: Volume): Tree {
  const tree: Tree = {};
  const visitDirectory = (dir: Inode, path: string): void => {
    const names = new Map<string, number>();
    let [high, low] = [0, 0];
    for (let found = true; found; ) {
      found = false;
      readDirectory(volume, dir, high, low, (ino, _type, bytes, start, length, nextHigh, nextLow) => {
        if (found) return false;
        found = true;
        const name = Buffer.from(bytes.subarray(start, start + length)).toString("latin1");
        assert.ok(!names.has(name), `${path}/${name} is listed once`);
        names.set(name, ino);
        [high, low] = [nextHigh, nextLow];
        return true;
      });
    }
    assert.equal(names.get("."), dir.ino);
    for (const [name, ino] of names) {
      assert.equal(lookup(volume, dir, Buffer.from(name, "latin1")), ino, `lookup of ${path}/${name}`);
      if (name === "." || name === "..") continue;
      const inode = readInode(volume, ino);
      tree[`${path}/${name}`] = {
        ino,
        mode: inode.mode,
        links: inode.linksCount,
        uid: inode.uid,
        ...(inode.isDirectory
          ? {}
          : {
              size: inode.size,
              mtime: `${inode.mtime}.${inode.mtimeNanoseconds}`,
              contents: createHash("sha256").update(contents(volume, inode)).digest("hex"),
            }),
      };
      if (inode.isDirectory) visitDirectory(inode, `${path}/${name}`);
    }
  };
  visitDirectory(readInode(volume, 2), "");
  return tree;
}

/** The tree as the kernel shows it. */
function kernelWalk(root: string): Tree {
  const tree: Tree = {};
  const visit = (path: string): void => {
    for (const name of fs.readdirSync(join(root, path), { encoding: "latin1" })) {
      const at = `${path}/${name}`;
      const stat = fs.lstatSync(join(root, at), { bigint: true });
      const directory = stat.isDirectory();
      tree[at] = {
        ino: Number(stat.ino),
        mode: Number(stat.mode),
        links: Number(stat.nlink),
        uid: Number(stat.uid),
        ...(directory
          ? {}
          : {
              size: Number(stat.size),
              mtime: `${stat.mtimeNs / 1_000_000_000n}.${stat.mtimeNs % 1_000_000_000n}`,
              contents: createHash("sha256")
                .update(
                  stat.isSymbolicLink()
                    ? fs.readlinkSync(join(root, at))
                    : stat.isFile()
                      ? fs.readFileSync(join(root, at))
                      : "",
                )
                .digest("hex"),
            }),
      };
      if (directory) visit(at);
    }
  };
  visit("");
  return tree;
}

function withoutDirectoryLinks(tree: Tree): Tree {
  return Object.fromEntries(
    Object.entries(tree).map(([path, entry]) => [path, entry.contents === undefined ? { ...entry, links: 0 } : entry]),
  );
}

/** What is seen after a mount for writing, which leaves a sound file system that no fast commit is left of. */
function writtenHome(image: string): { tree: Tree; free: Free } {
  const copy = workshop.copy(image, "written.img");
  withWritable(copy, (mounted) => assert.ok((mounted.replay?.fastCommits ?? 0) > 0));
  run("e2fsck", ["-fn", copy]);
  assert.ok(!needsRecovery(copy));
  const device = new FileDevice(fs, fs.openSync(copy, "r"));
  try {
    const volume = openVolume(device);
    const { blocksFree, filesFree } = statistics(volume, false);
    return { tree: walk(volume), free: { blocks: blocksFree, files: filesFree } };
  } finally {
    device.close();
  }
}

/** Free blocks and inodes, as statfs(2) tells them. */
interface Free {
  readonly blocks: number;
  readonly files: number;
}

interface Replayed {
  readonly tree: Tree;
  readonly withoutFastCommits: Tree;
  readonly free: Free;
  readonly report: ReplayReport;
}

function replayed(image: string): Replayed {
  const before = lastWritten(image);
  const device = new FileDevice(fs, fs.openSync(image, "r"));
  try {
    const replay = replayJournal(openVolume(device));
    const withoutFastCommits = walk(openVolume(replay.device));
    const volume = openVolume(applyFastCommits(replay.device, replay.fastCommits));
    const tree = walk(volume);
    assert.equal(lastWritten(image), before, "the source is untouched");
    const { blocksFree, filesFree } = statistics(volume, false);
    return { tree, withoutFastCommits, free: { blocks: blocksFree, files: filesFree }, report: replay.report };
  } finally {
    device.close();
  }
}

const setup = `
  mkdir d d/old e; for i in $(seq 60); do echo "file $i" > d/f$i; done; mkdir d/empty
  head -c 300000 /dev/urandom > big; head -c 200000 /dev/urandom > cut; head -c 400000 /dev/urandom > punched
  ln d/f1 d/hard1; echo gone > gone; echo over > over; echo source > source; sync -f .`;

const workloads: [name: string, script: string][] = [
  ["creates", `for i in 1 2 3 4 5; do echo "new $i" > e/n$i; sync e/n$i; done; echo > top; sync top`],
  [
    "appends and overwrites",
    `for i in 1 2 3; do head -c 50000 /dev/urandom >> big; sync big; done; echo more >> d/f2; sync d/f2`,
  ],
  ["truncates", `truncate -s 5000 cut; sync cut; truncate -s 90000 cut; sync cut; truncate -s 0 d/f3; sync d/f3`],
  ["punched holes", `fallocate -p -o 40960 -l 81920 punched; sync punched; fallocate -l 900000 big; sync big`],
  ["unlinks", `rm gone; sync d/f4; rm d/f5 d/f6; echo x >> d/f4; sync d/f4; rm d/hard1; echo y >> d/f1; sync d/f1`],
  ["links", `ln d/f7 d/link7; sync d/f7; ln d/f8 e/link8; ln d/f8 e/link8b; sync d/f8; rm e/link8; sync d/f8`],
  ["renames", `mv d/f9 e/moved9; sync e/moved9; mv source over; sync over; mv d/f10 d/g10; mv d/g10 d/h10; sync d/h10`],
  [
    "new directories",
    `mkdir new new/sub; echo a > new/a; sync new/a; echo b > new/sub/b; sync new/sub/b; mkdir d/old/x; echo c > d/old/x/c; sync d/old/x/c`,
  ],
  [
    "removed directories",
    `rmdir d/empty; echo z > e/z; sync e/z; mkdir e/tmp; echo q > e/q; sync e/q; rmdir e/tmp; echo r > e/r; sync e/r`,
  ],
  [
    "names and inodes used again",
    `rm gone; echo again > gone; sync gone; rm gone; echo third > e/third; sync e/third; echo fourth > gone; sync gone`,
  ],
  [
    "many changes",
    `for i in $(seq 100); do echo $i > e/m$i; [ $((i % 3)) = 0 ] && rm -f e/m$((i-1)); sync e/m$i; done; chmod 600 d/f11; chown 7 d/f12; sync d/f11; sync d/f12`,
  ],
  [
    "extent trees that need an index block",
    `for i in $(seq 0 8); do fallocate -p -o $((i * 40960)) -l 8192 punched; done; sync punched
     for i in 1 3 5 7 9 11 13; do dd if=/dev/urandom of=e/holes bs=8192 seek=$i count=1 conv=notrunc status=none; done; sync e/holes`,
  ],
];

/** A bit of everything, in forms that need more than the usual features do. */
const mixed = `
  for i in $(seq 100); do n="e/a name that is long enough to fill a directory block soon $i"; echo $i > "$n"; sync "$n"; done
  for i in 1 2 3; do printf '%0300d' $i > e/small$i; sync e/small$i; done; printf '%0900d' 7 >> e/small2; sync e/small2
  truncate -s 100 e/small3; sync e/small3; truncate -s 3 d/f23; sync d/f23; echo x >> d/f24; sync d/f24; printf '%09000d' 7 >> d/f25; sync d/f25
  ln -s target e/short; ln -s "$(printf '%0200d' 1)" e/long; mknod e/null c 1 3; mkfifo e/pipe; sync e/small3
  head -c 70000 /dev/urandom > e/data; sync e/data; fallocate -p -o 8192 -l 30000 e/data; sync e/data
  fallocate -l 400000 e/data; sync e/data; truncate -s 33000 big; sync big; chown 5:6 d/f20; chown 7 e/data; sync d/f20; sync e/data
  rm d/f21 punched; mkdir e/dir; echo x > e/dir/x; sync e/dir/x; rmdir d/empty; mv d/f22 e/dir; sync e/dir/f22`;

/** A file without a name gets one, one without a name goes, and its number is another's: the last full commit has both as orphans. */
const orphaned = `python3 -c '
import os
named = os.open("e", os.O_TMPFILE | os.O_RDWR)
gone = os.open("gone", os.O_RDWR); os.write(gone, b"x" * 50000); os.unlink("gone")
left = os.open("over", os.O_RDWR); os.unlink("over")
os.system("sync -f .")
os.write(named, b"named"); os.link("/proc/self/fd/%d" % named, "named", dst_dir_fd=os.open("e", os.O_RDONLY)); os.fsync(named)
os.close(gone)
for n in range(20):
    fd = os.open("e/n%d" % n, os.O_CREAT | os.O_RDWR); os.write(fd, b"new"); os.fsync(fd)
'`;

const layouts: [name: string, options: readonly string[]][] = [
  ["inline data", ["-b", "4096", "-O", "fast_commit,inline_data", "-I", "512"]],
  ["clusters", ["-b", "1024", "-C", "16384", "-O", "fast_commit,bigalloc"]],
  [
    "old inodes, no checksums",
    ["-b", "1024", "-I", "128", "-O", "fast_commit,^metadata_csum,^64bit,^flex_bg,^dir_index"],
  ],
  ["an orphan file", ["-b", "2048", "-O", "fast_commit,orphan_file,uninit_bg,^metadata_csum"]],
];

/** Runs a workload and crashes. Anybody's `sync` of the whole machine makes a full commit of it: then it is tried again. */
function crashed(options: readonly string[], script: string): { image: string; live: Tree; outcome: Replayed } {
  for (let attempt = 1; ; attempt++) {
    const image = workshop.make("fast.img", options, 64);
    let live: Tree = {};
    workshop.crash(image, "noatime,commit=300", Shutdown.noLogFlush, (at) => {
      shell(at, setup);
      shell(at, script);
      live = kernelWalk(at);
    });
    assert.ok(needsRecovery(image));
    const outcome = replayed(image);
    if (outcome.report.fastCommits > 0 || attempt === 8) return { image, live, outcome };
  }
}

describe("fast commits", { skip: cannotMakeImages }, () => {
  for (const blockSize of [4096, 1024]) {
    for (const [name, script] of workloads) {
      it(`${name}, ${blockSize}-byte blocks`, () => {
        const { image, live, outcome } = crashed(["-b", String(blockSize), "-O", "fast_commit"], script);
        const { tree, withoutFastCommits, free, report } = outcome;
        assert.ok(report.fastCommits > 0, "the kernel made fast commits");
        assert.equal(report.fastCommitsStopped, undefined);
        assert.notDeepEqual(withoutFastCommits, tree, "the fast commits matter");

        assert.deepEqual(tree, live, "as it was before the crash: everything had been synced");
        // The kernel's replay does not count new subdirectories in their parent.
        const [byKernel, freeByKernel] = workshop.mounted(workshop.copy(image, "kernel.img"), "noatime", (at) => {
          const { bfree, ffree } = fs.statfsSync(at);
          return [kernelWalk(at), { blocks: bfree, files: ffree }];
        });
        assert.deepEqual(
          withoutDirectoryLinks(tree),
          withoutDirectoryLinks(byKernel),
          "as the kernel's replay makes it",
        );
        assert.deepEqual(free, freeByKernel, "free counts as the kernel's replay makes them");

        const written = writtenHome(image);
        assert.deepEqual(written.tree, live, "the same when it is replayed onto the device");
        assert.deepEqual(written.free, free);
      });
    }
  }

  for (const [name, options] of layouts) {
    it(`a bit of everything, ${name}`, () => {
      const { image, live, outcome } = crashed(options, mixed);
      assert.ok(outcome.report.fastCommits > 0, "the kernel made fast commits");
      assert.deepEqual(outcome.tree, live, "as it was before the crash");
      const written = writtenHome(image);
      assert.deepEqual(written.tree, live, "the same when it is replayed onto the device");
      assert.deepEqual(written.free, outcome.free);
    });
  }

  for (const feature of ["^orphan_file", "orphan_file"]) {
    it(`inodes that were orphans, ${feature}`, () => {
      const { image, live, outcome } = crashed(["-b", "4096", "-O", `fast_commit,${feature}`], orphaned);
      assert.ok(outcome.report.fastCommits > 0, "the kernel made fast commits");
      assert.deepEqual(outcome.tree, live, "as it was before the crash");
      const written = writtenHome(image);
      assert.deepEqual(written.tree, live, "the same when it is replayed onto the device");
    });
  }
});
