/** A systemd of its own: the first process of namespaces that share the machine's files, but for /run, /sbin and its units. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { withoutTools } from "../facilities.js";
import { LET_GO } from "../system/apart.js";
import { type RunOptions, type RunResult, run } from "../system/process.js";

const SYSTEMD = "/lib/systemd/systemd";
const DEADLINE = 30_000;

/** A cgroup of its own, which goes when all in it have ended. */
const OUTSIDE = `
mount -t cgroup2 cgroup2 "$1/cgroup" && own="$1/cgroup/bulkhead-test-$$" && mkdir "$own" && echo $$ > "$own/cgroup.procs" || exit 1
setpriv --pdeathsig KILL unshare --pid --fork --kill-child=SIGKILL --mount --mount-proc --ipc --uts --net --cgroup sh -ec "$2" sh "$1"
echo $$ > "$1/cgroup/cgroup.procs"
for try in 1 2 3 4 5; do find "$own" -depth -type d -exec rmdir {} + 2>/dev/null; [ -d "$own" ] || break; sleep 0.1; done
umount "$1/cgroup"
`;

/** As on a machine, what is unmounted goes from the services' namespaces as well. Units are those of $1/units and no others; mount(8) finds the helpers that are in $1/sbin. */
const INSIDE = `
mount --make-rshared /
mount --bind "$1/units" /etc/systemd/system
mount --bind "$1/sbin" "$(realpath /sbin)"
for directory in /run /usr/lib/systemd/system-generators /usr/lib/systemd/system-environment-generators; do
  if [ -d $directory ]; then mount -t tmpfs -o mode=755 tmpfs $directory; fi
done
umount --recursive /sys/fs/cgroup || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec env container=bulkhead-test SYSTEMD_UNIT_PATH=/etc/systemd/system ${SYSTEMD} --system --unit=test.target --log-target=console --show-status=no
`;

export class BootedSystem {
  readonly #process: ChildProcess;
  readonly #end: Promise<void>;
  #said = "";
  #ended = false;
  #first = 0;

  private constructor(folder: string) {
    const command = [
      "--mount",
      "--propagation",
      "private",
      "sh",
      "-c",
      LET_GO,
      "setpriv",
      "--pdeathsig",
      "KILL",
      "sh",
      "-c",
      OUTSIDE,
    ];
    this.#process = spawn("unshare", [...command, "sh", folder, INSIDE], { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        this.#said += chunk.toString();
      });
    }
    this.#end = new Promise((resolve) => {
      this.#process.on("close", () => {
        this.#ended = true;
        resolve();
      });
    });
  }

  /** Boots with the units in `folder`/units, test.target among them, and waits until that is reached. `stop` ends it. */
  static async start(folder: string): Promise<BootedSystem> {
    mkdirSync(join(folder, "cgroup"));
    const system = new BootedSystem(folder);
    try {
      for (let waited = 0; !system.#isUp(); waited += 50) {
        if (system.#ended || waited > DEADLINE) throw new Error(`systemd does not start: ${system.said}`);
        await sleep(50);
      }
    } catch (error) {
      await system.stop();
      throw error;
    }
    return system;
  }

  /** What systemd had to say. */
  get said(): string {
    return this.#said;
  }

  #isUp(): boolean {
    // unshare and its setpriv became the shell; its child is unshare, and that one's the first process.
    this.#first = childOf(childOf(this.#process.pid ?? 0));
    return this.#first > 0 && this.run("systemctl", ["is-active", "test.target"], { accept: [1, 3, 4] }).code === 0;
  }

  /** Runs a command in there. */
  run(command: string, args: readonly string[], options: RunOptions = {}): RunResult {
    const enter = [`--target=${this.#first}`, "--mount", "--pid", "--ipc", "--net", "--cgroup", "--"];
    return run("nsenter", [...enter, command, ...args], options);
  }

  /** Ends all that runs in there. */
  async stop(): Promise<void> {
    if (this.#first > 0 && !this.#ended) process.kill(this.#first, "SIGKILL");
    else this.#process.kill("SIGKILL");
    await this.#end;
  }
}

function childOf(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim().split(" ")[0]);
  } catch {
    return 0;
  }
}

/** A reason to skip what boots a system, or false. */
export function withoutSystemd(): string | false {
  if (process.getuid?.() !== 0) return "booting a system takes root";
  if (!existsSync(SYSTEMD)) return "systemd is not installed";
  return withoutTools("unshare", "setpriv", "nsenter", "systemctl");
}
