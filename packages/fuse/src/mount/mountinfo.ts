import { readFileSync } from "node:fs";

/** One line of /proc/self/mountinfo, read without touching the mount. */
export interface MountInfo {
  /** Unique among the mounts of now. */
  readonly id: number;
  readonly major: number;
  readonly minor: number;
  /** Absolute path; bytes that are not UTF-8 appear as replacement characters. */
  readonly mountpoint: string;
  readonly type: string;
  readonly source: string;
  /** Of the file system, whichever way it is mounted elsewhere. */
  readonly readOnly: boolean;
}

/** Whether a FUSE server is behind a mount, whichever. */
export function isFuse({ type }: MountInfo): boolean {
  return /^fuse(?:blk)?(?:\.|$)/.test(type);
}

/** The mounts that this process sees, in the order they were made. */
export function listMounts(): MountInfo[] {
  return parseMountInfo(readFileSync("/proc/self/mountinfo", "utf8"));
}

/** The mount on top at `mountpoint` (an absolute path without symbolic links). */
export function findMount(mountpoint: string): MountInfo | undefined {
  return listMounts().findLast((mount) => mount.mountpoint === mountpoint);
}

export function parseMountInfo(text: string): MountInfo[] {
  const mounts: MountInfo[] = [];
  for (const line of text.split("\n")) {
    const [mount, filesystem] = line.split(" - ");
    if (mount === undefined || filesystem === undefined) continue;
    const [id, , device, , mountpoint] = mount.split(" ");
    const [type, source, options = ""] = filesystem.split(" ");
    const [major, minor] = (device ?? "").split(":").map(Number);
    if (mountpoint === undefined || major === undefined || minor === undefined) continue;
    mounts.push({
      id: Number(id),
      major,
      minor,
      mountpoint: unescapeField(mountpoint),
      type: type ?? "",
      source: unescapeField(source ?? ""),
      readOnly: options.split(",").includes("ro"),
    });
  }
  return mounts;
}

/** Space, tab, newline and backslash stand as three octal digits. */
function unescapeField(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
