/** Sources as they look from outside: nothing here reads what is on them. */
import * as fs from "node:fs";
import { nameToString, stringToName } from "@bulkhead/ext4/names";
import { listMounts } from "@bulkhead/fuse/mountinfo";
import { loopDevicesOf } from "@bulkhead/linux/loop-devices";

/** Which bytes of which file are the file system. */
export interface SourceOptions {
  /** An image file or a block device. */
  readonly path: string;
  /** Byte offset of the file system in it. Default 0. */
  readonly offset?: number;
  /** Number of the partition that holds the file system, as in the partition table; not together with `offset`. */
  readonly partition?: number;
  /** An open descriptor of it, instead of opening `path`; the device closes it. */
  readonly descriptor?: number;
  /** One of the same block device that was opened with O_DIRECT; the device closes it. */
  readonly directDescriptor?: number;
}

/** `read-write` fails when the source is write-protected; `read-write if possible` is then read-only. */
export type Access = "read-only" | "read-write" | "read-write if possible";

/** A source that cannot be used, with what to do about it. */
export class SourceError extends Error {
  readonly code = "ERR_BULKHEAD_SOURCE";

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "SourceError";
  }
}

/** A path on the host, as the system takes it: of Node's strings, bytes that are no UTF-8 would be lost. */
export function hostPath(text: string): Buffer {
  return Buffer.from(stringToName(text));
}

/**
 * Opens the file or device of a source, as `openSource` does: a block device that is to be written exclusively, a file or a loop device only
 * where nobody has it by the other name.
 *
 * @throws SourceError
 */
export function openDescriptor(path: string, writable: boolean, claimed = false): number {
  const { O_RDONLY, O_RDWR, O_EXCL, O_NONBLOCK } = fs.constants;
  refuseByOtherName(path, writable);
  // The kernel opens one for writing, and refuses the first write.
  if (writable && isProtectedDevice(path)) {
    throw new SourceError(`cannot open ${path} for writing: the device is write-protected`);
  }
  try {
    const alone = writable && !claimed ? O_EXCL : 0;
    return fs.openSync(hostPath(path), (writable ? O_RDWR : O_RDONLY) | alone | O_NONBLOCK); // a fifo must not make us wait
  } catch (error) {
    throw new SourceError(`cannot open ${path}${writable ? " for writing" : ""}: ${reason(error)}`, { cause: error });
  }
}

/**
 * Whoever mounts a loop device has that to himself, and locks nothing of the file behind it; whoever mounts the file locks it, and has no
 * loop device to himself.
 *
 * @throws SourceError where a file that is to be written is behind a loop device that is mounted, or part of another device, and where the
 * file behind a loop device is locked
 */
export function refuseByOtherName(path: string, writable: boolean): void {
  if (writable) refuseBehindLoop(path);
  const file = backingFile(path);
  const holder = file && lockHolder(file, writable ? "any" : "WRITE");
  if (file === undefined || holder === undefined) return;
  const others = writable ? "whoever writes to it must be alone" : "somebody writes to it";
  throw new SourceError(
    `${path} is in use: ${nameToString(file)}, the file behind it, is in use by ${holder}: ${others}`,
  );
}

function refuseBehindLoop(path: string): void {
  for (const name of loopDevicesOf(hostPath(path))) {
    if (!isInUse(name)) continue;
    throw new SourceError(
      `${path} is in use: it is behind /dev/${name}, which is mounted or part of another device; unmount that first`,
    );
  }
}

/**
 * A device cannot be locked against who only reads, as a file is: udev would wait for the lock. Mounts are seen in this mount namespace alone.
 *
 * @throws SourceError where a mount of ours writes to a block device that is to be read
 */
export function refuseWhileWritten(path: string): void {
  const device = fs.statSync(hostPath(path), { throwIfNoEntry: false });
  if (device?.isBlockDevice() !== true) return;
  const isSame = (source: string) => {
    const stat = fs.statSync(source, { throwIfNoEntry: false });
    return stat?.isBlockDevice() === true && stat.rdev === device.rdev;
  };
  const writer = listMounts().find(({ type, readOnly, source }) => OURS.test(type) && !readOnly && isSame(source));
  if (writer === undefined) return;
  throw new SourceError(`${path} is in use: it is mounted at ${writer.mountpoint}, and somebody may write to it`);
}

/** The file that a loop device, or a partition of one, is on. */
function backingFile(path: string): Buffer | undefined {
  const device = fs.statSync(hostPath(path), { throwIfNoEntry: false });
  if (device?.isBlockDevice() !== true) return undefined;
  // A partition is in the directory of its device.
  for (const attribute of ["loop/backing_file", "../loop/backing_file"]) {
    try {
      return Buffer.from(sysfs(device.rdev, attribute).replace(/\n$/, ""), "latin1");
    } catch {
      // It has none.
    }
  }
  return undefined;
}

/** Types of our mounts. */
const OURS = /^fuse(?:blk)?\.bulkhead$/;

/** Whether somebody has a block device, or a partition of it, exclusively. */
function isInUse(name: string): boolean {
  const { O_RDONLY, O_EXCL, O_NONBLOCK } = fs.constants;
  try {
    fs.closeSync(fs.openSync(`/dev/${name}`, O_RDONLY | O_EXCL | O_NONBLOCK));
    return false;
  } catch (error) {
    return codeOf(error) === "EBUSY" || isMounted(name);
  }
}

