// Oracles: a twin that makes full commits; each of those who replay fast commits: this engine, the kernel (a loop mount), e2fsck.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, describe, it } from "node:test";
import { MemoryDevice } from "../../src/device/memory.js";
import { cannotMakeImages, Workshop } from "./dirty-image.js";
import { type Game, play } from "./fast-commit-game.js";
import { confusesE2fsck, REPLAYS, treeOf } from "./fast-commit-replays.js";
import { type CrashState, crashStates, randomFrom } from "./power-loss.js";
import { mountForWriting } from "./writing.js";

const { SEED: seedText, GAMES: gamesText = "1", MOVES: movesText = "60", STATES: statesText = "16" } = process.env;
const SEED = Number(seedText ?? 1 + Math.floor(Math.random() * 1e6));

const STATES_PER_FLUSH = 3;

const workshop = new Workshop();
after(() => workshop.remove());

const IMAGES: Readonly<Record<string, readonly string[]>> = {
  "1 KiB": ["-b", "1024", "-O", "fast_commit", "-J", "size=4", "-N", "128"],
  "4 KiB, orphan_file": ["-b", "4096", "-O", "fast_commit,orphan_file", "-J", "size=5", "-N", "128"],
};

/** What may be there: what was durable before the crash, or what the commit that was under way made durable. */
function expected({ durable }: Game, { at }: CrashState): readonly (readonly string[])[] {
  const index = durable.findLastIndex(({ events }) => events <= at);
  return durable.slice(Math.max(0, index), index + 2).map(({ tree }) => tree);
}

function check(game: Game, state: CrashState, about: string): void {
  const trees = expected(game, state);
  for (const [who, replay] of Object.entries(REPLAYS)) {
    if (who === "e2fsck" && confusesE2fsck(state.image)) continue;
    const message = () => `${who}: ${about}, ${state.label}\n${game.moves.join("\n")}`;
    let tree: string[];
    try {
      tree = treeOf(replay(state.image, workshop));
    } catch (error) {
      throw new Error(message(), { cause: error });
    }
    if (!trees.some((one) => one.join("\n") === tree.join("\n"))) {
      assert.deepEqual(tree, trees.at(-1), message());
    }
  }
}

describe("a game of operations, fsyncs and crashes", { skip: cannotMakeImages }, () => {
  for (const [name, options] of Object.entries(IMAGES)) {
    for (let n = 0; n < Number(gamesText); n++) {
      const seed = SEED + n;
      it(`leaves what was synced, to all who replay: ${name}, seed ${seed}`, () => {
        const base = new Uint8Array(fs.readFileSync(workshop.make("base.img", options, 24)));
        const game = play(base, seed, Number(movesText));
        const random = randomFrom(seed);
        // States of the mount before the game are of no interest.
        const start = game.durable[0]!.events;
        const flushes = game.events.slice(start).filter(({ kind }) => kind === "flush").length;
        const share = Number(statesText) / (flushes * STATES_PER_FLUSH);
        let fast = 0;
        for (const state of crashStates(base, game.events, seed, STATES_PER_FLUSH - 1)) {
          if (state.at < start || random() >= share) continue;
          check(game, state, `${name}, seed ${seed}`);
          fast += mountForWriting(new MemoryDevice(state.image.slice())).replay?.fastCommits ?? 0;
        }
        assert.ok(fast > 0, "some states have fast commits");
      });
    }
  }
});
