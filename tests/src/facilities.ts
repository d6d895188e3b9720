/** What this machine can do; a test that needs more says why it is skipped. */
import { existsSync } from "node:fs";
import { run } from "./system/process.js";

const TOOLS = ["mke2fs", "e2fsck", "debugfs", "dumpe2fs", "tune2fs", "losetup", "mount", "unshare"] as const;

/** A reason to skip what mounts images through loop devices, or false. */
export function withoutLoopMounts(): string | false {
  if (process.platform !== "linux") return "loop mounts are Linux's";
  if (process.getuid?.() !== 0) return "mounting an image takes root";
  if (!existsSync("/dev/loop-control")) return "there are no loop devices";
  for (const tool of TOOLS) if (!hasTool(tool)) return `${tool} is not installed`;
  return false;
}

/** A reason to skip what mounts through FUSE, or false. */
export function withoutFuse(): string | false {
  return existsSync("/dev/fuse") ? false : "there is no /dev/fuse";
}

function hasTool(tool: string): boolean {
  return run("sh", ["-c", `command -v ${tool}`], { accept: [1, 127] }).code === 0;
}
