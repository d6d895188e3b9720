import * as fs from "node:fs";
import { type BlockDevice, FileDevice, type FileIo, readPartitions, SubRangeDevice } from "@bulkhead/ext4";
import { lockHolder, openDescriptor, SourceError, type SourceOptions, sysfs } from "./descriptor.js";

export { SourceError, type SourceOptions } from "./descriptor.js";
export { orPartitionChoice } from "./partition-choice.js";

const SECTOR = 512;

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
    return within(wholeDevice(fd, options, io, writable), options);
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
}

function wholeDevice(fd: number, options: SourceOptions, io: SourceIo, writable: boolean): FileDevice {
  const stat = io.fstatSync(fd);
  if (stat.isFile()) {
    lock(fd, options, io, writable);
    return new FileDevice(io, fd, { readOnly: !writable });
  }
  if (stat.isBlockDevice()) {
    const size = io.deviceSize?.(fd) ?? Number(sysfs(stat.rdev, "size")) * SECTOR;
    return new FileDevice(io, fd, { size, readOnly: !writable });
  }
  throw new SourceError(`${options.path} is neither a file nor a block device`);
}

function lock(fd: number, { path, descriptor }: SourceOptions, io: SourceIo, writable: boolean): void {
  if (io.flock === undefined) return;
  try {
    if (io.flock(fd, (writable ? LOCK_EX : LOCK_SH) | LOCK_NB)) return;
  } catch {
    return; // a file system without locks, as some on the network are
  }
  // Whoever was given it open may not see other processes; that is for the one who opened it.
  const holder = descriptor === undefined ? lockHolder(path) : undefined;
  const others = writable ? "whoever writes to it must be alone" : "somebody writes to it";
  throw new SourceError(`${path} is in use${holder === undefined ? "" : ` by ${holder}`}: ${others}`);
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
