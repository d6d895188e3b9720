// Oracles: debugfs's logdump, and three replays of what we logged: ours, e2fsck's, the kernel's.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, describe, it } from "node:test";
import type { FileSystem } from "../../src/filesystem.js";
import { JournalSuperblockLayout, journalIncompat } from "../../src/format/journal.js";
import { checksumWithout } from "../../src/journal/checksum.js";
import { openJournal } from "../../src/journal/journal-inode.js";
import { type Replay, replayJournal } from "../../src/journal/replay.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import { ImageDirectory, missingLoopMount, openImage, run } from "../images.js";
import { checkImage } from "../writable.js";
import {
  bytesOf,
  contentsOf,
  contentsOfMount,
  mountForWriting,
  openForWriting,
  remove,
  withWritable,
  writeFile,
} from "./writing.js";

const skip = missingLoopMount() ?? false;

interface Variant {
  readonly name: string;
  readonly options: readonly string[];
  readonly size?: string;
  /** Switches the journal's own features before the mount. */
  readonly journal?: { readonly compat?: number; readonly incompat?: number };
  /** Number of the last transaction before the mount. Default: as mke2fs leaves it. */
  readonly sequence?: number;
  /** As logdump and dumpe2fs show the journal's features. */
  readonly features: RegExp;
  readonly kernel?: boolean;
}

const variants: readonly Variant[] = [
  { name: "1 KiB blocks, v3, 64-bit", options: ["-b", "1024"], features: /64bit journal_checksum_v3/ },
  { name: "4 KiB blocks, v3, 64-bit", options: ["-b", "4096"], features: /64bit journal_checksum_v3/ },
  { name: "v3, 32-bit", options: ["-b", "1024", "-O", "^64bit"], features: /revoke journal_checksum_v3/ },
  {
    name: "no checksums, 32-bit",
    options: ["-b", "1024", "-O", "^metadata_csum,^64bit"],
    features: /journal_incompat_revoke\n/,
  },
  { name: "no checksums, 64-bit", options: ["-b", "4096", "-O", "^metadata_csum"], features: /revoke journal_64bit\n/ },
  {
    name: "checksum v1",
    options: ["-b", "1024", "-O", "^metadata_csum"],
    journal: { compat: 1 },
    features: /journal_checksum journal_incompat_revoke journal_64bit\n/,
  },
  {
    name: "checksum v2, 64-bit",
    options: ["-b", "1024", "-O", "^metadata_csum"],
    journal: { incompat: journalIncompat.journal_checksum_v2 },
    features: /journal_checksum_v2/,
  },
  {
    name: "checksum v2, 32-bit",
    options: ["-b", "4096", "-O", "^metadata_csum,^64bit"],
    journal: { incompat: journalIncompat.journal_checksum_v2 },
    features: /revoke journal_checksum_v2/,
  },
  // Numbers of transactions are of 32 bits: a journal that is in use for long begins anew.
  { name: "v3, numbers that pass 2^32", options: ["-b", "1024"], sequence: 0xffff_fffc, features: /_v3/ },
  { name: "v3, number 0 first", options: ["-b", "1024"], sequence: 0xffff_ffff, features: /_v3/ },
  { name: "v3, numbers that pass 2^31", options: ["-b", "1024"], sequence: 0x7fff_fffc, features: /_v3/ },
  {
    name: "no checksums, numbers that pass 2^32",
    options: ["-b", "1024", "-O", "^metadata_csum,^64bit"],
    sequence: 0xffff_fffc,
    features: /journal_incompat_revoke\n/,
  },
  {
    name: "64 KiB blocks",
    options: ["-b", "65536", "-J", "size=64"],
    size: "160M",
    features: /journal_checksum_v3/,
    kernel: false,
  },
];

const images = new ImageDirectory();
after(() => images.remove());

function make({ options, size, journal, sequence }: Omit<Variant, "name">, name = "image"): string {
  const image = images.make(name, size ?? "32M", ["-t", "ext4", ...options]);
  if (journal !== undefined || sequence !== undefined) {
    prepareJournal(image, journal?.compat ?? 0, journal?.incompat ?? 0, sequence ?? 1);
  }
  return image;
}

function prepareJournal(image: string, compat: number, incompat: number, sequence: number): void {
  const device = openForWriting(image);
  const log = openJournal(openVolume(device));
  const bytes = log.superblock.slice();
  const fields = JournalSuperblockLayout.at(new DataView(bytes.buffer), 0);
  fields.featureCompat = compat;
  fields.featureIncompat = incompat;
  fields.sequence = sequence;
  if (incompat !== 0) {
    fields.checksumType = 4;
    fields.checksum = checksumWithout(0xffff_ffff, bytes, JournalSuperblockLayout.offset.checksum);
  }
  device.write(log.locate(0) * log.blockSize, bytes);
  device.close();
}

