// Oracles: a twin that makes full commits; each of those who replay fast commits: this engine, the kernel (a loop mount), e2fsck.
import { after, describe, it } from "node:test";
import { cannotMakeImages, Workshop } from "./dirty-image.js";
import { crashGame, GAME_IMAGES } from "./fast-commit-crashes.js";

const SEED = Number(process.env["SEED"] ?? 1 + Math.floor(Math.random() * 1e6));
/** A game in which e2fsck's replay would build a tree of extents where a later file's data is. */
const TREE_OVER_DATA = 718_003;
const MOVES = 60;
const STATES = 4;

const workshop = new Workshop();
after(() => workshop.remove());

describe("a game of operations, fsyncs and crashes", { skip: cannotMakeImages }, () => {
  for (const image of Object.keys(GAME_IMAGES)) {
    it(`leaves what was synced, to all who replay: ${image}, seed ${SEED}`, () => {
      crashGame(workshop, image, SEED, MOVES, STATES);
    });
  }

  it(`leaves nothing to e2fsck that it would write over: seed ${TREE_OVER_DATA}`, () => {
    crashGame(workshop, "1 KiB", TREE_OVER_DATA, MOVES, STATES);
  });
});
