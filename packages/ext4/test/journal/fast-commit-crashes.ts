import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Workshop } from "./dirty-image.js";
import { type Game, play } from "./fast-commit-game.js";
import { confusesE2fsck, REPLAYS, treeOf } from "./fast-commit-replays.js";
import { type CrashState, crashStates, randomFrom } from "./power-loss.js";

const STATES_PER_FLUSH = 3;
const MEGABYTES = 24;

/** Options of mke2fs for the images that games are played on. */
export const GAME_IMAGES: Readonly<Record<string, readonly string[]>> = {
  "1 KiB": ["-b", "1024", "-O", "fast_commit", "-J", "size=4", "-N", "128"],
  "4 KiB, orphan_file": ["-b", "4096", "-O", "fast_commit,orphan_file", "-J", "size=5", "-N", "128"],
};

/** Plays a game, and has everybody replay what some crashes of it leave. @param states about so many */
export function crashGame(workshop: Workshop, image: string, seed: number, moves: number, states: number): void {
  const base = new Uint8Array(fs.readFileSync(workshop.make("base.img", GAME_IMAGES[image]!, MEGABYTES)));
  const game = play(base, seed, moves);
  assert.ok(game.fastCommits > 0, "there are fast commits");
  const random = randomFrom(seed);
  // States of the mount before the game are of no interest.
  const start = game.durable[0]!.events;
  const flushes = game.events.slice(start).filter(({ kind }) => kind === "flush").length;
  const share = states / (flushes * STATES_PER_FLUSH);
  for (const state of crashStates(base, game.events, seed, STATES_PER_FLUSH - 1)) {
    if (state.at >= start && random() < share) check(workshop, game, state, image);
  }
}

function check(workshop: Workshop, game: Game, state: CrashState, image: string): void {
  const trees = expected(game, state);
  for (const [who, replay] of Object.entries(REPLAYS)) {
    if (who === "e2fsck" && confusesE2fsck(state.image)) continue;
    const message = () => `${who}: ${image}, ${state.label}\n${game.moves.join("\n")}`;
    let tree: string[];
    try {
      tree = treeOf(replay(state.image, workshop));
    } catch (error) {
      throw new Error(message(), { cause: error });
    }
    if (trees.some((one) => one.join("\n") === tree.join("\n"))) continue;
    assert.deepEqual(tree, trees.at(-1), message());
  }
}

/** What may be there: what was durable before the crash, or what the commit that was under way made durable. */
function expected({ durable }: Game, { at }: CrashState): readonly (readonly string[])[] {
  const index = durable.findLastIndex(({ events }) => events <= at);
  return durable.slice(Math.max(0, index), index + 2).map(({ tree }) => tree);
}
