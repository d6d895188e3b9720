import type { Image } from "@bulkhead/image";
import type { GivenArguments } from "../command-line/declaration.js";
import { CommandError } from "../command-line/errors.js";
import { Problems } from "../command-line/problems.js";
import { imageOnly } from "../copy/plan.js";
import { printable } from "../output/printable.js";
import type { ImagePath } from "./image-path.js";
import { sourceSettings } from "./open-disk.js";
import { Session } from "./session.js";

/** One file in an image that a command changes. */
export interface Changed extends ImagePath {
  readonly disk: Image;
  /** As the user named it. */
  readonly text: string;
}

/**
 * Does the same to each of some files in images, which are opened for writing, and goes on after an error.
 *
 * @returns the exit code, when everything is on the images
 */
export async function changeEach(
  command: string,
  given: GivenArguments,
  names: readonly string[],
  change: (changed: Changed, session: Session) => void | Promise<void>,
): Promise<number> {
  const problems = new Problems(command);
  const session = new Session(sourceSettings(given));
  const paths = names.map((text) => ({ text, ...imageOnly(text) }));
  try {
    for (const { text, image, path } of paths) {
      try {
        await change({ text, image, path, disk: await session.open(image, true) }, session);
      } catch (error) {
        if ((error as { code?: unknown }).code === "ERR_FUSE_CONNECTION") throw error;
        problems.add(printable(text), error);
      }
    }
  } finally {
    session.close();
  }
  return problems.exitCode;
}

/**
 * Where a name goes: into `to` if that is a directory there, else to `to` itself. Both are in one image.
 *
 * @param count of sources: what is no directory takes one
 * @throws CommandError when they are not, and when it takes no more
 */
export async function targetIn(session: Session, disk: Image, to: string, name: string, count = 1): Promise<string> {
  const { image, path } = imageOnly(to);
  if ((await session.open(image, true)) !== disk) throw new CommandError(`${to} is in another image; use cp, then rm`);
  const isDirectory = disk.exists(path) && disk.stat(path).kind === "directory";
  if (!isDirectory && count > 1) throw new CommandError(`${to} is no directory, and there are ${count} sources`);
  return isDirectory ? `${path.replace(/\/+$/, "")}/${name}` : path;
}
