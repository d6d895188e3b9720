import { orThrow } from "./error.js";
import type { Timespec } from "./inode.js";
import { bare, lastErrno } from "./libc.js";

const CLOCK_REALTIME_COARSE = 5;
const cClockGettime = bare<[number, Uint8Array]>("clock_gettime", "int", ["int", "void *"]);

const timespec = new Uint8Array(16);
const view = new DataView(timespec.buffer);

/** The time of the kernel's last tick, which is what it stamps inodes with: an exact time may be ahead of its next stamp. */
export function coarseTime(): Timespec {
  if (cClockGettime(CLOCK_REALTIME_COARSE, timespec) !== 0) orThrow(-lastErrno(), "clock_gettime");
  return {
    seconds: view.getUint32(0, true) + view.getInt32(4, true) * 2 ** 32,
    nanoseconds: view.getUint32(8, true),
  };
}
