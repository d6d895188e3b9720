// Oracle: e2fsck.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, describe, it } from "node:test";
import { MemoryDevice } from "../../src/device/memory.js";
import { CorruptionError } from "../../src/errors.js";
import { SuperblockLayout } from "../../src/format/superblock.js";
import { NoJournal } from "../../src/journal/no-journal.js";
import { Transactions } from "../../src/journal/transactions.js";
import { deleteInode, truncateOrphan } from "../../src/namespace/release.js";
import { cleanOrphans, type OrphanEnds } from "../../src/orphan/clean.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import { writeSuperblock } from "../../src/superblock/write-superblock.js";
import type { Volume } from "../../src/volume.js";
import { ImageDirectory, missingTool } from "../images.js";
import { checkImage } from "../writable.js";
import { bytesOf, mountForWriting, writeFile } from "./writing.js";

const COUNT = 40;

describe("orphans that a crash left", { skip: missingTool("mke2fs", "e2fsck") ?? false }, () => {
  const images = new ImageDirectory();
  after(() => images.remove());

  /** What a file system without a journal is when it crashes with files open that have no name. */
  function crash(): { bytes: Uint8Array; inos: number[] } {
    const options = ["-t", "ext4", "-b", "1024", "-O", "^has_journal,^metadata_csum"];
    const device = new MemoryDevice(new Uint8Array(fs.readFileSync(images.make("image", "8M", options))));
    const mounted = mountForWriting(device);
    const inos: number[] = [];
    for (let n = 0; n < COUNT; n++) {
      inos.push(writeFile(mounted, mounted.root, "file", new Uint8Array(3000)).ino);
      mounted.unlink(mounted.root, bytesOf("file"));
    }
    mounted.sync();
    const bytes = device.bytes.slice();
    mounted.unmount();
    return { bytes, inos };
  }

  /** Cleans as a mount does, and says what has to be known of the volume then. */
  function clean(bytes: Uint8Array, ends: (volume: Volume) => Partial<OrphanEnds>, isInUse?: (ino: number) => boolean) {
    const volume = openVolume(new MemoryDevice(bytes));
    volume.transactions = new Transactions(volume, new NoJournal(volume));
    const reported: unknown[] = [];
    volume.report = (error) => reported.push(error);
    const remove = (inode: Parameters<OrphanEnds["remove"]>[0]) => deleteInode(volume, inode);
    const truncate = (inode: Parameters<OrphanEnds["truncate"]>[0]) => truncateOrphan(volume, inode);
    const done = cleanOrphans(volume, { remove, truncate, ...ends(volume) }, isInUse);
    volume.transactions.commit();
    return { volume, reported, done };
  }

  function check(volume: Volume, bytes: Uint8Array): void {
    writeSuperblock(volume);
    const image = images.file("image");
    fs.writeFileSync(image, bytes);
    checkImage(image);
  }

  it("are in memory one at a time", () => {
    const { bytes } = crash();
    const { volume, done, reported } = clean(bytes, (volume) => ({
      remove(inode) {
        assert.deepEqual(volume.inodes.kept(), [inode.ino]);
        deleteInode(volume, inode);
      },
    }));
    assert.deepEqual([done, reported.length, volume.inodes.kept().length], [COUNT, 0, 0]);
    check(volume, bytes);
  });

  it("stay where they are in use", () => {
    const { bytes, inos } = crash();
    const inUse = inos.filter((_, n) => n % 3 === 0);
    const { volume, done } = clean(
      bytes,
      () => ({}),
      (ino) => inUse.includes(ino),
    );
    const sorted = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b);
    assert.deepEqual(sorted(volume.inodes.kept()), sorted(inUse));
    assert.deepEqual(sorted(volume.orphans!.numbers()), sorted(inUse));
    assert.equal(done, COUNT - inUse.length);
    const again = clean(bytes, () => ({}));
    assert.equal(again.done, inUse.length);
    check(again.volume, bytes);
  });

  it("do not stay in memory where they cannot be deleted", () => {
    const { bytes } = crash();
    const { volume, done, reported } = clean(bytes, () => ({
      remove() {
        throw new CorruptionError("extent-order", {}, "a test");
      },
    }));
    assert.deepEqual([done, reported.length, volume.inodes.kept().length], [COUNT, COUNT, 0]);
    assert.equal(volume.superblock.lastOrphan, 0);
  });

  it("are left alone where the list names what is no orphan", () => {
    const { bytes, inos } = crash();
    const view = new DataView(bytes.buffer);
    const ino = inos[COUNT / 2]!;
    const bit = view.getUint32(2048 + 4, true) * 1024 * 8 + ino - 1;
    const free = () => {
      bytes[bit >> 3]! ^= 1 << (bit & 7);
    };
    const special = (field: "userQuotaInode" | "orphanFileInode") => () => {
      view.setUint32(1024 + SuperblockLayout.offset[field], ino, true);
    };
    for (const damage of [free, special("userQuotaInode"), special("orphanFileInode")]) {
      const pristine = bytes.slice();
      damage();
      const { done, reported, volume } = clean(bytes, () => ({ remove: () => assert.fail("none is deleted") }));
      assert.deepEqual([done, reported.length, volume.superblock.lastOrphan], [0, 1, 0]);
      bytes.set(pristine);
    }
  });

  it("are left alone where the list is damaged", () => {
    const { bytes } = crash();
    const first = new DataView(bytes.buffer).getUint32(1024 + SuperblockLayout.offset.lastOrphan, true);
    const volume = openVolume(new MemoryDevice(bytes));
    // The last one leads back to the first.
    const place = (ino: number) => volume.geometry.inodeSize * (ino - 1);
    const table = new DataView(bytes.buffer).getUint32(2048 + 8, true) * 1024;
    const view = new DataView(bytes.buffer, table);
    let last = first;
    for (let next = first; next !== 0; next = view.getUint32(place(last) + 0x14, true)) last = next;
    view.setUint32(place(last) + 0x14, first, true);
    const cleaned = clean(bytes, () => ({ remove: () => assert.fail("none is deleted") }));
    assert.deepEqual([cleaned.done, cleaned.reported.length, cleaned.volume.superblock.lastOrphan], [0, 1, 0]);
    assert.match(String(cleaned.reported[0]), /leads back/);
  });
});
