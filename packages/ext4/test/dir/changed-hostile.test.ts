// Directories that a hostile image breaks, changed: an operation works or says what is wrong, and everything then is as it was.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, before, describe, it } from "node:test";
import { MemoryDevice } from "../../src/device/memory.js";
import { addEntry, initDirectory, isEmpty, removeEntry, replaceEntry, setDotDot } from "../../src/dir/change.js";
import { readDirectory } from "../../src/dir/directory.js";
import { CorruptionError, type CorruptionKind, isEngineError } from "../../src/errors.js";
import { InodeFlag } from "../../src/format/inode.js";
import { NoJournal } from "../../src/journal/no-journal.js";
import { Transactions } from "../../src/journal/transactions.js";
import { mapBlocks } from "../../src/map/map-blocks.js";
import { BlockMapping } from "../../src/map/mapping.js";
import { readFileBlock } from "../../src/map/read-data.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import { mountForWriting } from "../journal/writing.js";
import { changeImage, checkImage } from "../writable.js";
import { Bench, checkWithKernel, makeImage, type WritableVolume } from "./changing.js";
import { bytesOf, list, makeFolder, seededRandom, skipWithout } from "./images.js";

const BLOCK = 1024;
const base = "^has_journal,^resize_inode";
const kernelMissing = skipWithout("root", "loop", "python3") !== false;
const mapping = new BlockMapping();

function open(bytes: Uint8Array): WritableVolume {
  const volume = openVolume(new MemoryDevice(bytes));
  volume.transactions = new Transactions(volume, new NoJournal(volume));
  return volume as WritableVolume;
}

/** Where a block of the directory lies on the device, in bytes. */
function offsetOf({ volume, dir }: Bench, fileBlock: number): number {
  mapBlocks(volume, dir, fileBlock, mapping);
  return mapping.block * BLOCK;
}

function corrupt(kind: CorruptionKind) {
  return (error: unknown) => {
    assert.ok(error instanceof CorruptionError, String(error));
    assert.equal(error.kind, kind, error.message);
    return true;
  };
}

