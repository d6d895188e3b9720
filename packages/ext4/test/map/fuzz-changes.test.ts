// Changes of damaged maps end with a result or an error of the engine's, in bounded time. There is no oracle but that.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { MemoryDevice } from "../../src/device/memory.js";
import { isEngineError } from "../../src/errors.js";
import { I_BLOCK_OFFSET } from "../../src/format/inode.js";
import { cachedInode } from "../../src/inode/cached-inode.js";
import { NoJournal } from "../../src/journal/no-journal.js";
import { Transactions, transact } from "../../src/journal/transactions.js";
import { allocateRange, convertToUnwritten, convertUnwritten } from "../../src/map/allocate-range.js";
import { extentTree } from "../../src/map/extent-tree.js";
import { BlockMapping, MAX_FILE_BLOCKS } from "../../src/map/mapping.js";
import { removeRange } from "../../src/map/remove-range.js";
import { shiftRange } from "../../src/map/shift-range.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import { changeImage } from "../writable.js";
import { FileModel } from "./file-model.js";
import { inodeNumber, noTools, randomFrom, run, withScratch } from "./images.js";

const ROUNDS = Number(process.env["BULKHEAD_FUZZ_ROUNDS"] ?? 300);
const SEED = Number(process.env["BULKHEAD_SEED"] ?? 1);
/** Milliseconds. */
const PATIENCE = 4000;

/** Damages a map and changes it, again and again. */
function fuzz(type: readonly string[], extents: boolean): void {
  withScratch((directory) => {
    const image = join(directory, "image");
    run("mke2fs", "-q", "-F", ...type, "-b", "1024", image, "4M");
    run("debugfs", "-w", "-R", "write /dev/null file", image);
    const ino = inodeNumber(image, "file");
    let nodes: number[] = [];
    changeImage(image, (volume) => {
      const file = new FileModel(volume, cachedInode(volume, ino), 0, 1000);
      for (let n = 0; n < 480; n++) file.write(2 * n + (n % 7 === 0 ? 1 : 0), 1);
      if (extents)
        nodes = extentTree(volume, file.inode)!
          .nodes.map(({ block }) => block)
          .filter((block) => block > 0);
      else nodes = [12, 13].map((n) => file.inode.view.getUint32(I_BLOCK_OFFSET + 4 * n, true));
    });
    const bytes = new Uint8Array(readFileSync(image));
    let failures = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const random = randomFrom(SEED + round);
      const device = new MemoryDevice(bytes.slice());
      const volume = openVolume(device);
      volume.transactions = new Transactions(volume, new NoJournal(volume));
      const inode = cachedInode(volume, ino);
      const started = performance.now();
      for (let times = 1 + random(3); times > 0; times--) {
        const value = [0, 1, 0xff, 0x7f, random(256), nodes[random(nodes.length)]! & 0xff][random(6)]!;
        if (random(4) === 0) inode.raw[I_BLOCK_OFFSET + random(60)] = value;
        else device.bytes[nodes[random(nodes.length)]! * 1024 + random(random(2) === 0 ? 60 : 1024)] = value;
      }
      const mapping = new BlockMapping();
      for (let n = 0; n < 12; n++) {
        const first = random(1100);
        const count = 1 + random(random(2) === 0 ? 3 : 500);
        try {
          transact(volume, 300, (handle) => {
            handle.modifyInode(inode);
            const kind = random(extents ? 6 : 2);
            if (kind === 0) allocateRange(handle, inode, first, count, false, mapping);
            else if (kind === 1) removeRange(handle, inode, first, n === 11 ? MAX_FILE_BLOCKS : first + count);
            else if (kind === 2) convertUnwritten(handle, inode, first, count);
            else if (kind === 3) convertToUnwritten(handle, inode, first, count);
            else if (kind === 4) shiftRange(handle, inode, first, count);
            else {
              removeRange(handle, inode, first, first + count);
              shiftRange(handle, inode, first + count, -count);
            }
          });
        } catch (error) {
          if (!isEngineError(error)) throw new Error(`seed ${SEED + round}`, { cause: error });
          failures++;
        }
      }
      assert.ok(performance.now() - started < PATIENCE, `seed ${SEED + round} takes too long`);
    }
    assert.ok(failures > ROUNDS / 10, `${failures} failures`);
  });
}

describe("changes of damaged maps", { skip: noTools }, () => {
  it("extent trees", () => fuzz(["-t", "ext4", "-O", "^has_journal,^metadata_csum"], true));
  it("block pointers", () => fuzz(["-t", "ext2"], false));
});
