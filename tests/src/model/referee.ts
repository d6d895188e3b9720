/** Runs games in processes of their own, and makes a failing one short. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runApart } from "../system/apart.js";
import { removeScratch, scratchDirectory } from "../system/scratch.js";
import type { Game } from "./game.js";
import { shrink } from "./shrink.js";

/** How a game ended. */
export interface Ending {
  readonly refusals: Readonly<Record<string, number>>;
  readonly failure?: { readonly at: number; readonly text: string };
}

const MAIN = fileURLToPath(new URL("./main.js", import.meta.url));
const SHRINK_BUDGET = 60_000;

/** @param timeout milliseconds: a subject that hangs has failed */
export async function referee(game: Game, timeout: number): Promise<Ending> {
  const directory = scratchDirectory("referee");
  try {
    const from = join(directory, "game.json");
    const to = join(directory, "ending.json");
    writeFileSync(from, JSON.stringify(game));
    try {
      await runApart(MAIN, [from, to], timeout);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      return { refusals: {}, failure: { at: game.operations.length - 1, text } };
    }
    if (!existsSync(to)) return { refusals: {}, failure: { at: game.operations.length - 1, text: "no ending" } };
    return JSON.parse(readFileSync(to, "utf8")) as Ending;
  } finally {
    removeScratch(directory);
  }
}

/**
 * Plays a game that must go well.
 *
 * @throws with the shortest failing game that was found, and the seed
 */
export async function mustPlay(game: Game, seed: number, timeout: number): Promise<Ending> {
  const ending = await referee(game, timeout);
  if (ending.failure === undefined) return ending;
  let { text } = ending.failure;
  const { BULKHEAD_SHRINK_MS: budget = SHRINK_BUDGET } = process.env;
  const operations = await shrink(
    game.operations.slice(0, ending.failure.at + 1),
    async (candidate) => {
      const { failure } = await referee({ ...game, operations: candidate }, timeout);
      if (failure !== undefined) text = failure.text;
      return failure?.at;
    },
    Number(budget),
  );
  throw new Error(
    `BULKHEAD_SEED=${seed}, ${game.variant}, ${game.subjects.join(" then ")}; ${operations.length} operations are left:\n${text}\n` +
      `the whole sequence failed with: ${ending.failure.text}`,
  );
}
