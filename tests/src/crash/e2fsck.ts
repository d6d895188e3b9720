/** e2fsck for many images at once: a shell that starts it again and again, beside this process. */
import { spawn } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeScratch, scratchDirectory } from "../system/scratch.js";

export interface Verdict {
  /** What the repair exited with, and said; -1 where there was none. */
  readonly repairCode: number;
  readonly repairOutput: string;
  /** What `e2fsck -fn` exited with, and said, afterwards. */
  readonly checkCode: number;
  readonly checkOutput: string;
  /** Reads the image as it was left; to be called at once. */
  read(target: Uint8Array): void;
}

/** Each line of the list is an image, and how to repair it. */
const LOOP = `
while read -r image repair; do
  : > "$image.code"
  if [ -n "$repair" ]; then e2fsck $repair "$image" > "$image.repair" 2>&1; echo $? >> "$image.code"; fi
  e2fsck -fn "$image" > "$image.check" 2>&1; echo $? >> "$image.code"
done < list`;
const TIMEOUT = 120_000;
const MEMORY = "/dev/shm";
/** Time as of the workloads, so that equal images stay equal. */
const NOW = "1700000000";

/** Where the images are: in memory, as far as that can be. Directories, and the files in them, are used again and again. */
export class Fsck {
  readonly #directory: string;
  readonly #free: string[] = [];
  #count = 0;

  constructor() {
    const base = existsSync(MEMORY) ? MEMORY : tmpdir();
    removeAbandoned(base);
    this.#directory = scratchDirectory(`crash-${process.pid}`, base);
  }

  batch(): FsckBatch {
    const directory = this.#free.pop() ?? join(this.#directory, String(this.#count++));
    mkdirSync(directory, { recursive: true });
    return new FsckBatch(directory, () => this.#free.push(directory));
  }

  close(): void {
    removeScratch(this.#directory);
  }
}

/** A run that was killed has left its images. */
function removeAbandoned(base: string): void {
  for (const name of readdirSync(base)) {
    const owner = /^bulkhead-crash-(\d+)-/.exec(name)?.[1];
    if (owner === undefined || existsSync(`/proc/${owner}`)) continue;
    rmSync(join(base, name), { recursive: true, force: true });
  }
}

/** Images that are checked together. */
export class FsckBatch {
  readonly #directory: string;
  readonly #done: () => void;
  readonly #repairs: (readonly string[])[] = [];

  constructor(directory: string, done: () => void) {
    this.#directory = directory;
    this.#done = done;
  }

  get size(): number {
    return this.#repairs.length;
  }

  /**
   * @param image is copied
   * @param repair arguments of a repair before the check (`-fy` and the like); none to check only
   */
  add(image: Uint8Array, repair: readonly string[] = []): void {
    // Not emptied before: memory that is there is filled faster than new one.
    const file = openSync(this.#path(this.size), constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      writeSync(file, image, 0, image.length, 0);
      ftruncateSync(file, image.length);
    } finally {
      closeSync(file);
    }
    this.#repairs.push(repair);
  }

  #path(number: number): string {
    return join(this.#directory, String(number));
  }

  /** @param settle is told the verdict on each image, in order */
  async run(settle: (number: number, verdict: Verdict) => void): Promise<void> {
    try {
      const list = this.#repairs.map((repair, n) => `${n} ${repair.join(" ")}`);
      writeFileSync(join(this.#directory, "list"), `${list.join("\n")}\n`);
      if (list.length > 0) await shell(this.#directory);
      this.#repairs.forEach((repair, n) => {
        settle(n, verdict(this.#path(n), repair.length > 0));
      });
    } finally {
      this.#done();
    }
  }
}

function verdict(path: string, repaired: boolean): Verdict {
  const codes = readFileSync(`${path}.code`, "utf8").trim().split("\n").map(Number);
  return {
    repairCode: repaired ? codes[0]! : -1,
    repairOutput: repaired ? readFileSync(`${path}.repair`, "utf8") : "",
    checkCode: codes.at(-1)!,
    checkOutput: readFileSync(`${path}.check`, "utf8"),
    read(target) {
      const file = openSync(path, "r");
      try {
        readSync(file, target, 0, target.length, 0);
      } finally {
        closeSync(file);
      }
    },
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
