// Oracles: a twin that makes full commits; each of those who replay fast commits: this engine, the kernel (a loop mount), e2fsck.
import { after, describe, it } from "node:test";
import { cannotMakeImages, Workshop } from "./dirty-image.js";
import { crashGame, GAME_IMAGES } from "./fast-commit-crashes.js";

const SEED = Number(process.env["SEED"] ?? 1 + Math.floor(Math.random() * 1e6));
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
});
