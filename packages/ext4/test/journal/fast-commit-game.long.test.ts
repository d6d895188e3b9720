// Oracles: a twin that makes full commits; each of those who replay fast commits: this engine, the kernel (a loop mount), e2fsck.
import { after, describe, it } from "node:test";
import { cannotMakeImages, Workshop } from "./dirty-image.js";
import { crashGame, GAME_IMAGES } from "./fast-commit-crashes.js";

const SEED = Number(process.env["SEED"] ?? 1 + Math.floor(Math.random() * 1e6));
const GAMES = Number(process.env["GAMES"] ?? 10);
const MOVES = 150;
const STATES = 24;

const workshop = new Workshop();
after(() => workshop.remove());

describe("games of operations, fsyncs and crashes", { skip: cannotMakeImages }, () => {
  for (const image of Object.keys(GAME_IMAGES)) {
    for (let seed = SEED; seed < SEED + GAMES; seed++) {
      it(`leave what was synced, to all who replay: ${image}, seed ${seed}`, () => {
        crashGame(workshop, image, seed, MOVES, STATES);
      });
    }
  }
});
