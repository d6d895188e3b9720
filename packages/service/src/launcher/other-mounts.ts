/** What else is mounted on the machine, and what of it a server has nothing to do with. */
import { realpathSync } from "node:fs";
import { listMounts } from "@bulkhead/fuse";
import { quoted } from "./closed-directories.js";
import { filesOf } from "./command-files.js";

/** What programs and their libraries need of a system, with what is mounted below. */
const SYSTEM = ["/proc", "/sys", "/dev", "/etc", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
/** Bytes of a list that the kernel takes as a part of one argument, by far. */
const LONGEST = 65_536;

/**
 * A command, to be put in front of another, that gives it a mount namespace without the mounts that it does not need. They would live on
 * there, and their devices stay in use, after they are unmounted outside, wherever unmounts are not passed on. Nothing outside changes.
 * Takes root.
 *
 * @param command a program and what it runs; what follows are its own arguments
 */
export function leaveOtherMounts(command: readonly string[]): string[] {
  // Servers' mounts wherever they are: one would keep those of all others alive, and, if it goes on with a mount, its own.
  const script = [
    "umount -acl -t fuse.bulkhead,fuseblk.bulkhead 2> /dev/null",
    `umount --internal-only --no-canonicalize --lazy ${otherMounts(command).map(quoted).join(" ")} 2> /dev/null`,
    'exec "$0" "$@"',
  ];
  return ["unshare", "--mount", "--propagation=slave", "--", "sh", "-c", script.join("\n")];
}

/** Where they are; what is mounted below goes with them. */
function otherMounts(command: readonly string[]): string[] {
  const { executable, program } = filesOf(command);
  const files = [executable, program].filter((path) => path !== undefined);
  const needed = ["/", ...files, ...files.map((path) => realpathSync(path))];
  const isNeeded = (mountpoint: string) =>
    needed.some((path) => isWithin(path, mountpoint)) || SYSTEM.some((directory) => isWithin(mountpoint, directory));
  const others: string[] = [];
  let length = 0;
  for (const { mountpoint } of listMounts()) {
    if (isNeeded(mountpoint) || others.some((above) => above !== mountpoint && isWithin(mountpoint, above))) continue;
    length += 4 * mountpoint.length;
    if (length > LONGEST) break;
    others.push(mountpoint);
  }
  return others;
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || directory === "/" || path.startsWith(`${directory}/`);
}
