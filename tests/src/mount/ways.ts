/**
 * How the suites' own mounts come about. BULKHEAD_TEST_WAY in the environment is one of WAYS, for all mounts of a run; default is what
 * the command does by itself.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, chownSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { asUser } from "../service/activation.js";

export const COMMAND = fileURLToPath(new URL("../../../packages/cli/bin/bulkhead.js", import.meta.url));

/** nobody: fusermount3 wants a user with a name. */
export const USER = 65534;

export const WAYS = ["contained", "uncontained", "activated", "user"] as const;
export type Way = (typeof WAYS)[number];

/** That of this run. */
export const way = wayOf(process.env);

function wayOf({ BULKHEAD_TEST_WAY: wanted = "contained" }: NodeJS.ProcessEnv): Way {
  const found = WAYS.find((known) => known === wanted);
  if (found === undefined) throw new Error(`BULKHEAD_TEST_WAY is one of ${WAYS.join(", ")}, not ${wanted}`);
  return found;
}

/**
 * Starts what mounts, and ends with the mount: SIGTERM unmounts, and exit code 0 says that all went in order.
 *
 * @param program another program of Node's than the command, and its first arguments
 * @param how default as the environment says
 */
export function startMount(
  image: string,
  mountPoint: string,
  options: readonly string[],
  own?: readonly string[],
  how: Way = way,
): ChildProcess {
  const [command = "", ...args] =
    own === undefined ? mountCommand(image, mountPoint, options, how) : [...own, ...list(options), image, mountPoint];
  return spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
}

function list(options: readonly string[]): string[] {
  return options.flatMap((option) => ["-o", option]);
}

function mountCommand(image: string, mountPoint: string, options: readonly string[], how: Way): string[] {
  const own = [process.execPath, COMMAND, "mount", "--foreground"];
  switch (how) {
    case "uncontained":
      return [...own, "--uncontained", ...list(options), image, mountPoint];
    case "activated": {
      const program = fileURLToPath(new URL("./activated-mount.js", import.meta.url));
      return [process.execPath, program, image, mountPoint, ...list(options)];
    }
    case "user": {
      give(image, mountPoint);
      const theirs = options.filter((option) => !["suid", "dev", "allow_other"].includes(option));
      // The suite looks at it as root.
      return [...asUser(USER), ...own, ...list([...theirs, "allow_other"]), image, mountPoint];
    }
    default:
      return [...own, ...list(options), image, mountPoint];
  }
}

/** Lets the user have an image and a mount point, and get there. */
function give(...paths: readonly string[]): void {
  for (const path of paths) {
    chownSync(path, USER, USER);
    for (let at = dirname(path); at !== tmpdir() && at !== dirname(at); at = dirname(at)) {
      chmodSync(at, statSync(at).mode | 0o111);
    }
  }
}
