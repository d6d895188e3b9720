/**
 * One game in a process of its own: node model/main.js GAME.json OUT.json
 * OUT.json tells how it ended; a process that dies or hangs leaves none.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { removeScratch, scratchDirectory } from "../system/scratch.js";
import { type Game, playGame } from "./game.js";
import { PlayError } from "./play.js";
import type { Ending } from "./referee.js";

async function main([from = "", to = ""]: readonly string[]): Promise<void> {
  const game = JSON.parse(readFileSync(from, "utf8")) as Game;
  const directory = scratchDirectory("game");
  let ending: Ending;
  try {
    const refusals = await playGame(game, join(directory, "image"));
    ending = { refusals: Object.fromEntries(refusals) };
  } catch (error) {
    const at = error instanceof PlayError ? error.at : game.operations.length - 1;
    ending = {
      refusals: {},
      failure: { at, text: error instanceof Error ? `${error.message}\n${causeOf(error)}` : String(error) },
    };
  } finally {
    removeScratch(directory);
  }
  writeFileSync(to, JSON.stringify(ending));
}

/** Where a mistake happened, when it is no difference that the checks put into words. */
function causeOf(error: Error): string {
  const { cause } = error;
  return cause instanceof Error && cause.cause instanceof Error
    ? (cause.cause.stack ?? "")
    : cause instanceof Error
      ? (cause.stack ?? "")
      : "";
}

await main(process.argv.slice(2));
