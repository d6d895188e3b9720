/**
 * Mirror: shows a directory tree a second time.
 *
 *     node examples/mirror/dist/main.js [--no-passthrough] [--stack-depth 2] [--valid SECONDS] SOURCE MOUNTPOINT
 */
import { realpathSync } from "node:fs";
import { parseArgs } from "node:util";
import { mountAndServe } from "@bulkhead/fuse";
import type { MirrorOptions } from "./mirror.js";

const USAGE = "usage: mirror [--no-passthrough] [--stack-depth 1|2] [--valid SECONDS] SOURCE MOUNTPOINT";

function usage(problem: string): never {
  console.error(`mirror: ${problem}\n${USAGE}`);
  process.exit(2);
}

function parse(): { options: MirrorOptions; mountpoint: string } {
  let parsed: ReturnType<typeof read>;
  try {
    parsed = read();
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error));
  }
  const { values, positionals } = parsed;
  const [source, mountpoint, ...rest] = positionals;
  if (source === undefined || mountpoint === undefined || rest.length > 0)
    return usage("SOURCE and MOUNTPOINT are needed");
  const [maxStackDepth, valid] = [Number(values["stack-depth"]), Number(values.valid)];
  if (maxStackDepth !== 1 && maxStackDepth !== 2) return usage(`--stack-depth ${values["stack-depth"]}: 1 or 2`);
  if (!(valid >= 0 && valid <= 86_400)) return usage(`--valid ${values.valid}: 0 to 86400 seconds`);
  const passthrough = !values["no-passthrough"];
  const [from, to] = [directory(source), directory(mountpoint)];
  // Looking into the source would be looking into the mount, which waits for who looks.
  if (to.startsWith(`${from}/`) || from === "/") usage(`${to} is inside ${from}, and would mirror itself for ever`);
  return {
    options: { source: from, passthrough, maxStackDepth, valid: Math.floor(valid) },
    mountpoint,
  };
}

function directory(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    return fail(error as Error);
  }
}

function fail({ message }: Error): never {
  console.error(`mirror: ${message}`);
  process.exit(1);
}

function read() {
  return parseArgs({
    allowPositionals: true,
    options: {
      "no-passthrough": { type: "boolean", default: false },
      "stack-depth": { type: "string", default: "1" },
      valid: { type: "string", default: "1" },
    },
  });
}

const { options, mountpoint } = parse();
const root = process.getuid?.() === 0;
// Modes arrive with the maker's umask applied. A worker cannot set it, and ours would apply as well.
process.umask(0);
const served = await mountAndServe({
  mountpoint,
  module: new URL("./mirror.js", import.meta.url),
  data: options,
  mount: { fsname: options.source, subtype: "mirror", defaultPermissions: true, allowOther: root, noSuid: !root },
}).catch(fail);
console.log(`${options.source} mirrored at ${mountpoint}; Ctrl-C unmounts`);
await served.finished;
