// Puts the command, and all programs and threads that it starts, into few files: a process that reads 300 modules needs a fifth of a
// second before it does anything. Built from what tsc made; libraries from elsewhere stay where they are.
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { build } from "esbuild";
import { root } from "./prepare.mjs";

const packages = join(root, "packages");
const directory = join(packages, "cli", "dist", "bundle");
/** What is started, or imported, by its place: it is found beside whoever starts it, in the bundle as well. */
const STARTED = /new URL\("\.\/([\w-]+\.js)", import\.meta\.url\)/g;

/** Name of each file of the bundle that is known by name → what tsc made of it. */
function entries() {
  const found = { program: join(packages, "cli", "dist", "src", "program.js") };
  for (const name of readdirSync(packages)) {
    const source = join(packages, name, "src");
    for (const entry of readdirSync(source, { recursive: true })) {
      if (!entry.endsWith(".ts")) continue;
      for (const [, file] of readFileSync(join(source, entry), "utf8").matchAll(STARTED)) {
        const path = join(packages, name, "dist", "src", entry, "..", file);
        const entryName = basename(file, ".js");
        if ((found[entryName] ?? path) !== path) {
          throw new Error(`${path} and ${found[entryName]} need different names: in the bundle they are neighbours`);
        }
        found[entryName] = path;
      }
    }
  }
  return found;
}

function librariesFromElsewhere() {
  const names = readdirSync(packages).flatMap((name) =>
    Object.keys(JSON.parse(readFileSync(join(packages, name, "package.json"), "utf8")).dependencies ?? {}),
  );
  return names.filter((name) => !name.startsWith("@bulkhead/"));
}

/** Entries that one thread loads: the modules that they share must be there once. */
const TOGETHER = [["worker", "file-system"]];

/** What is built by itself shares no files with others: each that a starting process does not have to find spares it a millisecond. */
function groups(names) {
  const alone = names.filter((name) => !TOGETHER.flat().includes(name));
  return [...TOGETHER, ...alone.map((name) => [name])];
}

const found = entries();
const written = new Set();
for (const names of groups(Object.keys(found))) {
  const { metafile } = await build({
    entryPoints: Object.fromEntries(names.map((name) => [name, found[name]])),
    outdir: directory,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20.19",
    external: librariesFromElsewhere(),
    chunkNames: "[name]-[hash]",
    metafile: true,
    logLevel: "warning",
  });
  for (const path of Object.keys(metafile.outputs)) written.add(basename(path));
}
// Only now, and only what is left over: another process may be starting from here.
for (const name of readdirSync(directory)) if (!written.has(name)) rmSync(join(directory, name));
