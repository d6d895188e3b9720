import { orThrow } from "./error.js";
import { native } from "./libc.js";

const cIoctl = native<[number, number, Uint8Array]>("ioctl", "int", ["int", "uint64_t", "void *"]);
const cIoctlValue = native<[number, number, number]>("ioctl", "int", ["int", "uint64_t", "uint64_t"]);

/** Applies `request` to `fd` with `argument`, which the kernel reads or writes in place. The non-negative result. */
export function ioctl(fd: number, request: number, argument: Uint8Array): number {
  return orThrow(cIoctl(fd, request, argument), "ioctl", describe(fd, request));
}

/** As `ioctl`, for requests whose argument is a plain number. */
export function ioctlValue(fd: number, request: number, argument: number): number {
  return orThrow(cIoctlValue(fd, request, argument), "ioctl", describe(fd, request));
}

const BLKGETSIZE64 = 0x8008_1272;

/** Bytes of an open block device. ENOTTY: it is none. */
export function blockDeviceSize(fd: number): number {
  const answer = new Uint8Array(8);
  ioctl(fd, BLKGETSIZE64, answer);
  return Number(new DataView(answer.buffer).getBigUint64(0, true));
}

function describe(fd: number, request: number): string {
  return `0x${request.toString(16)} on ${fd}`;
}
