import type { GivenArguments } from "../command-line/declaration.js";
import { CommandError } from "../command-line/errors.js";
import { lastName } from "../copy/plan.js";
import { changeEach } from "../source/change.js";

export function run(given: GivenArguments): Promise<number> {
  const recursive = given.flag("recursive");
  return changeEach("rm", given, given.positionals, ({ disk, path, text }) => {
    if (lastName(path) === undefined) throw new CommandError(`${text} has no name of its own that could be removed`);
    try {
      disk.rm(path, { recursive, force: given.flag("force") });
    } catch (error) {
      if ((error as { code?: unknown }).code !== "EISDIR") throw error;
      throw new CommandError(`${text} is a directory; remove it with -r`);
    }
  });
}
