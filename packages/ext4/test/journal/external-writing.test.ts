// Oracles: the kernel with its external journal, and e2fsck -j.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { after, before, describe, it } from "node:test";
import { FileDevice } from "../../src/device/file.js";
import { UnsupportedFeatureError } from "../../src/errors.js";
import { FileSystem } from "../../src/filesystem.js";
import { ImageDirectory, missingLoopMount, openImage, run } from "../images.js";
import { bytesOf, contentsOf, contentsOfMount, mountForWriting, openForWriting, remove, writeFile } from "./writing.js";

const skip = missingLoopMount() ?? false;

for (const blockSize of ["1024", "4096"]) {
  describe(`a journal on another device that is written, blocks of ${blockSize}`, { skip }, () => {
    const images = new ImageDirectory();
    let image: string;
    let journal: string;
    let loop: string | undefined;

    before(() => {
      journal = images.make("journal", "8M", ["-b", blockSize, "-O", "journal_dev"]);
      loop = run("losetup", ["-f", "--show", journal]).trim();
      image = images.make("image", "32M", ["-t", "ext4", "-b", blockSize, "-J", `device=${loop}`]);
    });
    after(() => {
      if (loop !== undefined) spawnSync("losetup", ["-d", loop]);
      images.remove();
    });

    /** Through the loop device, so that the kernel's view of it stays the same. */
    const openLoop = (readOnly: boolean) =>
      new FileDevice(fs, fs.openSync(loop!, readOnly ? "r" : "r+"), { readOnly, size: fs.statSync(journal).size });
    const mount = () => mountForWriting(openForWriting(image), { journalDevice: openLoop(false) });

    function crash(name: string): void {
      const mounted = mount();
      for (let n = 0; n < 20; n++) writeFile(mounted, mounted.root, `${name}${n}`, bytesOf(`${name} ${n}`));
      mounted.sync();
      for (let n = 0; n < 20; n += 2) remove(mounted, mounted.root, `${name}${n}`);
      mounted.sync();
      mounted.volume.device.close();
    }

    it("is refused without the device, and with another file system's", () => {
      assert.throws(() => mountForWriting(openForWriting(image)), UnsupportedFeatureError);
      const other = images.make("other", "8M", ["-b", blockSize, "-O", "journal_dev"]);
      assert.throws(() => mountForWriting(openForWriting(image), { journalDevice: openForWriting(other) }), /UUID/);
    });

    it("is replayed by us, for reading and for writing", () => {
      crash("ours");
      const readOnly = contentsOf(openImage(image), { journalDevice: openLoop(true) });
      assert.equal(readOnly.length, 10);
      const mounted = mount();
      assert.ok(mounted.replay!.transactions >= 2);
      mounted.unmount();
      mounted.close();
      assert.deepEqual(contentsOf(openImage(image)), readOnly);
      run("e2fsck", ["-fn", "-j", loop!, image]);
    });

    it("is replayed by the kernel and by e2fsck", () => {
      crash("theirs");
      const expected = contentsOf(openImage(image), { journalDevice: openLoop(true) });
      assert.equal(expected.length, 20);
      const copies = [images.file("image2"), images.file("journal2")] as const;
      fs.copyFileSync(image, copies[0]);
      run("dd", [`if=${loop}`, `of=${copies[1]}`, "bs=1M", "status=none"]);
      run("e2fsck", ["-p", "-j", copies[1], copies[0]]);
      run("e2fsck", ["-fn", "-j", copies[1], copies[0]]);
      assert.deepEqual(contentsOf(openImage(copies[0])), expected);
      images.mounted(image, `rw,journal_path=${loop}`, (root) => assert.deepEqual(contentsOfMount(root), expected));
      run("e2fsck", ["-fn", "-j", loop!, image]);
      FileSystem.mount(openImage(image)).close();
    });
  });
}
