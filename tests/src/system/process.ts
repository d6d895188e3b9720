/** Running Debian's tools: every failure is an error that shows the command and what it said. */
import { spawnSync } from "node:child_process";

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
export const ENVIRONMENT = { ...process.env, LC_ALL: "C", TZ: "UTC", MKE2FS_CONFIG: "/dev/null", PATH: toolPath() };

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
