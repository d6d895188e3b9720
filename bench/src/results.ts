import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const directory = fileURLToPath(new URL("../results/", import.meta.url));

/** The file that a run's results go to, with the machine that they are of. */
export class Results {
  readonly path: string;

  /** @param prefix of its name */
  constructor(prefix: string) {
    this.path = join(directory, `${prefix}${new Date().toISOString().replaceAll(":", "-")}.json`);
  }

  /** Puts all that there is so far into it: what is interrupted has its results up to there. */
  save(all: object): void {
    const machine = {
      cpus: cpus().length,
      model: cpus()[0]?.model,
      kernel: readFileSync("/proc/sys/kernel/osrelease", "utf8").trim(),
      node: process.version,
    };
    mkdirSync(directory, { recursive: true });
    writeFileSync(this.path, `${JSON.stringify({ machine, ...all }, null, 2)}\n`);
  }
}
