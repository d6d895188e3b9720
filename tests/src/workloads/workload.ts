/** Real software on a mount: a function of the mount point that throws when something is not as it should be. */
import { spawnSync } from "node:child_process";

export interface Workload {
  readonly name: string;
  readonly about: string;
  /** Commands that it runs. */
  readonly tools: readonly string[];
  /** Bytes that the image should have. */
  readonly size: number;
  /** Milliseconds within which it ends with little to do, however much else the machine does. */
  readonly timeout: number;
  /** What a FUSE mount needs for it: without allow_other, for one, nobody checks permissions. */
  readonly options?: readonly string[];
  run(mountPoint: string, scale: Scale): void;
}

/** How much there is to do: little in every run of the tests, all of it in long ones. */
export interface Scale {
  readonly long: boolean;
  /** Whether Linux's own file system is under it, which can do what FUSE cannot: cut ranges out of files. */
  readonly native: boolean;
  readonly seed: number;
}

const OUTPUT_LIMIT = 1 << 28;
const SHOWN = 3000;

/** Runs a command in a directory and returns what it wrote; anything but success is an error with the end of what it said. */
export function command(directory: string, name: string, args: readonly string[], input = ""): string {
  const result = spawnSync(name, args, {
    cwd: directory,
    input,
    encoding: "latin1",
    maxBuffer: OUTPUT_LIMIT,
    env: { ...process.env, ...QUIET },
  });
  // One that gives up while it is still being told (EPIPE) says why itself.
  if (result.error !== undefined && result.status === null) throw result.error;
  if (result.status !== 0) {
    const said = `${result.stdout}\n${result.stderr}`.trim().slice(-SHOWN);
    throw new Error(`${name} ${args.join(" ")}: exit ${result.status ?? result.signal}\n${said}`);
  }
  return result.stdout;
}

/** Nothing of this machine's settings, and one identity for git. */
const QUIET = {
  LC_ALL: "C",
  TZ: "UTC",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_AUTHOR_NAME: "A",
  GIT_AUTHOR_EMAIL: "a@example.org",
  GIT_COMMITTER_NAME: "A",
  GIT_COMMITTER_EMAIL: "a@example.org",
};