describe("changes of broken directories", { skip: skipWithout("mke2fs", "e2fsck") }, () => {
  let folder = "";
  const images = new Map<string, string>();
  before(() => {
    folder = makeFolder();
    for (const [kind, options, count] of [
      ["indexed", "^metadata_csum", 5000],
      ["linear", "^metadata_csum,^dir_index", 300],
      ["inline", "inline_data,^metadata_csum", 5],
      ["checksums", "metadata_csum", 300],
    ] as const) {
      const image = makeImage(folder, kind, "4m", ["-b", `${BLOCK}`, "-I", "256", "-O", `${base},${options}`]);
      changeImage(image, (volume) => {
        const bench = new Bench(volume);
        for (let i = 0; i < count; i++) bench.add(`name-number-${i}`, i);
      });
      images.set(kind, image);
    }
  });
  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  const bytesOfImage = (kind: string): Uint8Array => new Uint8Array(fs.readFileSync(images.get(kind)!));

  it("go on without an index that is of no use, as the kernel does", () => {
    const bytes = bytesOfImage("indexed");
    const bench = new Bench(open(bytes));
    assert.ok(bench.dir.has(InodeFlag.index));
    bytes[offsetOf(bench, 0) + 0x1d] = 9; // info_length
    const image = `${folder}/broken`;
    fs.writeFileSync(image, bytes);
    const model = changeImage(image, (volume) => {
      const broken = new Bench(volume);
      const [first] = broken.model.keys();
      broken.remove(first!);
      assert.ok(broken.dir.has(InodeFlag.index));
      broken.add("a new one", 1);
      assert.ok(!broken.dir.has(InodeFlag.index));
      for (let i = 0; i < 100; i++) broken.add(`more ${i}`, 1);
      broken.check();
      return broken.model;
    });
    assert.equal(model.size, 5100);
    if (!kernelMissing) checkWithKernel(image, model);
  });

  it("are refused with checksums, which say that the index is damaged", () => {
    const bytes = bytesOfImage("checksums");
    bytes[offsetOf(new Bench(open(bytes)), 0) + 0x1d] = 9;
    const volume = open(bytes);
    const broken = openWithout(volume);
    assert.throws(() => broken.add("a new one", 1), corrupt("htree-header"));
    assert.throws(() => broken.remove("name-number-1"), corrupt("htree-header"));
    assert.ok(broken.dir.has(InodeFlag.index));
  });

  it("find a leaf that is an index block on the way to it", () => {
    const bytes = bytesOfImage("indexed");
    const bench = new Bench(open(bytes));
    const root = offsetOf(bench, 0);
    const view = new DataView(bytes.buffer);
    assert.equal(bytes[root + 0x1e], 1, "two levels");
    const node = view.getUint32(root + 0x24, true);
    const nodeOffset = offsetOf(bench, node);
    const count = view.getUint16(nodeOffset + 10, true);
    for (let i = 0; i < count; i++) view.setUint32(nodeOffset + 12 + 8 * i, node, true);
    const broken = openWithout(open(bytes));
    for (let i = 0; i < 30; i++) {
      try {
        broken.add(`new ${i}`, 1);
      } catch (error) {
        corrupt("htree-cycle")(error);
        return;
      }
    }
    assert.fail("no name came by");
  });

  it("find a name in a leaf for other hashes before it makes the index wrong", () => {
    const bytes = bytesOfImage("indexed");
    const bench = new Bench(open(bytes));
    const view = new DataView(bytes.buffer);
    const node = offsetOf(bench, view.getUint32(offsetOf(bench, 0) + 0x24, true));
    // Two leaves change places.
    const [one, other] = [view.getUint32(node + 12, true), view.getUint32(node + 20, true)];
    view.setUint32(node + 12, other, true);
    view.setUint32(node + 20, one, true);
    const broken = openWithout(open(bytes));
    let kind = "";
    for (let i = 0; i < 4000 && kind === ""; i++) {
      try {
        broken.add(`new ${i}`.padEnd(60), 1);
      } catch (error) {
        assert.ok(error instanceof CorruptionError, String(error));
        kind = error.kind;
      }
    }
    assert.equal(kind, "htree-order");
  });

  it("keep off the checksum when a record reaches over it", () => {
    const bytes = bytesOfImage("checksums");
    const volume = open(bytes);
    const bench = new Bench(volume);
    const leaf = readFileBlock(volume, bench.dir, 1)!;
    // As if the last record had been checked together with the checksum: its checksum is right.
    let last = 0;
    for (let at = 0; at < BLOCK - 12; at += leaf.view.getUint16(at + 4, true)) last = at;
    const name = Buffer.from(leaf.data.subarray(last + 8, last + 8 + leaf.data[last + 6]!)).toString("latin1");
    leaf.view.setUint16(last + 4, BLOCK - last, true);
    assert.throws(() => bench.remove(name), corrupt("directory-entry"));
  });

  it("do not take blocks that lie past the end", () => {
    const bytes = bytesOfImage("linear");
    const volume = open(bytes);
    const bench = new Bench(volume);
    bench.run((handle) => {
      handle.modifyInode(bench.dir);
      bench.dir.size -= BLOCK;
    });
    bench.model.clear();
    assert.throws(() => {
      for (let i = 0; i < 100; i++) bench.add(`more ${i}`, i);
    }, corrupt("inode-geometry"));
  });

  it("do not move a directory whose `..` names another one than it leaves", () => {
    const image = makeImage(folder, "dots", "4M", ["-b", `${BLOCK}`, "-O", `${base},^metadata_csum`]);
    const device = new MemoryDevice(new Uint8Array(fs.readFileSync(image)));
    const mounted = mountForWriting(device, { errors: "continue" });
    const owner = { mode: 0o755, uid: 0, gid: 0 };
    const { root } = mounted;
    const [from, to] = ["from", "to"].map((name) => mounted.mkdir(root, bytesOf(name), owner));
    const moved = mounted.mkdir(from!, bytesOf("moved"), owner);
    const other = mounted.mkdir(to!, bytesOf("other"), owner);
    const dots = readFileBlock(mounted.volume, moved, 0)!;
    dots.view.setUint32(12, root.ino, true);
    const links = [from!.linksCount, to!.linksCount, root.linksCount];
    const name = bytesOf("moved");
    assert.throws(() => mounted.rename(from!, name, to!, name), corrupt("directory-entry"));
    assert.throws(() => mounted.rename(from!, name, to!, bytesOf("other"), 2), corrupt("directory-entry"));
    assert.throws(() => mounted.rename(to!, bytesOf("other"), from!, name, 2), corrupt("directory-entry"));
    mounted.rename(from!, name, from!, bytesOf("renamed"));
    assert.deepEqual([from!.linksCount, to!.linksCount, root.linksCount], links);
    dots.view.setUint32(12, from!.ino, true);
    mounted.rename(from!, bytesOf("renamed"), to!, bytesOf("other"), 2);
    assert.equal(mounted.lookup(from!, bytesOf("renamed")), other.ino);
    mounted.unmount();
    fs.writeFileSync(image, device.bytes);
    checkImage(image);
  });

  it("end with a result or an error of the engine's, whatever the bytes are", () => {
    const seed = Date.now() & 0x7fff_ffff;
    const random = seededRandom(seed);
    for (const [kind] of images) {
      const original = bytesOfImage(kind);
      const places = placesOf(new Bench(open(original)));
      for (let round = 0; round < (kind === "indexed" ? 120 : 60); round++) {
        const bytes = original.slice();
        for (let i = 1 + random(12); i > 0; i--) {
          const place = places[random(Math.min(places.length, 1 + random(places.length)))]!;
          const at = place + random(random(2) === 0 ? 64 : kind === "inline" ? 60 : BLOCK);
          bytes[at] = random(3) === 0 ? [0, 1, 4, 0xff][random(4)]! : random(256);
        }
        try {
          exercise(openWithout(open(bytes)), random);
        } catch (error) {
          assert.fail(new Error(`seed ${seed}, ${kind}, round ${round}: ${error}`, { cause: error }));
        }
      }
    }
  });

  it("leave images whole that were not touched", () => {
    for (const [, image] of images) checkImage(image);
  });
});

