import { execFileSync, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mountImage, unmountImage } from "../images.js";

/** How the kernel stops: with what is in memory lost, or with the running transaction committed first. */
export const Shutdown = { logFlush: 1, noLogFlush: 2 } as const;

const EXT4_IOC_SHUTDOWN = 0x8004587d;

/** Why images with dirty journals cannot be made here; false if they can. */
export const cannotMakeImages: string | false = whyNot();

function whyNot(): string | false {
  if (process.getuid?.() !== 0) return "needs root";
  for (const tool of ["mke2fs", "debugfs", "e2fsck", "dumpe2fs", "python3", "mount", "umount", "losetup"]) {
    if (spawnSync("which", [tool]).status !== 0) return `needs ${tool}`;
  }
  if (!fs.existsSync("/dev/loop-control")) return "needs loop devices";
  return false;
}

/** A directory for images that goes away with `remove`. */
export class Workshop {
  readonly directory = fs.mkdtempSync(join(tmpdir(), "bulkhead-journal-"));

  path(name: string): string {
    return join(this.directory, name);
  }

  /** Makes an image with mke2fs. */
  make(name: string, options: readonly string[], megabytes = 32): string {
    const image = this.path(name);
    fs.rmSync(image, { force: true });
    fs.closeSync(fs.openSync(image, "w"));
    fs.truncateSync(image, megabytes * 1024 * 1024);
    run("mke2fs", ["-q", "-F", "-t", "ext4", "-E", "lazy_itable_init=0", ...options, image]);
    return image;
  }

  /**
   * Mounts the image, lets `work` use the mount point, cuts the file system off and leaves the image as a crash would: as it
   * was before the unmount, which writes out what the kernel still had in memory. `work` commits with fsync (`sync FILE`): a
   * `sync` of everything writes logged blocks home as well, and nothing is left to replay.
   */
  crash(image: string, mountOptions: string, shutdown: number, work: (mountPoint: string) => void): void {
    const at = this.#mount(image, mountOptions);
    try {
      work(at);
      const script = `import fcntl,os,struct,sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), ${EXT4_IOC_SHUTDOWN}, struct.pack("I", ${shutdown}))`;
      run("python3", ["-c", script, at]);
      copySparse(image, `${image}.crashed`);
    } finally {
      unmountImage(at);
    }
    fs.renameSync(`${image}.crashed`, image);
  }

  /** Mounts the image with the kernel, lets `work` read it, unmounts. */
  mounted<T>(image: string, options: string, work: (mountPoint: string) => T): T {
    const at = this.#mount(image, options);
    try {
      return work(at);
    } finally {
      unmountImage(at);
      // From other tests' mount namespaces as well.
      fs.rmdirSync(at);
    }
  }

  copy(image: string, name: string): string {
    const to = this.path(name);
    fs.rmSync(to, { force: true });
    copySparse(image, to);
    return to;
  }

  remove(): void {
    fs.rmSync(this.directory, { recursive: true, force: true });
  }

  #mount(image: string, options: string): string {
    const at = fs.mkdtempSync(join(this.directory, "mount-"));
    mountImage(image, at, options);
    return at;
  }
}

export function run(command: string, args: readonly string[], accept: readonly number[] = [0]): string {
  const result = spawnSync(command, args, { encoding: "utf8", timeout: 60_000, maxBuffer: 64 * 1024 * 1024 });
  if (!accept.includes(result.status ?? -1)) {
    throw new Error(`${command} ${args.join(" ")}: ${result.status} ${result.stdout}${result.stderr}`);
  }
  return result.stdout + result.stderr;
}

export function shell(directory: string, script: string): void {
  execFileSync("sh", ["-ec", script], { cwd: directory, timeout: 60_000, stdio: ["ignore", "ignore", "inherit"] });
}

/** Lets e2fsck replay the journal of a copy and do nothing else; the copy's path. */
export function replayedByE2fsck(workshop: Workshop, image: string): string {
  const copy = workshop.copy(image, "replayed.img");
  run("e2fsck", ["-y", "-E", "journal_only", copy], [0, 1]);
  return copy;
}

export function needsRecovery(image: string): boolean {
  return /features:.*needs_recovery/.test(run("dumpe2fs", ["-h", image]));
}

/** Copies an image, holes as holes: they are most of it. */
function copySparse(from: string, to: string): void {
  run("cp", [from, to]);
}

/** When a file was written to last: another time, if it was since. */
export function lastWritten(path: string): bigint {
  return fs.statSync(path, { bigint: true }).mtimeNs;
}
