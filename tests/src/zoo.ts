/** Building images of the zoo from a test: each in a process and a mount namespace of its own. */
import { fileURLToPath } from "node:url";
import { type BuiltImage, readBuilt } from "./images/build.js";
import type { ImageVariant } from "./images/variant.js";
import { runApart } from "./system/apart.js";
import { removeScratch, scratchDirectory } from "./system/scratch.js";

const BUILD = fileURLToPath(new URL("./images/main.js", import.meta.url));
const BUILD_TIMEOUT = 120_000;
/** A tmpfs holds sparse files of any size; ext4 itself ends at 16 TiB. */
const TMPFS = "/dev/shm";

/** Builds a variant, hands it to `work`, and removes it whatever happens. */
export async function withZooImage<T>(variant: ImageVariant, work: (image: BuiltImage) => Promise<T>): Promise<T> {
  const directory = scratchDirectory("zoo", variant.enormous === true ? TMPFS : undefined);
  try {
    await runApart(BUILD, [directory, variant.name], BUILD_TIMEOUT);
    return await work(readBuilt(directory, variant.name));
  } finally {
    removeScratch(directory);
  }
}
