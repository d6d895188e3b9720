/**
 * One walk in a process of its own, so that a mount that hangs can be given up on:
 *   node walk/main.js kernel IMAGE OFFSET MOUNT-OPTIONS OUT    the kernel's ext4 on a loop device, read-only
 *   node walk/main.js library IMAGE OPTIONS OUT               the library, its options in JSON
 *   node walk/main.js served IMAGE OFFSET OPTIONS OUT          our own mount of it
 *   node walk/main.js mounted DIRECTORY OUT                    whatever is mounted there
 */
import { withLoopMountAsync } from "../system/loop.js";
import { type LibraryOptions, LibraryWalker } from "./library.js";
import { MountedWalker } from "./mounted.js";
import { writeWalk } from "./record.js";
import { withServedMount } from "./served.js";

async function main(args: readonly string[]): Promise<void> {
  const [kind, source, ...rest] = args;
  if (kind === undefined || source === undefined) throw new Error("walk: which kind, of what?");
  switch (kind) {
    case "kernel": {
      const [offset = "0", options = "", out = ""] = rest;
      const loop = { offset: Number(offset), options: ["ro", ...options.split(",").filter((o) => o !== "")] };
      return withLoopMountAsync(source, loop, (mountPoint) => writeWalk(new MountedWalker(mountPoint), out));
    }
    case "library": {
      const [options = "{}", out = ""] = rest;
      const walker = new LibraryWalker(source, JSON.parse(options) as LibraryOptions);
      try {
        return await writeWalk(walker, out);
      } finally {
        walker.close();
      }
    }
    case "served": {
      const [offset = "0", options = "", out = ""] = rest;
      const given = options.split(",").filter((option) => option !== "");
      if (offset !== "0") given.push(`offset=${offset}`);
      return withServedMount(source, { options: given }, (mountPoint) => writeWalk(new MountedWalker(mountPoint), out));
    }
    case "mounted":
      return writeWalk(new MountedWalker(source), rest[0] ?? "");
    default:
      throw new Error(`walk: unknown kind ${kind}`);
  }
}

await main(process.argv.slice(2));
