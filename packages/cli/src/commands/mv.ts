import { nameToString } from "@bulkhead/ext4/names";
import type { GivenArguments } from "../command-line/declaration.js";
import { CommandError, exitCodeOf } from "../command-line/errors.js";
import { reasonOf } from "../command-line/reason.js";
import { lastName } from "../copy/plan.js";
import { changeEach, targetIn } from "../source/change.js";

export function run(given: GivenArguments): Promise<number> {
  const sources = given.positionals.slice(0, -1);
  const to = given.positionals.at(-1)!;
  return changeEach("mv", given, sources, async ({ disk, image, path, text }, session) => {
    const name = lastName(path);
    if (name === undefined) throw new CommandError(`${text} has no name of its own that could be moved`);
    const target = await targetIn(session, disk, to, nameToString(name), sources.length);
    if (given.flag("no-clobber") && disk.exists(target)) return;
    disk.lstat(path); // what is not there is no fault of the target's
    try {
      disk.rename(path, target);
    } catch (error) {
      const isInside = (error as { code?: unknown }).code === "EINVAL";
      const reason = isInside ? `${path} would be inside of itself` : reasonOf(error);
      throw new CommandError(`${image}:${target}: ${reason}`, exitCodeOf(error));
    }
  });
}
