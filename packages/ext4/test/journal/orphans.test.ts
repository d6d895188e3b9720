// Oracle: the kernel, which says which files are open without a name; debugfs makes the damage.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { FileDevice } from "../../src/device/file.js";
import { CorruptionError } from "../../src/errors.js";
import { replayJournal } from "../../src/journal/replay.js";
import { orphans } from "../../src/orphan/orphans.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import { cannotMakeImages, run, Shutdown, Workshop } from "./dirty-image.js";

const workshop = new Workshop();
after(() => workshop.remove());

function orphansOf(image: string): number[] {
  const device = new FileDevice(fs, fs.openSync(image, "r"));
  try {
    return orphans(openVolume(replayJournal(openVolume(device)).device));
  } finally {
    device.close();
  }
}

describe("orphans", { skip: cannotMakeImages }, () => {
  for (const [name, features] of [
    ["on the list, without checksums", "^orphan_file,^metadata_csum"],
    ["on the list", "^orphan_file,metadata_csum"],
    ["in the orphan file, without checksums", "orphan_file,^metadata_csum"],
    ["in the orphan file", "orphan_file,metadata_csum"],
  ] as const) {
    it(`are found ${name}`, () => {
      const image = workshop.make("orphans.img", ["-b", "1024", "-O", features]);
      const open: number[] = [];
      const expected: number[] = [];
      try {
        workshop.crash(image, "noatime", Shutdown.logFlush, (at) => {
          for (let n = 0; n < 12; n++) {
            const path = join(at, `file${n}`);
            const fd = fs.openSync(path, "w");
            open.push(fd);
            fs.writeSync(fd, "still here");
            fs.fsyncSync(fd);
            if (n % 3 === 0) continue;
            fs.unlinkSync(path);
            expected.push(fs.fstatSync(fd).ino);
          }
        });
      } finally {
        for (const fd of open) fs.closeSync(fd);
      }
      assert.equal(expected.length, 8);
      assert.deepEqual(
        orphansOf(image).sort((a, b) => a - b),
        expected.sort((a, b) => a - b),
      );
    });
  }

  it("are refused where the list does not end or leaves the inodes", () => {
    const image = workshop.make("cycle.img", ["-b", "1024", "-O", "^orphan_file,^has_journal,^metadata_csum"], 4);
    const say = (...commands: string[]) => {
      const script = workshop.path("commands");
      fs.writeFileSync(script, `${commands.join("\n")}\n`);
      run("debugfs", ["-w", "-f", script, image]);
    };
    const read = () => {
      const device = new FileDevice(fs, fs.openSync(image, "r"));
      try {
        return orphans(openVolume(device));
      } finally {
        device.close();
      }
    };
    say(
      "write /etc/hostname a",
      "write /etc/hostname b",
      "set_inode_field a dtime @12",
      "set_super_value last_orphan 13",
    );
    const refused = (about: RegExp) =>
      assert.throws(
        read,
        (error) => error instanceof CorruptionError && error.kind === "orphan-list" && about.test(error.evidence),
      );
    say("set_inode_field <13> dtime @12", "set_inode_field <12> dtime @0");
    assert.deepEqual(read(), [13, 12]);
    say("set_inode_field <12> dtime @13");
    refused(/back to inode 13/);
    say("set_inode_field <12> dtime @4000000000");
    refused(/inode 4000000000/);
    say("set_super_value last_orphan 8");
    refused(/inode 8/);
  });

  it("are refused where the orphan file is damaged", () => {
    const image = workshop.make("file.img", ["-b", "1024", "-O", "orphan_file,metadata_csum"], 16);
    assert.deepEqual(orphansOf(image), []);
    const ino = /Orphan file inode: *(\d+)/.exec(run("dumpe2fs", ["-h", image]))![1];
    const block = Number(/^(\d+)$/m.exec(run("debugfs", ["-R", `bmap <${ino}> 1`, image]))![1]);
    const fd = fs.openSync(image, "r+");
    const poke = (offset: number, byte: number) =>
      fs.writeSync(fd, new Uint8Array([byte]), 0, 1, block * 1024 + offset);
    const refused = (about: RegExp) =>
      assert.throws(
        () => orphansOf(image),
        (error) => error instanceof CorruptionError && error.kind === "orphan-list" && about.test(error.evidence),
      );
    poke(100, 1);
    refused(/checksum/);
    poke(100, 0);
    assert.deepEqual(orphansOf(image), []);
    poke(1016, 1);
    refused(/magic/);
    fs.closeSync(fd);
  });
});
