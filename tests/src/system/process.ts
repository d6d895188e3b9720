/** Running Debian's tools: every failure is an error that shows the command and what it said. */
import { spawn, spawnSync } from "node:child_process";

export interface RunOptions {
  /** What the command reads on its standard input. */
  readonly input?: string | Buffer;
  /** Exit codes other than 0 that are not failures (e2fsck says "repaired" with 1). */
  readonly accept?: readonly number[];
  /** Milliseconds until the command is killed. */
  readonly timeout?: number;
}

export interface RunResult {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

const OUTPUT_LIMIT = 1 << 30;
const DEFAULT_TIMEOUT = 60_000;
/** Tools speak English and bytes, and mke2fs's own configuration files stay out of the picture. */
const ENVIRONMENT = { ...process.env, LC_ALL: "C", TZ: "UTC", MKE2FS_CONFIG: "/dev/null", PATH: toolPath() };

function toolPath(): string {
  const { PATH = "" } = process.env;
  return `${PATH}:/usr/local/sbin:/usr/sbin:/sbin`;
}

/** Runs a command to its end; throws when it cannot start, is killed, or exits with a code not accepted. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): RunResult {
  const timeout = options.timeout ?? DEFAULT_TIMEOUT;
  const result = spawnSync(command, args, {
    env: ENVIRONMENT,
    maxBuffer: OUTPUT_LIMIT,
    timeout,
    killSignal: "SIGKILL",
    ...(options.input === undefined ? {} : { input: options.input }),
  });
  if (result.error !== undefined) throw new Error(`${command}: ${result.error.message}`);
  const stderr = result.stderr.toString("utf8");
  if (result.status === null) throw new Error(`${command} ${args.join(" ")}: killed by ${result.signal ?? "?"}`);
  if (result.status !== 0 && !(options.accept ?? []).includes(result.status)) {
    const said = `${stderr}\n${result.stdout.toString("utf8")}`.trim().slice(0, 4000);
    throw new Error(`${command} ${args.join(" ")}: exit ${result.status}\n${said}`);
  }
  return { code: result.status, stdout: result.stdout, stderr };
}

/**
 * Lets go of a new namespace's copies of what other tests have mounted: such mounts would live on in it, and whoever asks something
 * of all mounts, as stress-ng does, would get errors that other tests are about.
 */
export const LET_GO =
  "cut -d' ' -f5 /proc/self/mountinfo | grep /bulkhead- | while read -r at; do umount --lazy \"$at\" 2>/dev/null; done; " +
  'exec "$0" "$@"';

/**
 * Runs one of our own scripts in a Node process with a mount namespace of its own: whatever it mounts goes away with
 * it, also when it is killed, and what other tests have mounted is not there. Resolves when it exits with 0; rejects with what it
 * wrote to standard error otherwise.
 */
export function runApart(script: string, args: readonly string[], timeout: number): Promise<void> {
  const apart = ["--mount", "--propagation", "private", "sh", "-c", LET_GO];
  return runChild("unshare", [...apart, process.execPath, script, ...args], timeout);
}

/** Runs a command asynchronously, standard output discarded, killed (with its whole group) after `timeout` ms. */
export function runChild(command: string, args: readonly string[], timeout: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env: ENVIRONMENT, stdio: ["ignore", "ignore", "pipe"], detached: true });
    const said: Buffer[] = [];
    let expired = false;
    child.stderr.on("data", (chunk: Buffer) => said.push(chunk));
    const timer = setTimeout(() => {
      expired = true;
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    }, timeout);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      if (code === 0) return resolve();
      const why = expired ? `still running after ${timeout} ms` : `exit ${code ?? signal ?? "?"}`;
      reject(new Error(`${[command, ...args].join(" ")}: ${why}\n${Buffer.concat(said).toString("utf8").trim()}`));
    });
  });
}
