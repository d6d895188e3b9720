import { parseMode } from "@bulkhead/server/options/quantity";
import type { GivenArguments } from "../command-line/declaration.js";
import { changeEach } from "../source/change.js";

export function run(given: GivenArguments): Promise<number> {
  const mode = given.value("mode");
  const bits = mode === undefined ? undefined : parseMode(mode, "--mode");
  const recursive = given.flag("parents");
  return changeEach("mkdir", given, given.positionals, ({ disk, path }) => {
    const isThere = recursive && disk.exists(path);
    disk.mkdir(path, { recursive });
    // As with mkdir -m: exactly these bits, whatever the umask, and not for one that was there.
    if (bits !== undefined && !isThere) disk.chmod(path, bits);
  });
}
