// Oracle: dumpe2fs, of the superblock and its copies; mke2fs -n's list of these; e2fsck.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, describe, it } from "node:test";
import { FileDevice } from "../../src/device/file.js";
import { FileSystem } from "../../src/filesystem.js";
import { ImageDirectory, missingTool, run } from "../images.js";
import { checkImage } from "../writable.js";

const skip = missingTool("mke2fs", "dumpe2fs", "e2fsck") ?? false;
const encode = (text: string) => new TextEncoder().encode(text);

describe("a label that is set", { skip }, () => {
  const images = new ImageDirectory();
  after(() => images.remove());

  for (const features of [
    [],
    ["-O", "^has_journal"],
    ["-O", "^metadata_csum,^sparse_super,^resize_inode"],
    ["-O", "bigalloc,fast_commit", "-C", "2048"],
    ["-O", "sparse_super2"],
    ["-b", "4096", "-g", "2048"],
  ]) {
    it(`is at once in the superblock and in all of its copies: ${features.join(" ") || "the usual features"}`, () => {
      const options = ["-t", "ext4", "-b", "1024", "-L", "before", ...features];
      const image = images.make("image", "64M", options);
      const listed = /stored on blocks:\s+([\d,\s]+)/.exec(run("mke2fs", ["-n", "-F", ...options, image, "64M"]));
      const copies = (listed?.[1] ?? assert.fail("no copies")).split(",").map((block) => block.trim());
      const labelOf = (...place: string[]) => /volume name: +(.*)/.exec(run("dumpe2fs", ["-h", ...place, image]))?.[1];
      const labels = () => [labelOf(), ...copies.map((block) => labelOf("-o", `superblock=${block}`))];
      const device = new FileDevice(fs, fs.openSync(image, "r+"), { readOnly: false });
      const filesystem = FileSystem.mount(device, { writable: true });
      for (const label of ["sixteen bytes ..", "short"]) {
        filesystem.setLabel(encode(label));
        assert.deepEqual(labels(), Array(1 + copies.length).fill(label));
      }
      filesystem.unmount();
      device.close();
      assert.equal(labelOf(), "short");
      checkImage(image);
    });
  }
});
