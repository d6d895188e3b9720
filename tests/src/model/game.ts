/** One game: a fresh image, a sequence of operations in turns, and every oracle's word after each turn. */
import { closeSync, ftruncateSync, openSync } from "node:fs";
import { checkImage, debugfs } from "../images/build.js";
import { run } from "../system/process.js";
import { compareWalks } from "../walk/compare.js";
import { kernelWalk, libraryWalk } from "../walk/truth.js";
import type { Operation } from "./action.js";
import { mistaken } from "./mistakes.js";
import { Model } from "./model.js";
import { kernelMounter, servedMounter } from "./mounters.js";
import { Player, type Refusals } from "./play.js";
import type { Subject } from "./subject.js";
import { SystemSubject } from "./system-subject.js";
import { findModelVariant, keptTime, type ModelVariant } from "./variants.js";

export type SubjectName = "kernel" | "engine" | "served" | "image";

export interface Game {
  readonly variant: string;
  /** Who plays, in turns. */
  readonly subjects: readonly SubjectName[];
  readonly operations: readonly Operation[];
  /** Whether after each turn the kernel's walk of the image and ours are compared as well. */
  readonly walks?: boolean;
  /** One of MISTAKES, which the subject is to make. */
  readonly mistake?: string;
}

/** Turns of the kernel and ours on one image. */
const ALTERNATIONS = 10;

/** A game in which the kernel continues what we changed, and we what it changed. */
export function alternating(variant: string, subject: SubjectName, operations: readonly Operation[]): Game {
  const subjects = Array.from({ length: ALTERNATIONS }, (_, turn) => (turn % 2 === 0 ? "kernel" : subject));
  return { variant, subjects, operations, walks: true };
}

export function makeModelImage(variant: ModelVariant, path: string): void {
  const fd = openSync(path, "w");
  ftruncateSync(fd, variant.size);
  closeSync(fd);
  run("mke2fs", ["-q", "-F", ...variant.mke2fs, path]);
  if (variant.before !== undefined) debugfs(path, 0, variant.before);
  run("e2fsck", ["-fy", path], { accept: [1] });
}

export async function startSubject(name: SubjectName, variant: ModelVariant, image: string): Promise<Subject> {
  switch (name) {
    case "kernel":
      return SystemSubject.start(kernelMounter(image, variant.kernelOptions), {
        vagueHoles: true,
        shiftsRanges: true,
        refusesForGood: false,
      });
    case "served":
      // What the kernel has cached is refused only when it is written back, and then it is lost.
      return SystemSubject.start(servedMounter(image, variant.roomy ? [] : ["nowriteback_cache"]), {
        vagueHoles: true,
        shiftsRanges: false,
        refusesForGood: true,
        // FUSE's kernel side keeps the times of files it caches, and knows no first and last second.
        keptTime: (time) => keptTime(variant, time),
      });
    case "engine": {
      const { EngineSubject } = await import("./engine-subject.js");
      return new EngineSubject(image, variant);
    }
    case "image": {
      const { ImageSubject } = await import("./image-subject.js");
      return new ImageSubject(image, variant);
    }
  }
}

/** @returns how often each kind of operation was refused for lack of room @throws whoever found a difference, and what led to it */
export async function playGame(game: Game, image: string): Promise<Refusals> {
  const variant = findModelVariant(game.variant);
  makeModelImage(variant, image);
  process.umask(0);
  const player = new Player(new Model(variant.caseless), variant);
  const turns = game.subjects.length;
  const share = Math.ceil(game.operations.length / turns);
  for (const [turn, name] of game.subjects.entries()) {
    player.note(`${name} mounts`);
    const honest = await startSubject(name, variant, image);
    const subject = game.mistake === undefined ? honest : mistaken(honest, game.mistake);
    await takeTurn(player, subject, game.operations.slice(turn * share, (turn + 1) * share));
    checkImage(image);
    if (game.walks === true) await compareViews(image);
  }
  const witness: SubjectName = variant.kernel === "refuses" ? "engine" : "kernel";
  player.note(`${witness} looks at it`);
  await takeTurn(player, await startSubject(witness, variant, image), []);
  return player.refusals;
}

/** Whether we see what the kernel sees, down to inode numbers and the ranges of data. */
async function compareViews(image: string): Promise<void> {
  const [truth, ours] = await Promise.all([kernelWalk(image), libraryWalk(image)]);
  const differences = compareWalks(truth, ours);
  if (differences.length > 0) throw new Error(`the kernel and we see different things:\n${differences.join("\n")}`);
}

async function takeTurn(player: Player, subject: Subject, operations: readonly Operation[]): Promise<void> {
  try {
    player.check(subject);
    player.play(subject, operations);
    player.check(subject);
  } finally {
    for (const slot of player.model.handles.keys()) player.model.close(slot);
    await subject.end();
  }
}
