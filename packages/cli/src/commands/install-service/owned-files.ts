import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { CommandError } from "../../command-line/errors.js";

/** In the first lines of what is installed: what is without it is somebody else's. */
export const HEADING = "Written by `bulkhead install-service`, which also removes it.";

export interface OwnedFile {
  readonly path: string;
  readonly text: string;
  readonly mode: number;
}

/** Writes all of them, or none. @throws CommandError if another's file is in the place of one */
export function writeOwned(files: readonly OwnedFile[]): void {
  for (const { path } of files) {
    if (existsSync(path) && !isOurs(path))
      throw new CommandError(`${path} is there already, and not ours: nothing was installed`);
  }
  for (const { path, text, mode } of files) {
    mkdirSync(dirname(path), { recursive: true });
    const temporary = `${path}.new`;
    writeFileSync(temporary, text);
    chmodSync(temporary, mode); // whatever the umask
    renameSync(temporary, path);
  }
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