/** As mountinfo shows it to whoever may not open the device: in this mount namespace alone. */
function isMounted(name: string): boolean {
  try {
    const partitions = fs.readdirSync(`/sys/block/${name}`).filter((entry) => entry.startsWith(`${name}p`));
    const directories = [`/sys/block/${name}`, ...partitions.map((partition) => `/sys/block/${name}/${partition}`)];
    const numbers = directories.map((directory) => fs.readFileSync(`${directory}/dev`, "latin1").trimEnd());
    const sources = [name, ...partitions].map((device) => `/dev/${device}`);
    // Of a plain FUSE mount the number says nothing.
    return listMounts().some((at) => numbers.includes(`${at.major}:${at.minor}`) || sources.includes(at.source));
  } catch {
    return false;
  }
}

/** Node's name of an error. */
export function codeOf(error: unknown): unknown {
  return error instanceof Error ? Reflect.get(error, "code") : undefined;
}

/** Why the system did not open a source, in words. */
export function reason(error: unknown): string {
  switch (codeOf(error)) {
    case "ENOENT":
      return "there is no such file or directory";
    case "EACCES":
    case "EPERM":
      return "permission denied";
    case "EROFS":
      return "it is write-protected";
    case "EISDIR":
      return "it is neither a file nor a block device";
    case "EBUSY":
      return "it is in use: mounted, part of another device, or served by another process";
    default:
      return error instanceof Error ? error.message : String(error);
  }
}

function deviceNumbers(dev: number): { readonly major: number; readonly minor: number } {
  return {
    major: ((dev >>> 8) & 0xfff) | (Math.floor(dev / 2 ** 32) & ~0xfff),
    minor: (dev & 0xff) | ((dev >>> 12) & 0xfff00),
  };
}

/** What sysfs says of a block device. */
export function sysfs(rdev: number, attribute: string): string {
  const { major, minor } = deviceNumbers(rdev);
  return fs.readFileSync(`/sys/dev/block/${major}:${minor}/${attribute}`, "latin1");
}

/** Exclusive use of a block device, apart from reading and writing it: the kernel can take it over for its mount. */
export class SourceClaim {
  readonly path: string;
  #fd: number | undefined;

  /** @throws SourceError when somebody else has it */
  constructor(path: string) {
    this.path = path;
    this.take();
  }

  take(): void {
    const { O_RDONLY, O_EXCL, O_NONBLOCK } = fs.constants;
    try {
      this.#fd ??= fs.openSync(this.path, O_RDONLY | O_EXCL | O_NONBLOCK);
    } catch (error) {
      throw new SourceError(`cannot open ${this.path}: ${reason(error)}`, { cause: error });
    }
  }

  /** While it is ours. */
  get descriptor(): number | undefined {
    return this.#fd;
  }

  release(): void {
    if (this.#fd !== undefined) fs.closeSync(this.#fd);
    this.#fd = undefined;
  }
}

export function isBlockDevice(path: string): boolean {
  return fs.statSync(hostPath(path), { throwIfNoEntry: false })?.isBlockDevice() === true;
}

/** Why a source cannot be written to, undefined if it can or if it cannot even be told. */
export function writeProtection(path: string): string | undefined {
  try {
    fs.accessSync(path, fs.constants.W_OK);
    return isProtectedDevice(path) ? "the device is write-protected" : undefined;
  } catch (error) {
    switch (codeOf(error)) {
      case "EROFS":
        return "it is on a read-only file system";
      case "EACCES":
      case "EPERM":
        return "there is no permission to write to it";
      default:
        return undefined;
    }
  }
}

function isProtectedDevice(path: string): boolean {
  const stat = fs.statSync(hostPath(path), { throwIfNoEntry: false });
  return stat?.isBlockDevice() === true && sysfs(stat.rdev, "ro") === "1\n";
}

/** The process that holds a lock (flock) on the file at `path`, of any kind or one to write, if /proc tells. */
export function lockHolder(path: string | Buffer, wanted: "any" | "WRITE" = "any"): string | undefined {
  try {
    const { dev, ino } = fs.statSync(path);
    const hex = (value: number) => value.toString(16).padStart(2, "0");
    const { major, minor } = deviceNumbers(dev);
    const file = `${hex(major)}:${hex(minor)}:${ino}`;
    for (const line of fs.readFileSync("/proc/locks", "latin1").split("\n")) {
      const [, kind, , mode, pid, where] = line.trim().split(/ +/);
      if (kind !== "FLOCK" || where !== file || pid === undefined || !(Number(pid) > 0)) continue;
      if (wanted === "any" || mode === wanted) return `process ${pid}${nameOf(pid)}`;
    }
  } catch {
    // Then it stays unnamed.
  }
  return undefined;
}

function nameOf(pid: string): string {
  try {
    return ` (${fs.readFileSync(`/proc/${pid}/comm`, "utf8").trim()})`;
  } catch {
    return ""; // hidden, or gone
  }
}

/**
 * Whether the kernel can have the source as its mount's own. A part of a device that is only read leaves the others to others, and
 * only root can mount so.
 */
export function mountsAsDevice(source: SourceOptions, writable: boolean): boolean {
  return process.geteuid?.() === 0 && (writable || isWhole(source)) && isBlockDevice(source.path);
}

/** Whether all of a file or device is the file system's. */
export function isWhole({ offset = 0, partition }: SourceOptions): boolean {
  return offset === 0 && partition === undefined;
}

/** Whether a mount will write. @throws SourceError where it must, and cannot */
export function isWritable(
  { path }: SourceOptions,
  access: Access = "read-write if possible",
  log: (message: string) => void,
): boolean {
  if (access === "read-only") return false;
  const protection = writeProtection(path);
  if (protection === undefined) return true;
  if (access === "read-write") throw new SourceError(`${path} cannot be written to: ${protection}; try -o ro`);
  log(`${path}: ${protection}: mounted read-only`);
  return false;
}
