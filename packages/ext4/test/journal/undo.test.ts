// Oracle: the bytes of the image, and e2fsck.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { allocateBlocks } from "../../src/alloc/allocate-blocks.js";
import { freeBlocks } from "../../src/alloc/free-blocks.js";
import { transact } from "../../src/journal/transactions.js";
import { ImageDirectory, missingTool } from "../images.js";
import { changeImage } from "../writable.js";

describe("what a handle did and undid", { skip: missingTool("mke2fs", "e2fsck") ?? false }, () => {
  const images = new ImageDirectory();
  after(() => images.remove());

  it("leaves blocks that were made for metadata to others: a file's data there stays", () => {
    const image = images.make("undo.img", "8M", ["-t", "ext4", "-b", "1024"]);
    changeImage(image, (volume) => {
      const run = { block: 0, count: 0 };
      const request = { goal: 4000, count: 1, inode: undefined, metadata: true, privileged: true };
      assert.throws(() =>
        transact(volume, 10, (handle) => {
          allocateBlocks(handle, request, run);
          handle.create(run.block).data.fill(0xaa);
          throw new Error("undo");
        }),
      );
      const { block } = run;
      transact(volume, 10, (handle) => allocateBlocks(handle, { ...request, metadata: false }, run));
      assert.equal(run.block, block, "the same block");
      const data = new Uint8Array(1024).fill(0x55);
      volume.device.write(block * 1024, data);
      volume.transactions.commit();
      const found = new Uint8Array(1024);
      volume.device.read(block * 1024, found);
      assert.deepEqual(found, data);
      transact(volume, 10, (handle) => freeBlocks(handle, undefined, block, 1));
    });
  });
});
