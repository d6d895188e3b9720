/** Real images for tests: made by mke2fs, filled and asked by the kernel through a loop mount, or asked by debugfs. */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FileDevice } from "../src/device/file.js";
import type { Environment, LogLevel } from "../src/environment.js";

/** Why tests with real images cannot run here; undefined when they can. */
export function missingTool(...tools: readonly string[]): string | undefined {
  for (const tool of tools) {
    if (spawnSync(tool, ["-V"], { stdio: "ignore" }).error !== undefined) return `${tool} is not installed`;
  }
  return undefined;
}

/** Why the kernel cannot be asked; undefined when it can. */
export function missingLoopMount(): string | undefined {
  if (process.getuid?.() !== 0) return "mounting needs root";
  if (!fs.existsSync("/dev/loop-control")) return "there is no /dev/loop-control";
  return missingTool("mke2fs");
}

/** Runs a command to its end and returns its standard output; a failure throws what it printed. */
export function run(command: string, args: readonly string[], input = ""): string {
  const result = spawnSync(command, args, { encoding: "utf8", input, timeout: 60_000, maxBuffer: 64 * 1024 * 1024 });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) throw new Error(`${command} ${args.join(" ")}: ${result.stdout}${result.stderr}`);
  return result.stdout;
}

/**
 * Mounts an image with the kernel at the directory `at`, through a loop device of its own that frees itself on unmount.
 * mount(8)'s `-o loop` would take the one of an earlier mount of the same file, and with it the file system in memory, as
 * long as anything holds it.
 */
export function mountImage(image: string, at: string, options = "rw"): void {
  const readOnly = options.split(",").includes("noload") ? ["-r"] : [];
  const loop = run("losetup", ["-f", "--show", ...readOnly, image]).trim();
  try {
    run("mount", ["-t", "ext4", "-o", options, loop, at]);
  } finally {
    spawnSync("losetup", ["-d", loop]); // while it is mounted, this means: when it no longer is
  }
}

/** Unmounts what `mountImage` mounted; what a process still uses goes lazily. */
export function unmountImage(at: string): void {
  if (spawnSync("umount", [at], { timeout: 30_000 }).status !== 0) spawnSync("umount", ["-l", at], { timeout: 30_000 });
}

/**
 * Mounts an image at the empty directory `at` while `work` runs, and removes that: with its directory, a mount goes from the mount
 * namespaces that other tests have made meanwhile, too. What `work` wrote is then in the image, and nobody else writes there.
 */
export function withMount<T>(image: string, at: string, options: string, work: (root: string) => T): T {
  try {
    mountImage(image, at, options);
    try {
      const result = work(at);
      run("sync", ["-f", at]); // for a mount that something uses still
      return result;
    } finally {
      unmountImage(at);
    }
  } finally {
    fs.rmdirSync(at);
  }
}

/** A directory for a test's files, with the means to make images in it. */
export class ImageDirectory {
  readonly path = fs.mkdtempSync(join(tmpdir(), "bulkhead-ext4-"));

  file(name: string): string {
    return join(this.path, name);
  }

  /** A new image of `size` (as mke2fs takes it) with the given mke2fs options. */
  make(name: string, size: string, options: readonly string[]): string {
    const path = this.file(name);
    fs.rmSync(path, { force: true });
    run("mke2fs", ["-q", "-F", ...options, path, size]);
    return path;
  }

  /** Mounts an image with the kernel while `work` runs. */
  mounted<T>(image: string, options: string, work: (root: string) => T): T {
    const root = this.file("mount");
    fs.mkdirSync(root, { recursive: true });
    return withMount(image, root, options, work);
  }

  /** Whether the kernel mounts an image read-only. */
  kernelAccepts(image: string): boolean {
    try {
      return this.mounted(image, "ro,noload", () => true);
    } catch {
      return false;
    }
  }

  remove(): void {
    fs.rmSync(this.path, { recursive: true, force: true });
  }
}

/** A read-only device over an image file. */
export function openImage(path: string): FileDevice {
  return new FileDevice(fs, fs.openSync(path, "r"));
}

/** A world whose clock stands still and whose log is kept. */
export class TestEnvironment implements Environment {
  seconds = 1_700_000_000;
  readonly lines: string[] = [];
  readonly clock = { now: () => ({ seconds: this.seconds, nanoseconds: 0 }) };
  readonly random = { fill: (target: Uint8Array) => void target.fill(7) };
  log(level: LogLevel, message: string): void {
    this.lines.push(`${level}: ${message}`);
  }
}
