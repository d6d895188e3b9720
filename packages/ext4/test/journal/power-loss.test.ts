// Oracles: e2fsck's replay of each state that a power loss can leave, and what was on record as durable.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { after, describe, it } from "node:test";
import { MemoryDevice } from "../../src/device/memory.js";
import { RecordingDevice } from "../../src/device/recording.js";
import type { FileSystem } from "../../src/filesystem.js";
import { ImageDirectory, missingTool } from "../images.js";
import { type CrashState, crashStates, randomFrom } from "./power-loss.js";
import { bytesOf, contentsOf, mountForWriting, overwrite, remove, writeFile } from "./writing.js";

const skip = missingTool("mke2fs", "e2fsck") ?? false;
/** More rounds and more states make a long test of it. */
const { SEED: seedText, CRASH_ROUNDS: roundsText = "1", CRASH_STATES: statesText = "1" } = process.env;
const SEED = Number(seedText ?? 1 + Math.floor(Math.random() * 1e6));
const ROUNDS = Number(roundsText);
const PER_SPAN = Number(statesText);

const images = new ImageDirectory();
after(() => images.remove());

/** What the file system held when a sync returned, and how many events the device had seen by then. */
interface Synced {
  readonly at: number;
  readonly contents: readonly string[];
}

/** Operations between two syncs, chosen by a seed. */
function operate(mounted: FileSystem, random: () => number, round: number): void {
  const { root } = mounted;
  const names = contentsNames(mounted);
  for (let n = 0; n < 6; n++) {
    const victim = names.splice(Math.floor(random() * names.length), 1)[0];
    const kind = random();
    if (kind < 0.35 || victim === undefined) {
      const size = Math.floor(random() * 20_000);
      writeFile(mounted, root, `file${round}-${n}`, new Uint8Array(size).fill(round));
    } else if (kind < 0.5) {
      const dir = mounted.mkdir(root, bytesOf(`dir${round}-${n}`), { mode: 0o755, uid: 0, gid: 0 });
      writeFile(mounted, dir, "below", bytesOf("below"));
    } else if (kind < 0.7) {
      const inode = mounted.inode(mounted.lookup(root, bytesOf(victim)));
      if (inode.isRegular) remove(mounted, root, victim);
    } else if (kind < 0.85) {
      mounted.rename(root, bytesOf(victim), root, bytesOf(`moved${round}-${n}`));
    } else {
      const inode = mounted.inode(mounted.lookup(root, bytesOf(victim)));
      // Not in place: data that is overwritten is in no transaction.
      if (inode.isRegular && inode.size < 4096) {
        mounted.resize(inode, 0);
        overwrite(mounted, inode, new Uint8Array(30_000).fill(round));
      }
    }
  }
}

function contentsNames(mounted: FileSystem): string[] {
  const names: string[] = [];
  mounted.readDirectory(mounted.root, 0, 0, (_ino, _type, bytes, start, length) => {
    const name = Buffer.from(bytes.subarray(start, start + length)).toString();
    if (!name.startsWith(".") && name !== "lost+found") names.push(name);
    return true;
  });
  return names;
}

/** Mounts, works, unmounts, with every write on record. */
function workload(image: Uint8Array, rounds: number): { device: RecordingDevice; synced: Synced[] } {
  const memory = new MemoryDevice(image.slice());
  const device = new RecordingDevice(memory);
  const random = randomFrom(SEED);
  const synced: Synced[] = [{ at: 0, contents: contentsOf(new MemoryDevice(image)) }];
  const mounted = mountForWriting(device);
  const note = () =>
    synced.push({ at: device.events.length, contents: contentsOf(new MemoryDevice(memory.bytes.slice())) });
  for (let round = 0; round < rounds; round++) {
    operate(mounted, random, round);
    mounted.sync();
    note();
  }
  mounted.unmount();
  note();
  return { device, synced };
}

