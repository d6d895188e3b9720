import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Runs a tool. @throws with its output when it fails */
export function tool(command: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: "utf8", timeout: 60_000 });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${error?.message ?? `${stdout}${stderr}`}`);
  return stdout;
}

/** A reason to skip where a tool is missing, or false. */
export function missingTool(...names: string[]): string | false {
  if (process.platform !== "linux") return "images are opened on Linux alone";
  for (const name of names) {
    if (spawnSync("sh", ["-c", `command -v ${name}`]).status !== 0) return `${name} is not installed`;
  }
  return false;
}

/** A directory for a test, and what it removes again. */
export function scratch(): { path(name: string): string; remove(): void } {
  const directory = fs.mkdtempSync(join(tmpdir(), "bulkhead-image-"));
  fs.chmodSync(directory, 0o755);
  return {
    path: (name) => join(directory, name),
    remove: () => fs.rmSync(directory, { recursive: true, force: true }),
  };
}

/** Makes an empty file system. */
export function makeImage(path: string, mebibytes: number, ...options: string[]): string {
  fs.rmSync(path, { force: true });
  fs.writeFileSync(path, "");
  fs.truncateSync(path, mebibytes * 2 ** 20);
  tool("mke2fs", "-q", "-F", "-t", "ext4", ...options, path);
  return path;
}

/** e2fsck finds nothing, and the file system is cleanly unmounted. */
export function assertClean(image: string): void {
  tool("e2fsck", "-fn", image);
  const state = /Filesystem features:.*/.exec(tool("dumpe2fs", "-h", image))?.[0] ?? "";
  if (state.includes("needs_recovery")) throw new Error(`${image} was not unmounted: ${state}`);
}