/** A bench whose model nobody fills: the directory cannot be listed. */
function openWithout(volume: WritableVolume): Bench {
  return new Bench(volume, "d", false);
}

/** Where the directory's bytes lie on the device: its first blocks, or the inode. */
function placesOf(bench: Bench): number[] {
  const { volume, dir } = bench;
  if (dir.hasInlineData) {
    const raw = Buffer.from(dir.raw.subarray(0x28, 0x64));
    return [Buffer.from((volume.device as MemoryDevice).bytes).indexOf(raw)];
  }
  return Array.from({ length: Math.min(20, dir.size / BLOCK) }, (_, at) => offsetOf(bench, at));
}

/** Everything that can be done to a directory; the engine's own errors are fine. */
function exercise(bench: Bench, random: (below: number) => number): void {
  const { volume, dir } = bench;
  const tolerate = (work: () => void) => {
    try {
      work();
    } catch (error) {
      if (!isEngineError(error)) throw error;
    }
  };
  for (let i = 0; i < 12; i++) {
    const name = bytesOf(
      random(2) === 0 ? `name-number-${random(3000)}` : `${i}`.repeat(1 + random(200)).slice(0, 255),
    );
    tolerate(() => bench.run((handle) => addEntry(handle, dir, name, 12, 1)));
    tolerate(() => bench.run((handle) => replaceEntry(handle, dir, name, 13, 1)));
    if (random(2) === 0) tolerate(() => bench.run((handle) => removeEntry(handle, dir, name)));
  }
  tolerate(() => bench.run((handle) => setDotDot(handle, dir, 2)));
  tolerate(() => isEmpty(volume, dir));
  tolerate(() => list(volume, dir));
  tolerate(() => readDirectory(volume, dir, 5, 5, () => true));
  tolerate(() => bench.run((handle) => initDirectory(handle, dir, 2)));
  volume.transactions.commit();
}
