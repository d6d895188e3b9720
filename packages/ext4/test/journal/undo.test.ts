// Oracle: the bytes of the image, and e2fsck.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { allocateBlocks } from "../../src/alloc/allocate-blocks.js";
import { freeBlocks } from "../../src/alloc/free-blocks.js";
import { CorruptionError } from "../../src/errors.js";
import { InodeLayout } from "../../src/format/inode.js";
import { groupDescriptor } from "../../src/groups/group-table.js";
import { inodeOffset, inodeTableBlock } from "../../src/inode/inode-table.js";
import { transact } from "../../src/journal/transactions.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import { ImageDirectory, missingTool } from "../images.js";
import { changeImage, checkImage } from "../writable.js";
import { bytesOf, memoryOf, mountForWriting, withWritable, writeFile } from "./writing.js";

describe("what a handle did and undid", { skip: missingTool("mke2fs", "e2fsck") ?? false }, () => {
  const images = new ImageDirectory();
  after(() => images.remove());

  it("leaves blocks that were made for metadata to others: a file's data there stays", () => {
    const image = images.make("undo.img", "8M", ["-t", "ext4", "-b", "1024"]);
    changeImage(image, (volume) => {
      const run = { block: 0, count: 0 };
      const request = { goal: 4000, count: 1, inode: undefined, metadata: true };
      assert.throws(() =>
        transact(volume, 10, (handle) => {
          handle.asNeeded(() => allocateBlocks(handle, request, run));
          handle.create(run.block).data.fill(0xaa);
          throw new Error("undo");
        }),
      );
      const { block } = run;
      transact(volume, 10, (handle) =>
        handle.asNeeded(() => allocateBlocks(handle, { ...request, metadata: false }, run)),
      );
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

  it("is undone to its end where an inode cannot be read again, which is then the error", () => {
    const image = images.make("undo.img", "8M", ["-t", "ext4", "-b", "1024", "-O", "^metadata_csum"]);
    withWritable(image, (mounted) => {
      const { volume } = mounted;
      const [first, second] = ["first", "second"].map((name) => writeFile(mounted, mounted.root, name, bytesOf(name)));
      // As if something that lies in the same block had overwritten it.
      const { view } = inodeTableBlock(volume, first!.ino);
      const mode = inodeOffset(volume, first!.ino) + InodeLayout.offset.mode;
      view.setUint16(mode, 0o170777, true);
      let undone = 0;
      const change = () =>
        transact(volume, 10, (handle) => {
          handle.onUndo(() => undone++);
          for (const inode of [first!, second!]) {
            handle.modifyInode(inode);
            inode.size = 3;
          }
          throw new Error("undo");
        });
      for (let n = 1; n <= 2; n++) {
        assert.throws(change, { kind: "inode-type" });
        assert.deepEqual([second!.size, undone], [6, n]);
      }
      view.setUint16(mode, 0o100644, true);
      assert.throws(change, /undo/);
      assert.equal(first!.size, 5);
    });
    checkImage(image);
  });

  for (const length of [8, 100]) {
    it(`leaves a symbolic link of ${length} bytes whole that could not be deleted, and says why`, () => {
      const image = images.make("symlink.img", "8M", ["-t", "ext4", "-b", "1024"]);
      const target = "t".repeat(length);
      withWritable(image, (mounted) => {
        mounted.symlink(mounted.root, bytesOf("link"), bytesOf(target), { uid: 0, gid: 0 });
      });
      const device = memoryOf(image);
      const bitmap = groupDescriptor(openVolume(device), 0).inodeBitmap * 1024;
      const byte = new Uint8Array(1);
      device.read(bitmap, byte);
      byte[0]! ^= 0xff;
      device.write(bitmap, byte);

      const mounted = mountForWriting(device, { errors: "continue" });
      const ino = mounted.lookup(mounted.root, bytesOf("link"));
      mounted.unlink(mounted.root, bytesOf("link"));
      assert.throws(
        () => mounted.release(ino),
        (error) => error instanceof CorruptionError && error.kind === "inode-bitmap",
      );
      assert.equal(new TextDecoder().decode(mounted.readLink(mounted.inode(ino))), target);
    });
  }
});
