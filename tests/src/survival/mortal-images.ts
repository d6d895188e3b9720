/** Images on which the servers of a mount die, and what is played on them meanwhile. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, ftruncateSync, openSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { debugfs } from "../images/build.js";
import { Random } from "../images/random.js";
import { findModelVariant } from "../model/variants.js";
import { Bench, type ServedMount } from "../mount/served-mount.js";
import { unmount } from "../system/loop.js";
import { run } from "../system/process.js";
import { Killer } from "./killer.js";

const PLAYER = fileURLToPath(new URL("./player.js", import.meta.url));
const JOURNAL_SIZE = 8 << 20;
/** Milliseconds for the server of a mount that is gone to write everything. */
const LAST_WORDS = 60_000;

export interface MortalImage {
  readonly name: string;
  /** One of the model's, whose limits it has. */
  readonly variant: string;
  /** Features besides its. */
  readonly features?: string;
  /** More arguments of mke2fs. */
  readonly mke2fs?: readonly string[];
  /** Mount options. */
  readonly options?: readonly string[];
  /** Mounted as a block device is. */
  readonly onDevice?: true;
  /** Its journal is on another device. */
  readonly externalJournal?: true;
  /** Mounting takes 11 seconds. */
  readonly isSlow?: true;
}

export const MORTAL_IMAGES: readonly MortalImage[] = [
  { name: "MMP", variant: "default", features: "mmp", isSlow: true },
  { name: "quota", variant: "quota", options: ["usrquota", "grpquota", "prjquota"] },
  { name: "an external journal", variant: "default", externalJournal: true },
  { name: "a block device", variant: "default", onDevice: true },
  { name: "a block device with MMP", variant: "default", features: "mmp", onDevice: true, isSlow: true },
  { name: "fast commits", variant: "orphan-file" },
  { name: "data=journal", variant: "default", options: ["data=journal"] },
  { name: "no journal", variant: "no-journal" },
  { name: "casefold", variant: "casefold" },
  {
    name: "bigalloc and inline data",
    variant: "bigalloc",
    features: "bigalloc,inline_data,^resize_inode",
  },
];

/** How a game on a mortal image goes. */
export interface Game {
  readonly seed: number;
  /** Servers that are killed. */
  readonly kills: number;
  /** Milliseconds that a server lives at most. */
  readonly longestLife: number;
}

/**
 * Plays on a fresh image while servers are killed, then compares everything, mounts it once more, and compares again; e2fsck finds
 * nothing.
 *
 * @throws what differs from the model, or failed
 */
export async function playToTheDeath(image: MortalImage, { seed, kills, longestLife }: Game): Promise<void> {
  const bench = new Bench();
  const loops: string[] = [];
  let player: Player | undefined;
  try {
    const { source, journal } = make(image, bench, loops);
    const journalOption = journal === undefined ? [] : [`journal_path=${journal}`];
    const options = ["noatime", "restarts=1000", ...(image.options ?? []), ...journalOption];
    const served = await bench.serve(source, options);
    const stop = bench.path("stop");
    player = new Player({ mountPoint: served.mountPoint, variant: image.variant, seed, stop });
    const random = new Random(seed);
    const killer = new Killer(served, () => random.below(2 ** 30) / 2 ** 30, { most: kills, longestLife });
    await Promise.race([killer.run(), player.ended]);
    killer.stop();
    writeFileSync(stop, "");
    await player.says("played");
    if (killer.kills < kills) throw new Error(`only ${killer.kills} were killed`);
    await end(served);
    check(source, journal);
    const again = await bench.serve(source, options, undefined, served.mountPoint);
    player.goOn();
    await player.says("compared");
    await end(again);
    check(source, journal);
  } finally {
    player?.kill();
    await bench.clear();
    for (const loop of loops) run("losetup", ["--detach", loop]);
  }
}

async function end(served: ServedMount): Promise<void> {
  unmount(served.mountPoint);
  const { code, signal } = await served.end(LAST_WORDS);
  if (code !== 0) throw new Error(`the server ended with ${code ?? signal}: ${served.output}`);
}

function check(source: string, journal: string | undefined): void {
  run("e2fsck", ["-fn", ...(journal === undefined ? [] : ["-j", journal]), source]);
}

function make(image: MortalImage, bench: Bench, loops: string[]): { source: string; journal: string | undefined } {
  const { mke2fs, size, before } = findModelVariant(image.variant);
  const path = bench.path("image");
  empty(path, size);
  const attach = (file: string) => {
    const loop = run("losetup", ["--find", "--show", file]).stdout.toString("latin1").trim();
    loops.push(loop);
    return loop;
  };
  let journal: string | undefined;
  if (image.externalJournal === true) {
    const file = bench.path("journal");
    empty(file, JOURNAL_SIZE);
    run("mke2fs", ["-q", "-F", "-O", "journal_dev", "-b", "4096", file]);
    journal = attach(file);
  }
  const args = mke2fs.map((word, at) =>
    mke2fs[at - 1] === "-O" ? [word, ...(image.features?.split(",") ?? [])] : word,
  );
  const flat = args.map((word) => (Array.isArray(word) ? word.join(",") : word));
  const journalArguments = journal === undefined ? [] : ["-J", `device=${journal}`];
  run("mke2fs", ["-q", "-F", ...flat, ...(image.mke2fs ?? []), ...journalArguments, path]);
  if (before !== undefined) debugfs(path, 0, before);
  return { source: image.onDevice === true ? attach(path) : path, journal };
}

function empty(path: string, size: number): void {
  const fd = openSync(path, "w");
  ftruncateSync(fd, size);
  closeSync(fd);
}

/** What a player is told. */
export interface Task {
  readonly mountPoint: string;
  readonly variant: string;
  readonly seed: number;
  /** When this file is there, it ends. */
  readonly stop: string;
}

/** Plays in a process of its own. */
class Player {
  /** Rejects with what went wrong; resolves when all went well. */
  readonly ended: Promise<void>;
  readonly #process: ChildProcess;
  #said = "";

  constructor(task: Task) {
    const child = spawn(process.execPath, [PLAYER, JSON.stringify(task)], { stdio: ["pipe", "pipe", "pipe"] });
    this.#process = child;
    const complaints: Buffer[] = [];
    child.stderr.on("data", (chunk: Buffer) => complaints.push(chunk));
    child.stdout.on("data", (chunk: Buffer) => {
      this.#said += chunk.toString();
    });
    this.ended = new Promise((resolve, reject) => {
      child.on("close", (code, signal) => {
        if (code === 0) resolve();
        else reject(new Error(`the player: ${code ?? signal}: ${Buffer.concat(complaints).toString()}`));
      });
    });
    this.ended.catch(() => {});
  }

  /** Waits for a word. */
  async says(word: string): Promise<void> {
    const heard = new Promise<void>((resolve) => {
      const look = () => this.#said.includes(word) && resolve();
      this.#process.stdout?.on("data", look);
      look();
    });
    await Promise.race([heard, this.ended]);
    if (!this.#said.includes(word)) throw new Error(`the player ended and has not ${word}`);
  }

  /** It is mounted again. */
  goOn(): void {
    this.#process.stdin?.end("\n");
  }

  kill(): void {
    this.#process.kill("SIGKILL");
  }
}
