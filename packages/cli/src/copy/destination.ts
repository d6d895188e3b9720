import { randomBytes } from "node:crypto";
import * as fs from "node:fs";

const SLASH = Buffer.from("/");

/** A path on the host, in bytes: names from an image may be any. */
export type HostPath = Buffer;

/**
 * A directory's path with a name from an image behind it.
 *
 * @throws Error for a name that could lead elsewhere, which no sound directory has
 */
export function pathIn(directory: HostPath, name: Uint8Array): HostPath {
  const isDots = name[0] === 0x2e && (name.length === 1 || (name.length === 2 && name[1] === 0x2e));
  if (name.length === 0 || isDots || name.includes(0x2f) || name.includes(0)) {
    throw new Error("a name that cannot be one of a file");
  }
  return Buffer.concat([directory, SLASH, name]);
}

/** What is at a path, without following a symbolic link there. */
export function lstatOrUndefined(path: HostPath): fs.Stats | undefined {
  return fs.lstatSync(path, { throwIfNoEntry: false });
}

/** A name in the same directory that nothing has yet; made with O_EXCL or its like, so that nothing is overwritten. */
export function temporaryBeside(path: HostPath): HostPath {
  const directory = path.subarray(0, path.lastIndexOf(0x2f) + 1);
  return Buffer.concat([directory, Buffer.from(`.bulkhead-${randomBytes(6).toString("hex")}.part`)]);
}

/** Gives a finished file its name, in place of what had it. @throws when that is a directory */
export function moveInto(temporary: HostPath, path: HostPath): void {
  fs.renameSync(temporary, path);
  // If both are links to one file already, rename leaves both.
  fs.rmSync(temporary, { force: true });
}

/**
 * Makes a directory, or takes the one that is there.
 *
 * @returns whether it is new
 * @throws Error when something else has the name; a symbolic link to a directory is something else
 */
export function makeDirectory(path: HostPath): boolean {
  try {
    fs.mkdirSync(path, 0o700);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  const there = lstatOrUndefined(path);
  if (there?.isSymbolicLink() === true)
    throw new Error("a symbolic link is in the place of the directory, and is not followed");
  if (there?.isDirectory() !== true) throw new Error("something that is no directory is in its place");
  return false;
}
