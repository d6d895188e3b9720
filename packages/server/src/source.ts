import * as fs from "node:fs";
import { type BlockDevice, FileDevice, type FileIo, readPartitions, SubRangeDevice } from "@bulkhead/ext4";
import { codeOf, openDescriptor, reason, SourceError } from "./descriptor.js";

export { SourceError } from "./descriptor.js";

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
}

const SECTOR = 512;

function deviceNumbers(dev: number): { readonly major: number; readonly minor: number } {
  return {
    major: ((dev >>> 8) & 0xfff) | (Math.floor(dev / 2 ** 32) & ~0xfff),
    minor: (dev & 0xff) | ((dev >>> 12) & 0xfff00),
  };
}

/** What sysfs says of a block device. */
function sysfs(rdev: number, attribute: string): string {
  const { major, minor } = deviceNumbers(rdev);
  return fs.readFileSync(`/sys/dev/block/${major}:${minor}/${attribute}`, "latin1");
}

/** `node:fs`, and what it lacks for a source that is mounted. */
export interface SourceIo extends FileIo {
  fstatSync(fd: number): Pick<fs.Stats, "size" | "dev" | "ino" | "rdev" | "isFile" | "isBlockDevice">;
  /** Bytes of the block device `fd`; without it, sysfs is asked. */
  deviceSize?(fd: number): number;
  /** flock(2); false when it would have to wait. Without it, nothing is locked. */
  flock?(fd: number, operation: number): boolean;
}

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;

/**
 * Opens a source. For writing, nobody else may have it: a block device is opened exclusively, as the kernel's own mounts are,
 * and a file is locked (flock); a file that is read, with `io.flock`, must not be written by another meanwhile.
 *
 * @param io `node:fs`, or that and what it lacks
 * @param claimed whether the caller, or the kernel's mount, has the block device exclusively already: see {@link SourceClaim}
 * @throws SourceError when it cannot be opened, is in use, or has no such partition or offset
 */
export function openSource(options: SourceOptions, io: SourceIo = fs, writable = false, claimed = false): BlockDevice {
  const { path, descriptor } = options;
  const fd = descriptor ?? openDescriptor(path, writable, claimed);
  try {
    return within(wholeDevice(fd, path, io, writable), options);
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
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
  return fs.statSync(path, { throwIfNoEntry: false })?.isBlockDevice() === true;
}

/** Why a source cannot be written to, undefined if it can or if it cannot even be told. */
export function writeProtection(path: string): string | undefined {
  try {
    const stat = fs.statSync(path);
    fs.accessSync(path, fs.constants.W_OK);
    return stat.isBlockDevice() && sysfs(stat.rdev, "ro") === "1\n" ? "the device is write-protected" : undefined;
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

function wholeDevice(fd: number, path: string, io: SourceIo, writable: boolean): FileDevice {
  const stat = io.fstatSync(fd);
  if (stat.isFile()) {
    lock(fd, path, io, writable, stat);
    return new FileDevice(io, fd, { readOnly: !writable });
  }
  if (stat.isBlockDevice()) {
    const size = io.deviceSize?.(fd) ?? Number(sysfs(stat.rdev, "size")) * SECTOR;
    return new FileDevice(io, fd, { size, readOnly: !writable });
  }
  throw new SourceError(`${path} is neither a file nor a block device`);
}

function lock(
  fd: number,
  path: string,
  io: SourceIo,
  writable: boolean,
  { dev, ino }: { dev: number; ino: number },
): void {
  if (io.flock === undefined) return;
  try {
    if (io.flock(fd, (writable ? LOCK_EX : LOCK_SH) | LOCK_NB)) return;
  } catch {
    return; // a file system without locks, as some on the network are
  }
  const holder = lockHolder(dev, ino);
  const others = writable ? "whoever writes to it must be alone" : "somebody writes to it";
  throw new SourceError(`${path} is in use${holder === undefined ? "" : ` by ${holder}`}: ${others}`);
}

/** The process that holds a lock on a file, if /proc tells. */
function lockHolder(dev: number, ino: number): string | undefined {
  try {
    const hex = (value: number) => value.toString(16).padStart(2, "0");
    const { major, minor } = deviceNumbers(dev);
    const file = `${hex(major)}:${hex(minor)}:${ino}`;
    for (const line of fs.readFileSync("/proc/locks", "latin1").split("\n")) {
      const [, kind, , , pid, where] = line.trim().split(/ +/);
      if (kind !== "FLOCK" || where !== file || pid === undefined || !(Number(pid) > 0)) continue;
      return `process ${pid} (${fs.readFileSync(`/proc/${pid}/comm`, "utf8").trim()})`;
    }
  } catch {
    // Then it stays unnamed.
  }
  return undefined;
}

function within(device: FileDevice, { path, offset, partition }: SourceOptions): BlockDevice {
  if (partition !== undefined) {
    if (offset !== undefined) throw new SourceError("offset and partition exclude each other");
    const table = readPartitions(device);
    if (table === undefined) throw new SourceError(`${path} has no partition table`);
    const found = table.partitions.find(({ number }) => number === partition);
    if (found === undefined) {
      const numbers = table.partitions.map(({ number }) => number).join(", ");
      throw new SourceError(
        `${path} has no partition ${partition}; ${numbers === "" ? "its table is empty" : `there are ${numbers}`}`,
      );
    }
    return new SubRangeDevice(device, found.offset, found.length);
  }
  if (offset === undefined || offset === 0) return device;
  if (offset >= device.size) throw new SourceError(`${path} ends at ${device.size}, before offset ${offset}`);
  return new SubRangeDevice(device, offset, device.size - offset);
}
