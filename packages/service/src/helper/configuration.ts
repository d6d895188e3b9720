import { readFileSync } from "node:fs";

/** What /etc/fuse.conf says about users other than root. */
export interface FuseConfiguration {
  readonly userAllowOther: boolean;
  /** How many FUSE mounts there may be before users can make no more; −1: any number. */
  readonly mountMax: number;
}

export const FUSE_CONFIGURATION = "/etc/fuse.conf";
const DEFAULT_MOUNT_MAX = 1000;

/** Errors of a file that the caller may not or cannot read: as if it were not there, with a warning. */
const TOLERATED = new Set(["EACCES", "ELOOP", "ENAMETOOLONG", "ENOTDIR", "EOVERFLOW"]);

/** Reads the configuration, with the rights of whoever calls. @throws the error of a file that cannot be read for other reasons */
export function readFuseConfiguration(path: string, warn: (message: string) => void): FuseConfiguration {
  let text = "";
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const code: unknown = error instanceof Error ? Reflect.get(error, "code") : undefined;
    if (code !== "ENOENT") {
      if (typeof code !== "string" || !TOLERATED.has(code)) throw error;
      warn(`${path}: not read: ${code}`);
    }
  }
  return parseFuseConfiguration(text, (line) => warn(`${path}: ignored: ${line}`));
}

export function parseFuseConfiguration(text: string, unknown: (line: string) => void): FuseConfiguration {
  let userAllowOther = false;
  let mountMax = DEFAULT_MOUNT_MAX;
  for (const line of text.split("\n")) {
    const setting = line.replace(/#.*/, "").trim();
    const max = /^mount_max\s*=\s*(-?\d{1,9})$/.exec(setting)?.[1];
    if (setting === "user_allow_other") userAllowOther = true;
    else if (max !== undefined) mountMax = Math.max(-1, Number(max));
    else if (setting !== "") unknown(setting);
  }
  return { userAllowOther, mountMax };
}
