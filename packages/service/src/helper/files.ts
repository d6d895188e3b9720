import { constants, fstatSync } from "node:fs";
import { close, Errno, ioctl, LinuxError, O_PATH, open, setNonBlocking } from "@bulkhead/linux";
import { asCaller, type Caller } from "./caller.js";
import { loopDeviceOf } from "./loop-device.js";
import type { FileOpening } from "./session.js";

/** `_IOW(0x12, 113, size_t)` of a 64-bit kernel; the argument is an int. */
const BLKBSZSET = 0x40081271;

/**
 * Opens a regular file or a block device with the caller's rights. What it is, is seen before it is opened: opening others
 * (a tape, a watchdog, a FIFO) can have effects, or take for ever.
 *
 * @throws {LinuxError} of open(2); ENOTBLK: not the block device that was asked for; EISDIR; EACCES: neither; of BLKBSZSET
 */
export function openFile(path: Uint8Array, opening: FileOpening, caller: Caller): number {
  const { flags, blockDevice, blockSize, tryLoop } = opening;
  const found = asCaller(caller, () => open(path, O_PATH));
  let fd: number;
  let isFile: boolean;
  try {
    const stat = fstatSync(found);
    isFile = stat.isFile();
    if (blockDevice && !stat.isBlockDevice()) throw refusal(Errno.ENOTBLK, path);
    if (stat.isDirectory()) throw refusal(Errno.EISDIR, path);
    if (!isFile && !stat.isBlockDevice()) throw refusal(Errno.EACCES, path);
    // What was looked at is opened, not what the path may be by now.
    const how = flags | constants.O_NONBLOCK | constants.O_NOCTTY;
    fd = asCaller(caller, () => open(`/proc/self/fd/${found}`, how));
  } finally {
    close(found);
  }
  try {
    if ((flags & constants.O_NONBLOCK) === 0) setNonBlocking(fd, false);
    if (blockSize !== 0) {
      const size = new Uint8Array(8);
      new DataView(size.buffer).setUint32(0, blockSize, true);
      ioctl(fd, BLKBSZSET, size);
    }
    const loop = tryLoop && isFile ? loopDeviceOf(fd, path, flags) : undefined;
    if (loop === undefined) return fd;
    close(fd);
    return loop;
  } catch (error) {
    close(fd);
    throw error;
  }
}

function refusal(errno: number, path: Uint8Array): LinuxError {
  return new LinuxError("open", errno, new TextDecoder().decode(path));
}
