// Oracles: what a mount for reading shows before anything is written, the kernel's replay of each state, and e2fsck on what a mount
// for writing leaves.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, describe, it } from "node:test";
import { MemoryDevice } from "../../src/device/memory.js";
import { RecordingDevice } from "../../src/device/recording.js";
import { cannotMakeImages, run, Shutdown, shell, Workshop } from "./dirty-image.js";
import { crashStates } from "./power-loss.js";
import { contentsOf, contentsOfMount, mountForWriting } from "./writing.js";

const { SEED: seedText, CRASH_STATES: statesText = "4" } = process.env;
const SEED = Number(seedText ?? 1 + Math.floor(Math.random() * 1e6));

const workshop = new Workshop();
after(() => workshop.remove());

const setup = `mkdir d e; for i in $(seq 30); do echo "file $i" > d/f$i; done; head -c 90000 /dev/urandom > big; sync -f .`;
const script = `
  for i in 1 2 3 4; do echo "new $i" > e/n$i; sync e/n$i; done
  head -c 60000 /dev/urandom >> big; sync big; fallocate -p -o 8192 -l 20480 big; sync big; truncate -s 70000 big; sync big
  mkdir n n/m; echo b > n/m/b; sync n/m/b; mv d/f1 e/g; sync e/g; rm d/f2; ln d/f3 e/l; sync d/f3; rm e/n1; sync e/n2`;

/** An image with fast commits after transactions. Anybody's `sync` of the whole machine makes a full commit: then it is tried again. */
function dirtyImage(): Uint8Array {
  for (let attempt = 1; ; attempt++) {
    const image = workshop.make("fast.img", ["-b", "1024", "-O", "fast_commit", "-J", "size=4"], 16);
    workshop.crash(image, "noatime,commit=300", Shutdown.noLogFlush, (at) => {
      shell(at, setup);
      shell(at, script);
    });
    const bytes = new Uint8Array(fs.readFileSync(image));
    const mounted = mountForWriting(new MemoryDevice(bytes.slice()));
    mounted.unmount();
    if ((mounted.replay?.fastCommits ?? 0) > 3 || attempt === 8) return bytes;
  }
}

describe("the power goes while fast commits are replayed onto the device", { skip: cannotMakeImages }, () => {
  it("and the next mount, for reading or writing, finds the same as without", () => {
    const dirty = dirtyImage();
    const expected = contentsOf(new MemoryDevice(dirty.slice(), { readOnly: true }));
    const recording = new RecordingDevice(new MemoryDevice(dirty.slice()));
    const mounted = mountForWriting(recording);
    assert.ok(mounted.replay!.fastCommits > 3 && mounted.replay!.transactions > 0);
    mounted.unmount();

    let replayedAgain = 0;
    for (const state of crashStates(dirty, recording.events, SEED, Number(statesText))) {
      assert.deepEqual(contentsOf(new MemoryDevice(state.image, { readOnly: true })), expected, state.label);
      const path = workshop.path("again.img");
      fs.writeFileSync(path, state.image);
      assert.deepEqual(workshop.mounted(path, "noatime", contentsOfMount).sort(), expected, `kernel: ${state.label}`);
      const again = mountForWriting(new MemoryDevice(state.image));
      if ((again.replay?.fastCommits ?? 0) > 0) replayedAgain++;
      again.unmount();
      assert.deepEqual(contentsOf(new MemoryDevice(state.image, { readOnly: true })), expected, state.label);
      fs.writeFileSync(path, state.image);
      try {
        run("e2fsck", ["-fn", path]);
      } catch (error) {
        assert.fail(`${state.label}: ${String(error)}`);
      }
    }
    assert.ok(replayedAgain > 1, "some were cut before the fast commits had become a transaction");
  });
});
