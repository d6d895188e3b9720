/** A process that does jobs: see apart.ts. */
import { pathToFileURL } from "node:url";
import type { Job } from "./apart.js";

let jobs = 0;

/** The module anew, with what it imports as it is. */
async function run({ script, args }: Job): Promise<void> {
  process.argv.splice(1, Number.POSITIVE_INFINITY, script, ...args);
  await import(`${pathToFileURL(script).href}?job=${++jobs}`);
  if (process.exitCode !== undefined) process.exit();
  process.send?.("done");
}

// What a job throws ends the process, as it would its own.
process.on("message", (job: Job) => void run(job));
process.on("disconnect", () => process.exit());
