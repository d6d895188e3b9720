import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

const root = fileURLToPath(new URL("../../", import.meta.url));
export const program = join(root, "bin", "bulkhead.js");
export const packageRoot = root;

export interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Run as this user. */
  readonly uid?: number;
  readonly cwd?: string;
}

/** Runs the command as a process of its own. Output is decoded byte for byte (latin1) when `binary`. */
export function bulkhead(args: readonly (string | Buffer)[], options: RunOptions & { binary?: boolean } = {}): Result {
  const { binary, uid, cwd } = options;
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [program, ...(args as string[])], {
    encoding: binary === true ? "latin1" : "utf8",
    timeout: 60_000,
    maxBuffer: 64 << 20,
    env: { ...process.env, TZ: "UTC" },
    ...(uid === undefined ? {} : { uid, gid: uid }),
    ...(cwd === undefined ? {} : { cwd }),
  });
  if (error !== undefined) throw error;
  return { code: status, stdout, stderr };
}

/** Runs a tool that a test needs. @throws with its output when it fails */
export function tool(command: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: "utf8", timeout: 60_000 });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${error?.message ?? stderr}`);
  return stdout;
}

export function scratchDirectory(): string {
  return fs.mkdtempSync(join(tmpdir(), "bulkhead-cli-"));
}

/** The project's small real image, unpacked to `path`. */
export function unpackDemo(path: string): void {
  fs.writeFileSync(path, gunzipSync(fs.readFileSync(join(root, "..", "..", "examples", "demo", "demo.img.gz"))));
}

/** A reason to skip what needs the kernel's ext4 on a loop device, or false. */
export function withoutLoopMounts(): string | false {
  if (process.platform !== "linux") return "loop mounts are Linux's";
  if (process.getuid?.() !== 0) return "mounting an image takes root";
  if (!fs.existsSync("/dev/loop-control")) return "there are no loop devices";
  return missingTool("mke2fs", "unshare", "mount");
}

/** A reason to skip what needs /dev/fuse, or false. */
export function withoutFuse(): string | false {
  if (process.platform !== "linux" || !fs.existsSync("/dev/fuse")) return "there is no /dev/fuse";
  return process.getuid?.() === 0 ? false : "mounting directly takes root";
}

export function missingTool(...names: string[]): string | false {
  for (const name of names) {
    if (spawnSync("sh", ["-c", `command -v ${name}`]).status !== 0) return `${name} is not installed`;
  }
  return false;
}
