import { nameToString } from "@bulkhead/ext4/names";
import type { GivenArguments } from "../command-line/declaration.js";
import { CommandError } from "../command-line/errors.js";
import { imageOnly, lastName } from "../copy/plan.js";
import { changeEach, targetIn } from "../source/change.js";

export function run(given: GivenArguments): Promise<number> {
  const [target, link] = given.positionals as [string, string];
  return changeEach("ln", given, [link], async ({ disk }, session) => {
    if (given.flag("symbolic")) {
      const name = lastName(target);
      disk.symlink(target, await targetIn(session, disk, link, name === undefined ? "." : nameToString(name)));
      return;
    }
    const existing = imageOnly(target);
    if ((await session.open(existing.image, true)) !== disk)
      throw new CommandError(`${target} is in another image; a hard link cannot lead there`);
    const { node } = await session.find(target, false, true);
    const name = lastName(existing.path);
    if (node.isDirectory || name === undefined)
      throw new CommandError(`${target} is a directory, and there are no hard links to directories`);
    disk.link(existing.path, await targetIn(session, disk, link, nameToString(name)));
  });
}
