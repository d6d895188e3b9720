/** Whether a mount's kernel does the file I/O itself, and how it gets to know the device. */
import * as fs from "node:fs";
import {
  IomapSupport,
  iomapSupport,
  registerIomapDevice,
  setIomapBlockSize,
  setNoFilesystemRecursion,
} from "@bulkhead/fuse";
import { ioctl, LinuxError } from "@bulkhead/linux";
import { isBlockDevice, SourceError, type SourceOptions } from "./descriptor.js";

/** `-o iomap=`: whether the kernel is to do the file I/O; the default is that it does where it can. */
export type IomapChoice = "never" | "default" | "required";

/** What is known of a mount before its file system is opened. */
export interface IomapCandidate {
  readonly source: SourceOptions;
  /** Whether it is a block device, or will be one; default what is at its path. */
  readonly blockDevice?: boolean;
  readonly data: string | undefined;
}

/** What a mount asks of the one that does its file I/O. */
export interface IomapWishes {
  readonly iomap: IomapChoice;
  readonly strictAtime: boolean;
  readonly lazyTime: boolean;
}

/** Whether the kernel is to do the file I/O. @throws SourceError where that is asked for, or needed, and cannot be */
export function usesIomap({ iomap, strictAtime, lazyTime }: IomapWishes, candidate: IomapCandidate): boolean {
  const why = iomap === "never" ? "iomap=0 switches it off" : whyNoIomap(candidate);
  if (why === undefined) return true;
  if (iomap === "required") throw new SourceError(`iomap=1 is not possible: ${why}`);
  const needs = strictAtime ? "strictatime" : lazyTime ? "lazytime" : undefined;
  if (needs === undefined) return false;
  throw new SourceError(`mount option ${needs} is not possible without iomap: ${why}`);
}

/**
 * Why the kernel cannot do a mount's file I/O, undefined when it can.
 *
 * @param support what the kernel offers, `IomapSupport` bits
 */
export function whyNoIomap(
  { source, blockDevice = isBlockDevice(source.path), data }: IomapCandidate,
  support: number = iomapSupport(),
): string | undefined {
  if ((support & IomapSupport.FILEIO) === 0) {
    return "this kernel has no fuse-iomap, or does not let this process use it (it takes CAP_SYS_RAWIO)";
  }
  if (!blockDevice) {
    return `${source.path} is a file, and the kernel does file I/O on block devices: attach it with losetup(8)`;
  }
  if (source.partition !== undefined || (source.offset ?? 0) !== 0) {
    return "the file system is a part of the device: mount the partition's own device";
  }
  return data === "journal" ? "with data=journal, file data goes through the server" : undefined;
}

/** _IOW(0x12, 113, size_t): the block size of a block device's page cache. */
const BLKBSZSET = 0x4008_1271;

/** What a kernel that does the file I/O needs to know of the device. */
export interface KernelDevice {
  readonly path: string;
  /** Opened already; otherwise `path` is opened for as long as it takes. */
  readonly descriptor: number | undefined;
  readonly writable: boolean;
  /** That has the device exclusively, where somebody does: the only one that may set its block size. */
  readonly claim: number | undefined;
  readonly blockSize: number;
}

/**
 * Registers the device with the kernel, and sees to it that the device's own page cache, through which metadata is read and written,
 * shares no page of file data with it.
 *
 * @param connection the mounted /dev/fuse
 * @returns the number for mappings
 * @throws LinuxError, or node:fs's errors; SourceError, see keepBlocksApart
 */
export function registerWithKernel(connection: number, device: KernelDevice, log: (line: string) => void): number {
  const { path, descriptor, writable, claim, blockSize } = device;
  const { O_RDWR, O_RDONLY, O_NONBLOCK } = fs.constants;
  const fd = descriptor ?? fs.openSync(path, (writable ? O_RDWR : O_RDONLY) | O_NONBLOCK);
  let id: number;
  try {
    id = registerIomapDevice(connection, fd);
  } finally {
    if (descriptor === undefined) fs.closeSync(fd);
  }
  const ways = [() => setIomapBlockSize(connection, id, blockSize)];
  if (claim !== undefined) {
    ways.unshift(() => void ioctl(claim, BLKBSZSET, new Uint8Array(Uint32Array.of(blockSize).buffer)));
  }
  keepBlocksApart(device, ways, log);
  attempt(log, `${path}: under pressure of memory, the server may wait for itself`, () => {
    setNoFilesystemRecursion(connection, true);
  });
  return id;
}

/** The smallest page of a system's cache: blocks of this size share none. */
const PAGE = 4096;

/**
 * Has the device's page cache write back blocks of the file system one by one. Where it takes whole pages, and these hold several blocks,
 * metadata would take along what the page had of its neighbours when it was read: over a file's data.
 *
 * @param ways to set the block size: BLKBSZSET is the administrator's alone, and not every kernel has the other one
 * @throws SourceError when none works for a device that is written to, and pages would be shared
 */
export function keepBlocksApart(
  { path, writable, blockSize }: Pick<KernelDevice, "path" | "writable" | "blockSize">,
  ways: readonly (() => void)[],
  log: (line: string) => void,
): void {
  let failure: LinuxError | undefined;
  for (const set of ways) {
    try {
      set();
      return;
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error;
      failure = error;
    }
  }
  const what = `${path}: the block size of its page cache stays: ${failure?.message ?? "nobody may set it"}`;
  if (writable && blockSize < PAGE) {
    throw new SourceError(`${what}; with blocks of ${blockSize} bytes, that would damage files: mount with iomap=0`);
  }
  log(what);
}

/** What can be done without. */
function attempt(log: (line: string) => void, without: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error;
    log(`${without}: ${error.message}`);
  }
}

/** Sizes that a device writes wholly or not at all, in bytes. */
export interface AtomicWriteSizes {
  readonly least: number;
  readonly most: number;
}

/** What kernel and device write wholly or not at all; undefined where that is nothing. `rdev`: of the block device. */
export function atomicWriteSizes(rdev: number, support: number = iomapSupport()): AtomicWriteSizes | undefined {
  if ((support & IomapSupport.ATOMIC) === 0) return undefined;
  const major = (rdev >>> 8) & 0xfff;
  const minor = (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
  const limit = (name: string) => {
    for (const place of ["queue", "../queue"]) {
      try {
        return Number(fs.readFileSync(`/sys/dev/block/${major}:${minor}/${place}/${name}`, "latin1"));
      } catch {
        // A partition has the queue of its disk; an older kernel has no such limit.
      }
    }
    return 0;
  };
  const least = limit("atomic_write_unit_min_bytes");
  return least > 0 ? { least, most: limit("atomic_write_unit_max_bytes") } : undefined;
}
