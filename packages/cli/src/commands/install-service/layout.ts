import { lstatSync } from "node:fs";
import { join } from "node:path";

/** Where things go, below a root directory. */
export interface Layout {
  /** "" for the running system. */
  readonly root: string;
  readonly units: string;
  /** Where mount(8) looks for its helpers. */
  readonly helpers: string;
}

/** @param root "" for the running system, where units of the administrator's are; packages have a place of their own for them */
export function layoutBelow(root: string): Layout {
  return {
    root,
    units: join(root, root === "" ? "/etc/systemd/system" : "/usr/lib/systemd/system"),
    helpers: join(root, isDirectory(join(root, "/sbin")) ? "/sbin" : "/usr/sbin"),
  };
}

/** The path as it will be when `root` is /. */
export function asInstalled(path: string, root: string): string {
  return root !== "" && path.startsWith(`${root}/`) ? path.slice(root.length) : path;
}

function isDirectory(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true; // on newer systems a link to /usr/sbin
}
