// Oracle: e2fsck, which counts what everybody has. The kernel here knows no quota, so it works without the feature's flag.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, describe, it } from "node:test";
import { MemoryDevice } from "../../src/device/memory.js";
import { applyFastCommits } from "../../src/fast-commit/apply.js";
import { incompatFeature, roCompatFeature } from "../../src/format/features.js";
import { openJournal } from "../../src/journal/journal-inode.js";
import { JournalSuperblock } from "../../src/journal/journal-superblock.js";
import { type Replay, replayJournal } from "../../src/journal/replay.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import { writeSuperblock } from "../../src/superblock/write-superblock.js";
import { cannotMakeImages, run, Shutdown, shell, Workshop } from "./dirty-image.js";

const workshop = new Workshop();
after(() => workshop.remove());

const options = ["-b", "4096", "-O", "fast_commit,quota", "-E", "quotatype=usrquota:grpquota"];
const setup = `mkdir d; for i in $(seq 9); do head -c 9000 /dev/urandom > d/f$i; chown $i:7 d/f$i; done; sync -f .`;
// The first commit after a mount is a full one.
const script = `
  chmod 600 d/f9; sync -f .
  chown 5:6 d/f1; sync d/f1; head -c 50000 /dev/urandom > new; chown 8:8 new; sync new; truncate -s 100 d/f2; sync d/f2
  head -c 30000 /dev/urandom >> d/f3; sync d/f3; rm d/f4; sync d/f5; chown 12 d/f5; fallocate -p -o 0 -l 4096 d/f5; sync d/f5
  mkdir n; echo b > n/b; chown 9:9 n/b; sync n/b; rm new; echo c > n/c; sync n/c`;

/** Lets the kernel work without quota; e2fsck counts in between, so that what the full commits left is right. */
function dirtyReplay(): Replay {
  for (let attempt = 1; ; attempt++) {
    const image = workshop.make("quota.img", options, 32);
    run("debugfs", ["-w", "-R", "feature -quota", image]);
    workshop.mounted(image, "noatime", (at) => shell(at, setup));
    run("debugfs", ["-w", "-R", "feature quota", image]);
    run("e2fsck", ["-fy", image], [0, 1]);
    run("debugfs", ["-w", "-R", "feature -quota", image]);
    workshop.crash(image, "noatime,commit=300", Shutdown.noLogFlush, (at) => shell(at, script));
    const replay = replayJournal(openVolume(new MemoryDevice(new Uint8Array(fs.readFileSync(image)))));
    if (replay.report.fastCommits > 3 || attempt === 8) return replay;
  }
}

describe("fast commits and quota", { skip: cannotMakeImages }, () => {
  it("count on everybody's account what is made, changes hands and goes", () => {
    const { device, fastCommits, report } = dirtyReplay();
    assert.ok(report.fastCommits > 3);
    const bytes = new Uint8Array(device.size);
    device.read(0, bytes);
    const replayed = new MemoryDevice(bytes);
    const volume = openVolume(replayed);
    volume.superblock.featureRoCompat |= roCompatFeature.quota;
    volume.superblock.featureIncompat &= ~incompatFeature.needs_recovery;
    writeSuperblock(volume);
    const log = openJournal(volume);
    new JournalSuperblock(log).setTail(0, log.sequence);

    const { blockSize } = volume.geometry;
    for (const [block, data] of applyFastCommits(replayed, fastCommits).changes()) {
      replayed.write(block * blockSize, data);
    }
    const path = workshop.path("applied.img");
    fs.writeFileSync(path, bytes);
    run("e2fsck", ["-fn", path]);
  });
});
