// What a mount says of the journal it replayed: in the log and in info.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, before, describe, it } from "node:test";
import { MemoryDevice } from "../../src/device/memory.js";
import { FastCommitHeader, FastCommitTag } from "../../src/format/journal.js";
import { openJournal } from "../../src/journal/journal-inode.js";
import { Ext4 } from "../../src/library/ext4.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import { TestEnvironment } from "../images.js";
import { cannotMakeImages, run, Shutdown, shell, Workshop } from "./dirty-image.js";

describe("mounting with a dirty journal", { skip: cannotMakeImages }, () => {
  const workshop = new Workshop();
  after(() => workshop.remove());
  let image: Uint8Array;

  before(() => {
    for (let attempt = 1; attempt <= 8; attempt++) {
      const path = workshop.make("fast.img", ["-b", "1024", "-O", "fast_commit"], 32);
      workshop.crash(path, "noatime,commit=300", Shutdown.noLogFlush, (at) => {
        shell(at, "mkdir d; sync -f .; for i in 1 2 3; do echo $i > d/f$i; sync d/f$i; done");
      });
      image = new Uint8Array(fs.readFileSync(path));
      if (Ext4.open(new MemoryDevice(image)).fs.replay!.fastCommits > 1) break;
    }
  });

  it("tells in info what came from the journal", () => {
    const environment = new TestEnvironment();
    const ext4 = Ext4.open(new MemoryDevice(image), {}, environment);
    const { replay, needsRecovery, orphanCount } = ext4.info();
    assert.ok(replay !== undefined && replay.fastCommits > 1);
    assert.equal(replay.fastCommitsStopped, undefined);
    assert.equal(needsRecovery, false);
    assert.equal(orphanCount, 0);
    assert.equal(environment.lines.length, 1);
    assert.match(environment.lines[0]!, new RegExp(`info: journal replayed .* ${replay.fastCommits} fast commits`));
    JSON.stringify(ext4.info());
  });

  it("warns of fast commits that are left out, and why", () => {
    const bytes = image.slice();
    const device = new MemoryDevice(bytes);
    const volume = openVolume(device);
    const log = openJournal(volume);
    damageSecondTail(bytes, log.locate(log.fastCommitFirst) * 1024, 1024);
    const environment = new TestEnvironment();
    const ext4 = Ext4.open(device, {}, environment);
    const { replay } = ext4.info();
    assert.equal(replay?.fastCommits, 1);
    assert.match(replay?.fastCommitsStopped ?? "", /wrong checksum/);
    const warning = environment.lines.find((line) => line.startsWith("warning"));
    assert.match(warning ?? "", /fast commits after number 1 are left out.*wrong checksum.*e2fsck/);
  });

  it("replays as well when a copy of the superblock is used, whose flags are old", () => {
    const path = workshop.path("copy.img");
    fs.writeFileSync(path, image);
    assert.doesNotMatch(run("dumpe2fs", ["-h", "-o", "superblock=8193", path]), /needs_recovery/);
    const environment = new TestEnvironment();
    const ext4 = Ext4.open(new MemoryDevice(image), { superblock: 8193 }, environment);
    assert.deepEqual(
      environment.lines.filter((line) => line.startsWith("warning")),
      [],
    );
    assert.ok((ext4.fs.replay?.fastCommits ?? 0) > 1);
    assert.ok(ext4.exists("/d/f3"));
    const without = Ext4.open(new MemoryDevice(image), { superblock: 8193, loadJournal: false });
    assert.equal(without.fs.replay, undefined);
  });

  it("counts the orphans", () => {
    const path = workshop.path("orphans.img");
    fs.writeFileSync(path, image);
    run("e2fsck", ["-fy", path], [0, 1]);
    const ino = /Inode: (\d+)/.exec(run("debugfs", ["-R", "stat d/f1", path]))![1]!;
    run("debugfs", ["-w", "-R", `set_super_value last_orphan ${ino}`, path]);
    const ext4 = Ext4.open(new MemoryDevice(fs.readFileSync(path)));
    assert.equal(ext4.info().orphanCount, 1);
    run("debugfs", ["-w", "-R", "set_super_value last_orphan 4000000000", path]);
    const damaged = Ext4.open(new MemoryDevice(fs.readFileSync(path)));
    assert.equal(damaged.info().orphanCount, undefined);
  });
});

/** Breaks the checksum of the second fast commit; the journal's blocks lie in a row here. */
function damageSecondTail(bytes: Uint8Array, area: number, blockSize: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  let tails = 0;
  for (let block = area; ; block += blockSize) {
    for (let at = block; at + FastCommitHeader.size <= block + blockSize; ) {
      const tag = view.getUint16(at, true);
      if (tag === FastCommitTag.tail && ++tails === 2) {
        bytes[at + FastCommitHeader.size + 4]! ^= 1;
        return;
      }
      at += FastCommitHeader.size + view.getUint16(at + 2, true);
    }
  }
}
