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
    if (disk.exists(target) && disk.lstat(target).ino === ino) return leaveOneName(disk, path, target, image);
    moved.set(target, text);
    try {
      disk.rename(path, target);
    } catch (error) {
      const isInside = (error as { code?: unknown }).code === "EINVAL";
      const reason = isInside ? `${path} would be inside of itself` : reasonOf(error);
      throw new CommandError(`${image}:${target}: ${reason}`, exitCodeOf(error));
    }
  });
}

/** For two names of a file, which Linux does not rename: the old one goes. @throws CommandError when it is one name */
function leaveOneName(disk: Image, path: string, target: string, image: string): void {
  const old = disk.place(path);
  const next = disk.place(target);
  if (old.dir.id === next.dir.id && Buffer.compare(old.name, next.name) === 0)
    throw new CommandError(`${image}:${path} and ${image}:${target} are the same file`);
  disk.rm(path);
}
