import { nameToString } from "@bulkhead/ext4/names";
import type { Image } from "@bulkhead/image";
import type { GivenArguments } from "../command-line/declaration.js";
import { CommandError, exitCodeOf } from "../command-line/errors.js";
import { reasonOf } from "../command-line/reason.js";
import { lastName, SameNameError } from "../copy/plan.js";
import { changeEach, targetIn } from "../source/change.js";

export function run(given: GivenArguments): Promise<number> {
  const sources = given.positionals.slice(0, -1);
  const to = given.positionals.at(-1)!;
  /** Sources by the places that they were moved to. */
  const moved = new Map<string, string>();
  return changeEach("mv", given, sources, async ({ disk, image, path, text }, session) => {
    const name = lastName(path);
    if (name === undefined) throw new CommandError(`${text} has no name of its own that could be moved`);
    const target = await targetIn(session, disk, to, nameToString(name), sources.length);
    const first = moved.get(target);
    if (first !== undefined) throw new SameNameError(text, first);
    if (given.flag("no-clobber") && disk.exists(target)) return;
    const { ino } = disk.lstat(path); // what is not there is no fault of the target's
    if (disk.exists(target) && disk.lstat(target).ino === ino && !isOtherCase(disk, path, target))
      throw new CommandError(`${image}:${path} and ${image}:${target} are the same file`);
    try {
      disk.rename(path, target);
      moved.set(target, text);
    } catch (error) {
      const isInside = (error as { code?: unknown }).code === "EINVAL";
      const reason = isInside ? `${path} would be inside of itself` : reasonOf(error);
      throw new CommandError(`${image}:${target}: ${reason}`, exitCodeOf(error));
    }
  });
}

/** Whether two paths differ in the case of the last name alone: a directory may take both for one name, which can be changed so. */
function isOtherCase(disk: Image, one: string, other: string): boolean {
  const [a, b] = [disk.place(one), disk.place(other)];
  const names = [nameToString(a.name), nameToString(b.name)] as const;
  return a.dir.id === b.dir.id && names[0] !== names[1] && names[0].toLowerCase() === names[1].toLowerCase();
}
