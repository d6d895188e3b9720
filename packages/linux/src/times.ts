import { Errno } from "./errno.js";
import { LinuxError, orThrow } from "./error.js";
import type { Timespec } from "./inode.js";
import { cString, native, type Path, showPath } from "./libc.js";

const AT_FDCWD = -100;
const CALL = "utimensat";

type Times = Uint8Array | null;
const cUtimensat = native<[number, Uint8Array, Times, number]>(CALL, "int", ["int", "void *", "void *", "int"]);
const cFutimens = native<[number, Times]>("futimens", "int", ["int", "void *"]);

/** Sets access and modification time, to the nanosecond, of what `path` leads to. Nanoseconds may be UTIME_NOW or UTIME_OMIT. */
export function utimens(path: Path, atime: Timespec, mtime: Timespec): void {
  orThrow(cUtimensat(AT_FDCWD, cString(path, CALL), encode(atime, mtime), 0), CALL, showPath(path));
}

/** Sets both times to now, which takes no more than write permission. */
export function utimensNow(path: Path): void {
  orThrow(cUtimensat(AT_FDCWD, cString(path, CALL), null, 0), CALL, showPath(path));
}

/** As `utimens`, of an open file. */
export function futimens(fd: number, atime: Timespec, mtime: Timespec): void {
  orThrow(cFutimens(fd, encode(atime, mtime)), "futimens", fd);
}

function encode(atime: Timespec, mtime: Timespec): Uint8Array {
  const times = new Uint8Array(32);
  const view = new DataView(times.buffer);
  for (const [i, time] of [atime, mtime].entries()) {
    if (!Number.isSafeInteger(time.seconds)) throw new LinuxError(CALL, Errno.EINVAL);
    view.setBigInt64(i * 16, BigInt(time.seconds), true);
    view.setUint32(i * 16 + 8, time.nanoseconds, true);
  }
  return times;
}
