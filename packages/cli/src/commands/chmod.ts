import { parseMode } from "@bulkhead/server/options/quantity";
import type { GivenArguments } from "../command-line/declaration.js";
import { changeEach } from "../source/change.js";

export function run(given: GivenArguments): Promise<number> {
  const [mode, ...names] = given.positionals as [string, ...string[]];
  const bits = parseMode(mode, "MODE");
  return changeEach("chmod", given, names, ({ disk, path }) => disk.chmod(path, bits));
}
