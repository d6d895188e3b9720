// Oracle: e2fsck, which finds slots that are not free.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { readInode } from "../../src/inode/inode-table.js";
import { transact } from "../../src/journal/transactions.js";
import { addOrphan, ORPHAN_CREDITS, orphanTable } from "../../src/orphan/change.js";
import { ImageDirectory, missingTool } from "../images.js";
import { changeImage } from "../writable.js";

describe("the orphan file", { skip: missingTool("mke2fs", "e2fsck") ?? false }, () => {
  const images = new ImageDirectory();
  after(() => images.remove());

  it("is not searched again when it is full, until a slot is free", () => {
    const image = images.make("image", "16M", ["-t", "ext4", "-b", "1024", "-O", "orphan_file"]);
    changeImage(image, (volume) => {
      const { cache } = volume;
      const file = orphanTable(volume).file!;
      const add = () => transact(volume, ORPHAN_CREDITS, (handle) => file.add(handle, 12));
      const remove = (slot: number) => transact(volume, ORPHAN_CREDITS, (handle) => file.remove(handle, slot));
      const slots: number[] = [];
      for (let slot = add(); slot >= 0; slot = add()) slots.push(slot);
      assert.equal(new Set(slots).size, (file.inode.size / 1024) * file.slotsPerBlock);

      const read = cache.read.bind(cache);
      let reads = 0;
      cache.read = (block) => {
        reads++;
        return read(block);
      };
      assert.equal(add(), -1);
      assert.equal(reads, 0);
      cache.read = read;

      remove(slots[1000]!);
      assert.equal(add(), slots[1000]);
      assert.equal(add(), -1);

      remove(slots[1000]!);
      const undone = () =>
        transact(volume, ORPHAN_CREDITS, (handle) => {
          addOrphan(handle, readInode(volume, 2));
          assert.equal(file.add(handle, 12), -1);
          throw new Error("undo");
        });
      assert.throws(undone, { message: "undo" });
      assert.equal(add(), slots[1000], "an orphan that is undone leaves its slot");
      for (const slot of slots) remove(slot);
    });
  });
});
