import { constants, fstatSync } from "node:fs";
import { close, Errno, Flock, flock, ioctl, ioctlValue, LinuxError, open } from "@bulkhead/linux";
import { loopDevicesOf } from "@bulkhead/linux/loop-devices";
import { bytes, struct, u32, u64 } from "@bulkhead/linux/struct";

const CONTROL = "/dev/loop-control";
const LOOP_CTL_GET_FREE = 0x4c82;
const LOOP_CONFIGURE = 0x4c0a;
const Flag = { READ_ONLY: 1, AUTOCLEAR: 4, DIRECT_IO: 16 } as const;

/** `struct loop_config` with its `struct loop_info64`; what is not named stays 0. */
const LoopConfig = struct("loop_config", 304, {
  fd: u32(0),
  block_size: u32(4),
  lo_offset: u64(32),
  lo_sizelimit: u64(40),
  lo_flags: u32(60),
  lo_file_name: bytes(64, 64),
});

/** A device is made of whole sectors. */
const SECTOR = 512;
const LOCK_TIMEOUT = 5_000;
const PAUSE = 100;
/** Others may take a free device between the question for one and its use. */
const ATTEMPTS = 16;

/**
 * A loop device on the regular file `fd`, opened with `flags`. It clears itself when its last descriptor is closed, whoever
 * has that, so that nothing of it outlives a server or a helper. Undefined if the file is used as it is: it is too small, or
 * locked, or there are no loop devices. Takes root.
 *
 * @throws {LinuxError} EBUSY: the file is some loop device's already
 */
export function loopDeviceOf(fd: number, path: Uint8Array, flags: number): number | undefined {
  if (fstatSync(fd).size < SECTOR || !lock(fd)) return undefined;
  try {
    if (loopDevicesOf(`/proc/self/fd/${fd}`).next().done !== true)
      throw new LinuxError("open", Errno.EBUSY, new TextDecoder().decode(path));
    return configured(fd, path, flags);
  } finally {
    flock(fd, Flock.UNLOCK);
  }
}

function configured(fd: number, path: Uint8Array, flags: number): number | undefined {
  const readOnly = (flags & (constants.O_RDWR | constants.O_WRONLY)) === 0;
  const common = Flag.AUTOCLEAR | (readOnly ? Flag.READ_ONLY : 0);
  try {
    const control = open(CONTROL, constants.O_RDWR);
    try {
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const device = open(`/dev/loop${ioctlValue(control, LOOP_CTL_GET_FREE, 0)}`, flags & ~constants.O_EXCL);
        // Not every file system can do direct I/O on its files.
        const done = configure(device, fd, path, common | Flag.DIRECT_IO) || configure(device, fd, path, common);
        if (done) return exclusive(device, flags);
        close(device);
      }
    } finally {
      close(control);
    }
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error;
  }
  return undefined;
}

function configure(device: number, fd: number, path: Uint8Array, flags: number): boolean {
  const config = new Uint8Array(LoopConfig.size);
  LoopConfig.write(new DataView(config.buffer), 0, { fd, lo_flags: flags, lo_file_name: path.subarray(0, 63) });
  try {
    ioctl(device, LOOP_CONFIGURE, config);
    return true;
  } catch (error) {
    if (error instanceof LinuxError) return false;
    throw error;
  }
}

/** An exclusive claim comes last: LOOP_CONFIGURE takes one itself, and would find ours. */
function exclusive(device: number, flags: number): number {
  if ((flags & constants.O_EXCL) === 0) return device;
  try {
    return open(`/proc/self/fd/${device}`, flags);
  } finally {
    close(device);
  }
}

function lock(fd: number): boolean {
  const until = performance.now() + LOCK_TIMEOUT;
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  while (!flock(fd, Flock.EXCLUSIVE | Flock.NONBLOCK)) {
    if (performance.now() > until) return false;
    Atomics.wait(sleeper, 0, 0, PAUSE);
  }
  return true;
}
