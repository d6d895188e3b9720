/**
 * Processes of their own for the tests of durability:
 *   node durability/main.js record RECORDER MOUNT-POINT NOTEBOOK SEED     until it is killed
 *   node durability/main.js trial PLAN.json                               a crash, and the judgement of what is left
 */
import { readFileSync, writeFileSync } from "node:fs";
import { Notebook } from "./notes.js";
import { findRecorder } from "./recorders.js";
import { stand, type Trial } from "./trial.js";

async function main([what, first = "", mountPoint = "", notebook = "", seed = "1"]: readonly string[]): Promise<void> {
  if (what === "trial") return stand(JSON.parse(readFileSync(first, "utf8")) as Trial);
  const book = new Notebook(notebook);
  try {
    findRecorder(first).run(mountPoint, Number(seed), (note) => book.write(note), notebook);
  } catch (error) {
    // Mostly its file system has died, which is what it works for.
    writeFileSync(`${notebook}.${first}.error`, String(error));
    process.exitCode = 1;
  } finally {
    book.close();
  }
}

await main(process.argv.slice(2));
