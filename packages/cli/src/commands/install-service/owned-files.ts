import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { CommandError } from "../../command-line/errors.js";

/** In the first lines of what is installed: what is without it is somebody else's. */
export const HEADING = "Written by `bulkhead install-service`, which also removes it.";

/** @throws CommandError if another's file is there */
export function writeOwned(path: string, text: string, mode = 0o644): void {
  if (existsSync(path) && !isOurs(path))
    throw new CommandError(`${path} is there already, and not ours: nothing was done to it`);
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.new`;
  writeFileSync(temporary, text);
  chmodSync(temporary, mode); // whatever the umask
  renameSync(temporary, path);
}

/** Whether there was anything of ours. */
export function removeOwned(path: string): boolean {
  if (!existsSync(path) || !isOurs(path)) return false;
  rmSync(path);
  return true;
}

function isOurs(path: string): boolean {
  return readFileSync(path, "utf8").includes(HEADING);
}
