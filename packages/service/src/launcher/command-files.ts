import { existsSync } from "node:fs";
import { isAbsolute } from "node:path";

/** The files of a command by their paths. */
export interface CommandFiles {
  readonly executable: string | undefined;
  /** What that runs: the first word after it that is no option. Further words are the program's own: one may be the mount that waits for it. */
  readonly program: string | undefined;
}

/** As far as they are absolute, and there. */
export function filesOf([executable = "", ...words]: readonly string[]): CommandFiles {
  const known = (path: string) => (isAbsolute(path) && existsSync(path) ? path : undefined);
  return { executable: known(executable), program: known(words.find((word) => !word.startsWith("-")) ?? "") };
}
