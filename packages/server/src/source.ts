import * as fs from "node:fs";
import { type BlockDevice, FileDevice, type FileIo, readPartitions, SubRangeDevice } from "@bulkhead/ext4";

/** Which bytes of which file are the file system. */
export interface SourceOptions {
  /** An image file or a block device. */
  readonly path: string;
  /** Byte offset of the file system in it. Default 0. */
  readonly offset?: number;
  /** Number of the partition that holds the file system, as in the partition table; not together with `offset`. */
  readonly partition?: number;
}

/** A source that cannot be used, with what to do about it. */
export class SourceError extends Error {
  readonly code = "ERR_BULKHEAD_SOURCE";

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "SourceError";
  }
}

const SECTOR = 512;

/** Size of a block device in bytes; sysfs tells it without an ioctl. */
function blockDeviceSize(rdev: number): number {
  const major = ((rdev >>> 8) & 0xfff) | (Math.floor(rdev / 2 ** 32) & ~0xfff);
  const minor = (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
  return Number(fs.readFileSync(`/sys/dev/block/${major}:${minor}/size`, "latin1")) * SECTOR;
}

/**
 * Opens a source for reading.
 *
 * @param io `node:fs`, or that and what it lacks
 * @throws SourceError when it cannot be opened or has no such partition or offset
 */
export function openSource(options: SourceOptions, io: FileIo = fs): BlockDevice {
  const { path } = options;
  let fd: number;
  try {
    fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK); // a fifo must not make us wait
  } catch (error) {
    throw new SourceError(`cannot open ${path}: ${reason(error)}`, { cause: error });
  }
  try {
    return within(wholeDevice(fd, path, io), options);
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
}

function wholeDevice(fd: number, path: string, io: FileIo): FileDevice {
  const stat = fs.fstatSync(fd);
  if (stat.isFile()) return new FileDevice(io, fd);
  if (stat.isBlockDevice()) return new FileDevice(io, fd, { size: blockDeviceSize(stat.rdev) });
  throw new SourceError(`${path} is neither a file nor a block device`);
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

function reason(error: unknown): string {
  const code: unknown = error instanceof Error ? Reflect.get(error, "code") : undefined;
  switch (code) {
    case "ENOENT":
      return "there is no such file or directory";
    case "EACCES":
    case "EPERM":
      return "permission denied";
    default:
      return error instanceof Error ? error.message : String(error);
  }
}