/** What e2fsck says of an orphan file after each crash, the kernel's included. */
const ABOUT_ORPHANS =
  /(Feature orphan_present is set but orphan file is clean|Orphan file .* is not clean)\.\nClear\? yes/g;

/** What a crash may show: what was durable by then, or what was being made durable. */
function allowed(synced: readonly Synced[], at: number): readonly (readonly string[])[] {
  const last = synced.findLastIndex((point) => point.at <= at);
  return synced.slice(last, last + 2).map(({ contents }) => contents);
}

function checkState(state: CrashState, candidates: readonly (readonly string[])[]): void {
  const readOnly = contentsOf(new MemoryDevice(state.image.slice(), { readOnly: true }));
  const found = candidates.find((contents) => contents.join("\n") === readOnly.join("\n"));
  assert.ok(found !== undefined, `${state.label}: ${readOnly.join("; ")} is none of what was synced`);

  const device = new MemoryDevice(state.image.slice());
  const mounted = mountForWriting(device);
  mounted.unmount();
  assert.deepEqual(contentsOf(new MemoryDevice(device.bytes)), readOnly, `${state.label}: replayed for writing`);
  check(device.bytes, ["-fn"], [0], state.label);

  const theirs = check(state.image, ["-fy"], [0, 1], state.label);
  const repairs = theirs.output.replaceAll(ABOUT_ORPHANS, "");
  assert.doesNotMatch(repairs, /FIXED|Fix\?|Clear\?|Salvage/, `${state.label}: ${theirs.output}`);
  assert.deepEqual(contentsOf(new MemoryDevice(theirs.image)), readOnly, `${state.label}: e2fsck's replay`);
}

function check(
  bytes: Uint8Array,
  options: string[],
  accept: number[],
  label: string,
): { image: Uint8Array; output: string } {
  const path = images.file("state");
  fs.writeFileSync(path, bytes);
  const { status, stdout, stderr } = spawnSync("e2fsck", [...options, path], { encoding: "utf8" });
  assert.ok(accept.includes(status ?? -1), `${label}: e2fsck ${options.join(" ")}: ${status} ${stdout}${stderr}`);
  return { image: new Uint8Array(fs.readFileSync(path)), output: stdout };
}

describe(`a power loss (seed ${SEED})`, { skip }, () => {
  for (const [name, options, rounds] of [
    ["with a journal", ["-b", "1024", "-J", "size=1"], 3],
    ["with an orphan file, in 4 KiB blocks", ["-b", "4096", "-O", "orphan_file"], 2],
    ["with a journal without checksums", ["-b", "1024", "-J", "size=1", "-O", "^metadata_csum"], 2],
  ] as const) {
    it(`loses nothing that was synced ${name}`, () => {
      const size = options[1] === "4096" ? "24M" : "8M";
      const image = images.make("image", size, ["-t", "ext4", "-N", "256", ...options]);
      const { device, synced } = workload(new Uint8Array(fs.readFileSync(image)), rounds * ROUNDS);
      let states = 0;
      const base = new Uint8Array(fs.readFileSync(image));
      for (const state of crashStates(base, device.events, SEED, PER_SPAN)) {
        checkState(state, allowed(synced, state.at));
        states++;
      }
      assert.ok(states > 12, `${states} states`);
    });
  }

  it("during the replay after another one changes nothing", () => {
    const image = images.make("image", "8M", ["-t", "ext4", "-N", "256", "-b", "1024", "-J", "size=1"]);
    const base = new Uint8Array(fs.readFileSync(image));
    const { device, synced } = workload(base, 2 * ROUNDS);
    // In the middle of the log, before the unmount brings everything home.
    const crashed = [...crashStates(base, device.events, SEED, 0)].at(-6)!;
    const again = new RecordingDevice(new MemoryDevice(crashed.image.slice()));
    mountForWriting(again).unmount();
    for (const state of crashStates(crashed.image, again.events, SEED, PER_SPAN + 2)) {
      checkState(state, allowed(synced, crashed.at));
    }
  });
});
