import { close, ioctl, ioctlValue, LinuxError } from "@bulkhead/linux";
import { openDevice } from "./mount/kernel.js";
import { BackingType, DeviceIoctl } from "./protocol/flags.js";
import { FuseBackingMap, FuseIomapBackingInfo, FuseIomapSupport } from "./protocol/structs.js";

/*
 * What fuse-iomap adds to the ioctls of /dev/fuse. A kernel without it answers ENOTTY to each, or EINVAL.
 */

/**
 * What the kernel would let this process's mounts do, a set of `IomapSupport` bits; 0 for a kernel without iomap, for one that
 * has it switched off, and for a process that may not.
 *
 * @param fd an open /dev/fuse, mounted or not; default one of its own
 */
export function iomapSupport(fd?: number): number {
  let device = fd;
  try {
    device ??= openDevice();
    const buffer = new Uint8Array(FuseIomapSupport.size);
    ioctl(device, DeviceIoctl.IOMAP_SUPPORT, buffer);
    return FuseIomapSupport.view(new DataView(buffer.buffer)).flagsLo;
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error;
    return 0;
  } finally {
    if (fd === undefined && device !== undefined) close(device);
  }
}

/**
 * Lets whoever mounts with `fd`, an open and unmounted /dev/fuse, use iomap: what a privileged process does for others.
 *
 * @throws LinuxError EPERM without CAP_SYS_RAWIO, EINVAL when it is mounted already
 */
export function allowIomap(fd: number): void {
  ioctlValue(fd, DeviceIoctl.ADD_IOMAP, 0);
}

/**
 * Memory that the calling thread allocates is not got by writing back what it serves itself, and it is not slowed down when too
 * much is waiting to be written: or it would wait for itself.
 *
 * @throws LinuxError EPERM where iomap is neither in use nor allowed
 */
export function setNoFilesystemRecursion(fd: number, on: boolean): void {
  const buffer = new Uint8Array(4);
  buffer[0] = on ? 1 : 0;
  ioctl(fd, DeviceIoctl.SET_NOFS, buffer);
}

/**
 * Registers a block device for mappings to name; its descriptor may be closed afterwards, and its open mode counts.
 *
 * @param fd the mounted /dev/fuse, after INIT has agreed on IOMAP
 * @returns the number, 1 to 1024
 * @throws LinuxError EPERM, EBADF, ENODEV for what is no block device, ENOSPC
 */
export function registerIomapDevice(fd: number, blockDevice: number): number {
  const buffer = new Uint8Array(FuseBackingMap.size);
  FuseBackingMap.write(new DataView(buffer.buffer), 0, { fd: blockDevice, flags: BackingType.IOMAP });
  return ioctl(fd, DeviceIoctl.BACKING_OPEN, buffer);
}

/** Forgets a registered device. @throws LinuxError EBUSY while inodes are in use, ENOENT */
export function unregisterIomapDevice(fd: number, id: number): void {
  const buffer = new Uint8Array(4);
  new DataView(buffer.buffer).setUint32(0, id, true);
  ioctl(fd, DeviceIoctl.BACKING_CLOSE, buffer);
}

/**
 * Sets the block size of a registered device's own page cache, as BLKBSZSET does on the device: for who may not open that with
 * the rights it takes.
 *
 * @throws LinuxError EOPNOTSUPP, ENOENT, EINVAL; ENOTTY for a kernel that does not know this one
 */
export function setIomapBlockSize(fd: number, id: number, blockSize: number): void {
  const buffer = new Uint8Array(FuseIomapBackingInfo.size);
  FuseIomapBackingInfo.write(new DataView(buffer.buffer), 0, { backing_id: id, blocksize: blockSize });
  ioctl(fd, DeviceIoctl.IOMAP_SET_BLOCKSIZE, buffer);
}
