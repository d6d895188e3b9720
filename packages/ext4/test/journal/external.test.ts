// Oracle: the kernel, which mounts such a file system with its journal device only.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { MemoryDevice } from "../../src/device/memory.js";
import { UnsupportedFeatureError } from "../../src/errors.js";
import { Ext4 } from "../../src/library/ext4.js";
import { ImageDirectory, missingLoopMount, run, TestEnvironment } from "../images.js";

const skip = missingLoopMount() ?? false;

describe("a journal on another device", { skip }, () => {
  const images = new ImageDirectory();
  let clean: Uint8Array;
  let dirty: Uint8Array;
  let uuid: string;

  before(() => {
    const journal = images.make("journal", "8M", ["-b", "1024", "-O", "journal_dev"]);
    const device = run("losetup", ["-f", "--show", journal]).trim();
    try {
      const image = images.make("image", "32M", ["-t", "ext4", "-b", "1024", "-J", `device=${device}`]);
      images.mounted(image, "rw", (root) => {
        fs.writeFileSync(join(root, "file"), "contents");
        run("sync", [join(root, "file")]);
        dirty = fs.readFileSync(image);
      });
      clean = fs.readFileSync(image);
      uuid = /UUID: +(\S+)/.exec(run("dumpe2fs", ["-h", journal]))![1]!;
    } finally {
      run("losetup", ["-d", device]);
    }
  });
  after(() => images.remove());

  it("is not needed when the file system was unmounted", () => {
    const environment = new TestEnvironment();
    const ext4 = Ext4.open(new MemoryDevice(clean), {}, environment);
    assert.deepEqual(environment.lines, []);
    assert.equal(Buffer.from(ext4.readFile("/file")).toString(), "contents");
    const info = ext4.info();
    assert.deepEqual([info.journal?.inode, info.journal?.uuid, info.needsRecovery], [0, uuid, false]);
    ext4.close();
  });

  it("is refused with its UUID and what to do when it needs recovery; noload reads without it", () => {
    assert.throws(
      () => Ext4.open(new MemoryDevice(dirty)),
      (error: unknown) => {
        assert.ok(error instanceof UnsupportedFeatureError, String(error));
        assert.deepEqual(error.features, ["journal_dev"]);
        assert.ok(error.message.includes(uuid) && /e2fsck -j/.test(error.message), error.message);
        return true;
      },
    );
    const environment = new TestEnvironment();
    const ext4 = Ext4.open(new MemoryDevice(dirty), { loadJournal: false }, environment);
    assert.match(environment.lines.join(), /warning: the journal is not replayed/);
    assert.equal(ext4.info().needsRecovery, true);
    ext4.close();
  });

  it("is warned of when only a copy of the superblock is there to ask", () => {
    const environment = new TestEnvironment();
    Ext4.open(new MemoryDevice(clean), { superblock: 8193 }, environment).close();
    assert.match(environment.lines.join(), /copy of the superblock does not tell/);
  });
});
