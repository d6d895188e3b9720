/** Real software, again and again, in a directory: node survival/software.js WORKLOAD DIRECTORY SEED MILLISECONDS; prints how often. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { findWorkload } from "../workloads/software.js";

function main([name = "", directory = "", seed = "1", milliseconds = "0"]: readonly string[]): void {
  const workload = findWorkload(name);
  const until = performance.now() + Number(milliseconds);
  let rounds = 0;
  do {
    const place = join(directory, `${name}-${rounds}`);
    mkdirSync(place);
    workload.run(place, { long: false, native: false, seed: Number(seed) + rounds });
    rmSync(place, { recursive: true });
    rounds++;
  } while (performance.now() < until);
  console.log(`${name}: ${rounds} rounds`);
}

main(process.argv.slice(2));
