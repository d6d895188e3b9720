/** One game: a fresh image, a sequence of operations in turns, and every oracle's word after each turn. */
import { closeSync, ftruncateSync, openSync } from "node:fs";
import { checkImage, debugfs } from "../images/build.js";
import { run } from "../system/process.js";
import type { Operation } from "./action.js";
import { Model } from "./model.js";
import { kernelMounter, servedMounter } from "./mounters.js";
import { Player, type Refusals } from "./play.js";
import type { Subject } from "./subject.js";
import { SystemSubject } from "./system-subject.js";
import { findModelVariant, type ModelVariant } from "./variants.js";

export type SubjectName = "kernel" | "engine" | "served";

export interface Game {
  readonly variant: string;
  /** Who plays, in turns. */
  readonly subjects: readonly SubjectName[];
  readonly operations: readonly Operation[];
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
      return SystemSubject.start(kernelMounter(image, variant.kernelOptions), true);
    case "served":
      return SystemSubject.start(servedMounter(image), false);
    case "engine": {
      const { EngineSubject } = await import("./engine-subject.js");
      return new EngineSubject(image);
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
    const subject = await startSubject(name, variant, image);
    await takeTurn(player, subject, game.operations.slice(turn * share, (turn + 1) * share));
    checkImage(image);
  }
  const witness: SubjectName = variant.kernel === "refuses" ? "engine" : "kernel";
  player.note(`${witness} looks at it`);
  await takeTurn(player, await startSubject(witness, variant, image), []);
  return player.refusals;
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
