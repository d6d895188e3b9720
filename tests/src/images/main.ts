/**
 * Builds images of the zoo, for a test in another process or by hand:
 *   node images/main.js DIRECTORY NAME...     builds these variants
 *   node images/main.js --list                names them all
 */
import { buildImage } from "./build.js";
import { findVariant, VARIANTS } from "./variants.js";

function main(args: readonly string[]): void {
  if (args[0] === "--list") {
    for (const variant of VARIANTS) console.log(`${variant.name.padEnd(24)} ${variant.about}`);
    return;
  }
  const [directory, ...names] = args;
  if (directory === undefined || names.length === 0) throw new Error("images: DIRECTORY NAME...");
  for (const name of names) {
    const started = Date.now();
    const built = buildImage(findVariant(name), directory);
    console.log(`${built.path} ${built.mountable ? "filled" : "not mountable here"} in ${Date.now() - started} ms`);
  }
}

main(process.argv.slice(2));