/** Names, contents, blocks that look like the journal's own, and freed metadata that is data afterwards. */
function change(mounted: FileSystem): void {
  const { root } = mounted;
  const owner = { uid: 0, gid: 0 };
  for (let n = 0; n < 40; n++) {
    const dir = mounted.mkdir(root, bytesOf(`dir${n}`), { mode: 0o755, ...owner });
    writeFile(mounted, dir, "file", bytesOf(`contents ${n} `.repeat(100)));
    if (n % 8 === 0) mounted.sync();
  }
  // A target that begins with the journal's magic number lies in a block of metadata, which has to be escaped.
  const target = new Uint8Array(100).fill(0x61);
  target.set([0xc0, 0x3b, 0x39, 0x98]);
  mounted.symlink(root, bytesOf("escaped"), target, owner);
  mounted.sync();
  for (let n = 0; n < 40; n += 2) {
    const dir = mounted.inode(mounted.lookup(root, bytesOf(`dir${n}`)));
    remove(mounted, dir, "file");
    mounted.rmdir(root, bytesOf(`dir${n}`));
    mounted.release(dir.ino);
  }
  mounted.sync();
  // What held directories holds data now: a replay without the revocations would destroy it.
  writeFile(mounted, root, "data", new Uint8Array(300_000).fill(0x55));
  mounted.sync();
}

/** Changes an image and leaves it as a crash would. */
function crash(image: string, work: (mounted: FileSystem) => void): void {
  const mounted = mountForWriting(openForWriting(image));
  work(mounted);
  mounted.close();
}

function replayed(image: string): Replay {
  const device = openImage(image);
  try {
    return replayJournal(openVolume(device));
  } finally {
    device.close();
  }
}

function firstToReplay(image: string): number {
  const device = openImage(image);
  try {
    return openJournal(openVolume(device)).sequence;
  } finally {
    device.close();
  }
}

describe("a journal that we wrote", { skip }, () => {
  for (const variant of variants) {
    it(`is replayed by us, e2fsck and the kernel: ${variant.name}`, () => {
      const image = make(variant);
      crash(image, change);
      assert.match(run("dumpe2fs", ["-h", image]).split("Journal features:")[1]!, variant.features);
      const { report } = replayed(image);
      assert.ok(report.transactions >= 7 && report.revoked > 0, JSON.stringify(report));
      if (variant.sequence !== undefined) {
        assert.equal(firstToReplay(image), (variant.sequence + 1) >>> 0);
        const { sequence: _, ...usual } = variant;
        const numberedFrom1 = make(usual, "usual");
        crash(numberedFrom1, change);
        assert.deepEqual(report, replayed(numberedFrom1).report);
      }
      const expected = contentsOf(openImage(image));
      assert.equal(expected.length, 42);

      const log = run("debugfs", ["-R", "logdump -a", image]);
      const commits = log.match(/type 2 \(commit block\)/g)?.length;
      assert.equal(commits, report.transactions, log);
      assert.match(log, /type 5 \(revoke/);
      assert.doesNotMatch(log, /corrupt|bad|unexpected/i);

      const ours = images.file("ours");
      fs.copyFileSync(image, ours);
      withWritable(ours, (mounted) => assert.equal(mounted.replay?.transactions, report.transactions));
      checkImage(ours);
      assert.deepEqual(contentsOf(openImage(ours)), expected);

      const theirs = images.file("theirs");
      fs.copyFileSync(image, theirs);
      run("e2fsck", ["-p", theirs]);
      checkImage(theirs);
      assert.deepEqual(contentsOf(openImage(theirs)), expected);

      if (variant.kernel === false) return;
      images.mounted(image, "rw", (root) => assert.deepEqual(contentsOfMount(root), expected));
      checkImage(image);
    });
  }

  it("wraps around, again and again, and holds what came last", () => {
    const image = images.make("image", "32M", ["-t", "ext4", "-b", "1024", "-J", "size=1"]);
    crash(image, (mounted) => {
      for (let round = 0; round < 60; round++) {
        for (let n = 0; n < 6; n++) {
          writeFile(mounted, mounted.root, `file${round}-${n}`, bytesOf(`${round} ${n}`));
          if (round > 2) remove(mounted, mounted.root, `file${round - 2}-${n}`);
        }
        mounted.sync();
      }
    });
    const volume = openVolume(openImage(image));
    const journal = openJournal(volume);
    assert.ok(journal.sequence > 40, `the log was emptied on the way: ${journal.sequence}`);
    volume.device.close();
    const expected = contentsOf(openImage(image));
    assert.equal(expected.length, 3 * 6, "those of the rounds 0, 58 and 59");
    images.mounted(image, "rw", (root) => assert.deepEqual(contentsOfMount(root), expected));
    checkImage(image);
  });

  it("continues what the kernel left, and the kernel continues it", () => {
    const image = images.make("image", "32M", ["-t", "ext4", "-b", "4096"]);
    for (let turn = 0; turn < 4; turn++) {
      images.mounted(image, "rw", (root) => fs.writeFileSync(`${root}/kernel${turn}`, `${turn}`));
      withWritable(image, (mounted) => writeFile(mounted, mounted.root, `ours${turn}`, bytesOf(`${turn}`)));
      checkImage(image);
    }
    assert.equal(contentsOf(openImage(image)).length, 8);
  });

  it("is read by a kernel that would write fast commits", () => {
    const image = images.make("image", "32M", ["-t", "ext4", "-b", "1024", "-O", "fast_commit", "-J", "size=4"]);
    crash(image, change);
    const expected = contentsOf(openImage(image));
    images.mounted(image, "rw", (root) => assert.deepEqual(contentsOfMount(root), expected));
    checkImage(image);
  });
});
