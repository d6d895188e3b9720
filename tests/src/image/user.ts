/** The command as an ordinary user runs it, and images that belong to one. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "../system/process.js";

export const PROGRAM = fileURLToPath(new URL("../../../packages/cli/bin/bulkhead.js", import.meta.url));
export const NOBODY = 65_534;
/** The command as an ordinary user. */
export function bulkhead(...args: string[]) {
  const as = ["--reuid", String(NOBODY), "--regid", String(NOBODY), "--clear-groups"];
  const { status, stdout, stderr } = spawnSync("setpriv", [...as, process.execPath, PROGRAM, ...args], {
    encoding: "utf8",
    timeout: 120_000,
    cwd: "/",
  });
  return { code: status, stdout, stderr };
}

export function succeeds(...args: string[]): string {
  const { code, stdout, stderr } = bulkhead(...args);
  assert.deepEqual([code, stderr], [0, ""], args.join(" "));
  return stdout;
}

/** An empty file system that belongs to the user. */
export function makeImage(directory: string, name: string, mebibytes: number, ...options: string[]): string {
  const image = join(directory, name);
  fs.writeFileSync(image, "");
  fs.truncateSync(image, mebibytes * 2 ** 20);
  run("mke2fs", ["-q", "-F", "-t", "ext4", "-I", "256", ...options, image]);
  fs.chownSync(image, NOBODY, NOBODY);
  return image;
}

/** @throws with what e2fsck found */
export function checkImage(image: string): void {
  run("e2fsck", ["-fn", image]);
}
