// Oracle: the rule that an image provokes nothing but a result or an error of the engine's.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, describe, it } from "node:test";
import { MemoryDevice } from "../../src/device/memory.js";
import { CorruptionError, isEngineError } from "../../src/errors.js";
import { NoJournal } from "../../src/journal/no-journal.js";
import { Transactions, transact } from "../../src/journal/transactions.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import { inheritAcl } from "../../src/xattr/inherit-acl.js";
import { removeAllXattrs } from "../../src/xattr/remove-all.js";
import { removeXattr, setXattr, XATTR_CREDITS } from "../../src/xattr/set-xattr.js";
import { openXattrBlock } from "../../src/xattr/write-block.js";
import { ImageDirectory, missingTool } from "../images.js";
import { changeImage } from "../writable.js";
import { bytes, FILES, imageWithFiles, inodeOf, randomNumbers } from "./changes.js";

const names = ["user.a", "user.bb", "trusted.c", "security.d"];

describe("attributes on a damaged image, changed", { skip: missingTool("mke2fs", "e2fsck") ?? false }, () => {
  const images = new ImageDirectory();
  after(() => images.remove());

  for (const [title, options] of [
    ["ea_inode", ["-b", "1024", "-O", "ea_inode,quota,project,^metadata_csum,^has_journal"]],
    ["inodes of 128 bytes", ["-b", "1024", "-I", "128", "-O", "^metadata_csum,^has_journal"]],
  ] as const) {
    it(`give a result or an error of the engine's: ${title}`, () => {
      const image = imageWithFiles(images, "fuzz.img", "2M", options);
      const targets: [start: number, length: number][] = [];
      changeImage(image, (volume) => {
        const blocks = new Set<number>();
        for (let n = 0; n < FILES; n++) {
          const inode = inodeOf(volume, `f${n}`);
          for (const [at, name] of names.entries()) {
            const length = volume.features.eaInode ? 20 + 300 * at * at : 20 + 60 * at;
            const value = "v".repeat(length + (n & 1));
            transact(volume, XATTR_CREDITS, (handle) => setXattr(handle, inode, name, bytes(value)));
          }
          blocks.add(inode.fileAcl);
          for (const { valueInode } of openXattrBlock(volume, inode)?.list ?? []) {
            if (valueInode !== 0) targets.push([-valueInode, 128]);
          }
          targets.push([-inode.ino, volume.geometry.inodeSize]);
        }
        for (const block of blocks) targets.push([block * 1024, 1024]);
      });
      const pristine = new Uint8Array(fs.readFileSync(image));
      const inodeSize = options.includes("128" as never) ? 128 : 256;
      const table = inodeTable(pristine);
      const random = randomNumbers(0xdead);
      let corrupt = 0;
      for (let round = 0; round < 300; round++) {
        const damaged = pristine.slice();
        for (let n = 1 + random(4); n > 0; n--) {
          const [start, length] = targets[random(targets.length)]!;
          const base = start < 0 ? table + (-start - 1) * inodeSize : start;
          const at = base + random(random(2) === 0 ? Math.min(length, 96) : length);
          damaged[at] = [0, 0xff, 0x7f, damaged[at]! ^ (1 << random(8)), random(256)][random(5)]!;
        }
        const volume = openVolume(new MemoryDevice(damaged));
        volume.transactions = new Transactions(volume, new NoJournal(volume));
        for (let step = 0; step < 25; step++) {
          try {
            const inode = inodeOf(volume, `f${random(FILES)}`);
            const name = names[random(names.length)]!;
            const value = bytes("w".repeat([0, 5, 50, 400, 3000][random(5)]!));
            transact(volume, XATTR_CREDITS, (handle) => {
              const kind = random(8);
              if (kind === 0) removeAllXattrs(handle, inode);
              else if (kind === 1) inheritAcl(handle, inode, inodeOf(volume, "d"), 0o40_755, 0);
              else if (kind < 4) removeXattr(handle, inode, name);
              else setXattr(handle, inode, name, value);
            });
          } catch (error) {
            if (!isEngineError(error)) throw new Error(`round ${round}, step ${step}`, { cause: error });
            if (error instanceof CorruptionError) corrupt++;
          }
        }
        volume.transactions.commit();
      }
      assert.ok(corrupt > 300, `${corrupt} corruptions were found`);
    });
  }
});

/** Byte offset of group 0's inode table, from its descriptor. */
function inodeTable(image: Uint8Array): number {
  return new DataView(image.buffer).getUint32(2048 + 8, true) * 1024;
}
