/** What this machine can do; a test that needs more says why it is skipped. */
import { existsSync } from "node:fs";
import { run } from "./system/process.js";

const TOOLS = ["mke2fs", "e2fsck", "debugfs", "dumpe2fs", "tune2fs", "losetup", "mount", "unshare"] as const;

/** A reason to skip what mounts images through loop devices, or false. */
export function withoutLoopMounts(): string | false {
  if (process.platform !== "linux") return "loop mounts are Linux's";
  if (process.getuid?.() !== 0) return "mounting an image takes root";
  if (!existsSync("/dev/loop-control")) return "there are no loop devices";
  return withoutTools(...TOOLS);
}

/** A reason to skip what mounts through FUSE, or false. */
export function withoutFuse(): string | false {
  return existsSync("/dev/fuse") ? false : "there is no /dev/fuse";
}

/** A reason to skip what asks the tools of a running system, or false. */
export function withoutTools(...tools: readonly string[]): string | false {
  for (const tool of tools) if (!hasTool(tool)) return `${tool} is not installed`;
  return false;
}

/** A reason to skip what looks at a mount with everything that a user has, or false. */
export function withoutMountTools(): string | false {
  const forTheImage = ["python3", "setfattr", "setfacl", "chattr", "fallocate"];
  return (
    withoutLoopMounts() || withoutFuse() || withoutTools(...forTheImage, "getfattr", "getfacl", "setpriv", "lsattr")
  );
}

function hasTool(tool: string): boolean {
  return run("sh", ["-c", `command -v ${tool}`], { accept: [1, 127] }).code === 0;
}
