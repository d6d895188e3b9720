// Oracle: the kernel's mount of the same images: which it takes, and what it finds in them.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, before, describe, it } from "node:test";
import { isEngineError } from "../../src/errors.js";
import { JournalSuperblockLayout } from "../../src/format/journal.js";
import { checksumWithout } from "../../src/journal/checksum.js";
import { openJournal } from "../../src/journal/journal-inode.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import { ImageDirectory, missingLoopMount, openImage, run, TestEnvironment } from "../images.js";
import { checkImage } from "../writable.js";
import { bytesOf, contentsOf, contentsOfMount, mountForWriting, openForWriting, writeFile } from "./writing.js";

const skip = missingLoopMount() ?? false;
const images = new ImageDirectory();
after(() => images.remove());

type Fields = ReturnType<typeof JournalSuperblockLayout.at>;

/** A copy of an image whose journal's superblock says something else, with the right checksum. */
function altered(image: string, change: (fields: Fields) => void): string {
  const copy = images.file("altered");
  fs.copyFileSync(image, copy);
  const device = openForWriting(copy);
  const log = openJournal(openVolume(device));
  const bytes = log.superblock.slice();
  const fields = JournalSuperblockLayout.at(new DataView(bytes.buffer), 0);
  change(fields);
  fields.checksum = checksumWithout(0xffff_ffff, bytes, JournalSuperblockLayout.offset.checksum);
  device.write(log.locate(0) * log.blockSize, bytes);
  device.close();
  return copy;
}

/** What our mount for writing finds; undefined when it refuses. */
function ours(image: string): string[] | undefined {
  const device = openForWriting(image);
  try {
    mountForWriting(device).unmount();
  } catch (error) {
    if (!isEngineError(error)) throw error;
    return undefined;
  } finally {
    device.close();
  }
  checkImage(image);
  return contentsOf(openImage(image));
}

function theirs(image: string): string[] | undefined {
  try {
    return images.mounted(image, "rw", contentsOfMount);
  } catch {
    return undefined;
  }
}

const BLOCKS = 1024;

describe("a journal's superblock", { skip }, () => {
  let clean = "";
  let crashed = "";

  before(() => {
    clean = images.make("clean", "16M", ["-t", "ext4", "-b", "1024", "-J", "size=1"]);
    crashed = images.file("crashed");
    fs.copyFileSync(clean, crashed);
    const mounted = mountForWriting(openForWriting(crashed));
    for (let n = 0; n < 5; n++) {
      writeFile(mounted, mounted.root, `file${n}`, bytesOf(`${n}`));
      mounted.sync();
    }
    mounted.close();
  });

  const changes: readonly (readonly [name: string, change: (fields: Fields) => void])[] = [
    ["as it is", () => {}],
    ["a length above the journal file's", (fields) => (fields.maxLength = BLOCKS + 1)],
    ["a length far above the file system's", (fields) => (fields.maxLength = 0x7fff_ffff)],
    ["a length below what a journal needs", (fields) => (fields.maxLength = BLOCKS - 1)],
    ["a length of nothing", (fields) => (fields.maxLength = 0)],
    ["a first block of 0", (fields) => (fields.first = 0)],
    ["a first block behind the end", (fields) => (fields.first = BLOCKS)],
    ["a first block that leaves a few", (fields) => (fields.first = BLOCKS - 8)],
    ["a first block that leaves one less than a journal needs", (fields) => (fields.first = 2)],
    ["a start behind the end", (fields) => (fields.start = BLOCKS + 5)],
    ["another block size", (fields) => (fields.blockSize = 4096)],
  ];
  for (const [name, change] of changes) {
    it(`with ${name} is taken, or refused, as the kernel does`, () => {
      for (const image of [clean, crashed]) {
        const wrong = altered(image, change);
        const same = images.file("same");
        fs.copyFileSync(wrong, same);
        assert.deepEqual(ours(wrong), theirs(same));
      }
    });
  }

  it("that is shorter than its file is right as far as it goes", () => {
    const image = images.make("longer", "32M", ["-t", "ext4", "-b", "1024", "-J", "size=4"]);
    const shorter = altered(image, (fields) => (fields.maxLength = 2000));
    const mounted = mountForWriting(openForWriting(shorter));
    for (let n = 0; n < 60; n++) {
      writeFile(mounted, mounted.root, `file${n}`, bytesOf(`${n}`));
      mounted.sync();
    }
    mounted.close();
    const same = images.file("same");
    fs.copyFileSync(shorter, same);
    const found = ours(shorter);
    assert.equal(found?.length, 60);
    assert.deepEqual(theirs(same), found);
    checkImage(same);
  });

  it("is not written where the journal's inode maps a block twice, as by the kernel", () => {
    const image = images.make("twice", "16M", ["-t", "ext4", "-b", "1024", "-J", "size=1", "-O", "^metadata_csum"]);
    const journal = Number(/\(0-?\d*\):(\d+)/.exec(run("debugfs", ["-R", "stat <8>", image]))?.[1]);
    // Two extents of 512 blocks, of which the second begins a block before the first ends.
    const words: readonly (readonly [word: number, value: number])[] = [
      [0, 0xf30a + 2 * 0x10000],
      [4, 512],
      [5, journal],
      [6, 512],
      [7, 512],
      [8, journal + 511],
    ];
    for (const [word, value] of words) run("debugfs", ["-w", "-R", `sif <8> block[${word}] ${value}`, image]);
    assert.equal(theirs(image), undefined);
    assert.throws(() => mountForWriting(openForWriting(image)), { kind: "journal-inode" });
  });

  it("with an error has the file system checked, as the kernel has", () => {
    const states = [ours, theirs].map((mount) => {
      const image = altered(crashed, (fields) => (fields.errno = -5 >>> 0));
      assert.equal(mount(image)?.length, 5);
      const header = run("dumpe2fs", ["-h", image]);
      assert.doesNotMatch(header, /Journal errno/);
      return /^Filesystem state:.*$/m.exec(header)?.[0];
    });
    assert.equal(states[0], states[1]);
    assert.match(states[0] ?? "", /with errors/);
  });

  it("with an error is said to have one, in ext4's words", () => {
    const image = altered(crashed, (fields) => (fields.errno = -117 >>> 0));
    const environment = new TestEnvironment();
    const mounted = mountForWriting(openForWriting(image), {}, environment);
    mounted.unmount();
    mounted.close();
    assert.match(
      environment.lines.join("\n"),
      /recorded from previous mount: Corrupt filesystem\n.*need of filesystem check/,
    );
  });
});
