/** What tests with loop devices share. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

export function run(command: string, args: readonly string[]): string {
  const result = spawnSync(command, args, { encoding: "utf8", timeout: 30_000 });
  if (result.status !== 0) throw new Error(`${command} ${args.join(" ")}: ${result.error?.message ?? result.stderr}`);
  return result.stdout.trim();
}

/** Why there can be no loop devices, or not what is done with them; false if there can. */
export function withoutLoopDevices(...tools: readonly string[]): string | false {
  if (process.getuid?.() !== 0) return "loop devices need root";
  if (!existsSync("/dev/loop-control")) return "there is no /dev/loop-control";
  for (const tool of ["losetup", ...tools]) {
    if (spawnSync(tool, ["--version"]).error !== undefined) return `${tool} is not installed`;
  }
  return false;
}
