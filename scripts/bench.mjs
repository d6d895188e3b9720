// npm run bench: builds, then measures. See bench/src/main.ts, and with `-- file-io …`, bench/src/file-io.ts.
import { join } from "node:path";
import { must, prepare, root } from "./prepare.mjs";

/** Benchmarks besides those of main.ts. */
const PROGRAMS = ["file-io", "copy", "slow-disk", "round-trip", "profiles", "passthrough"];

const args = process.argv.slice(2);
const program = args[0] === undefined || args[0].startsWith("-") ? "main" : args.shift();
if (program !== "main" && !PROGRAMS.includes(program)) {
  console.error(
    `bench: there is no benchmark ${program}; there are: ${PROGRAMS.join(", ")}, and without a name the usual ones`,
  );
  process.exit(2);
}
prepare();
must(process.execPath, [join(root, "bench", "dist", `${program}.js`), ...args]);
