import { readdirSync, statSync } from "node:fs";

/**
 * Where the compiled command is: in few files (scripts/bundle.mjs), or, in a checkout where tsc ran again since, in as many as tsc makes.
 */
export function built() {
  const bundle = new URL("../dist/bundle/", import.meta.url);
  const made = statSync(new URL("program.js", bundle), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const packages = new URL("../../", import.meta.url);
  for (const name of readdirSync(packages)) {
    const compiled = statSync(new URL(`${name}/dist/src.tsbuildinfo`, packages), { throwIfNoEntry: false });
    if (made < (compiled?.mtimeMs ?? 1)) return new URL("../dist/src/", import.meta.url);
  }
  return bundle;
}
