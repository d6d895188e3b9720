/** e2fsck for many images at once: a shell that starts it again and again, beside this process. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeScratch, scratchDirectory } from "../system/scratch.js";

/** A check, and with `repair` a repair before it. */
export interface Check {
  readonly image: Uint8Array;
  /** Arguments of the repair (`-fy` and the like); undefined to check only. */
  readonly repair: readonly string[] | undefined;
}

export interface Verdict {
  /** What the repair exited with, and said; -1 where there was none. */
  readonly repairCode: number;
  readonly repairOutput: string;
  /** What `e2fsck -fn` exited with, and said, afterwards. */
  readonly checkCode: number;
  readonly checkOutput: string;
  /** The image as it was left; the image itself where nothing was repaired. */
  readonly image: Uint8Array;
}

/** Each line of the list is an image, and how to repair it. */
const LOOP = `
while read -r image repair; do
  if [ -n "$repair" ]; then e2fsck $repair "$image" > "$image.repair" 2>&1; echo $? > "$image.code"; fi
  e2fsck -fn "$image" > "$image.check" 2>&1; echo $? >> "$image.code"
done < list`;
const TIMEOUT = 120_000;
/** Time as of the workloads, so that equal images stay equal. */
const NOW = "1700000000";

export class Fsck {
  readonly #directory: string;
  #batches = 0;

  constructor() {
    const memory = "/dev/shm";
    this.#directory = scratchDirectory("crash", existsSync(memory) ? memory : tmpdir());
  }

  async run(checks: readonly Check[]): Promise<Verdict[]> {
    const directory = join(this.#directory, String(this.#batches++));
    mkdirSync(directory);
    try {
      const list = checks.map(({ repair = [] }, n) => `${n} ${repair.join(" ")}`);
      writeFileSync(join(directory, "list"), `${list.join("\n")}\n`);
      checks.forEach(({ image }, n) => {
        writeFileSync(join(directory, String(n)), image);
      });
      await shell(directory);
      return checks.map((check, n) => verdict(join(directory, String(n)), check));
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }

  close(): void {
    removeScratch(this.#directory);
  }
}

function verdict(path: string, { image, repair }: Check): Verdict {
  const codes = readFileSync(`${path}.code`, "utf8").trim().split("\n").map(Number);
  const repaired = repair !== undefined;
  return {
    repairCode: repaired ? codes[0]! : -1,
    repairOutput: repaired ? readFileSync(`${path}.repair`, "utf8") : "",
    checkCode: codes.at(-1)!,
    checkOutput: readFileSync(`${path}.check`, "utf8"),
    image: repaired ? new Uint8Array(readFileSync(path)) : image,
  };
}

function shell(directory: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const { PATH: path = "" } = process.env;
    const PATH = `${path}:/usr/local/sbin:/usr/sbin:/sbin`;
    const child = spawn("sh", ["-c", LOOP], {
      cwd: directory,
      env: { PATH, LC_ALL: "C", TZ: "UTC", E2FSCK_TIME: NOW, E2FSPROGS_FAKE_TIME: NOW },
      stdio: ["ignore", "ignore", "pipe"],
      timeout: TIMEOUT,
      killSignal: "SIGKILL",
    });
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => {
      said += chunk.toString("utf8");
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`the loop of e2fsck: ${code ?? signal ?? "?"} ${said}`));
    });
  });
}
