import { Errno } from "./errno.js";
import { orThrow } from "./error.js";
import { native } from "./libc.js";

/** Kinds of record locks (`F_RDLCK` …). */
export const LockKind = { READ: 0, WRITE: 1, UNLOCK: 2 } as const;

/** Whose a record lock is: the process's (F_SETLK), or the open file's (F_OFD_SETLK). */
export type LockOwner = "process" | "open file";

const GET = { process: 5, "open file": 36 } as const;
const SET = { process: 6, "open file": 37 } as const;
const SET_WAIT = { process: 7, "open file": 38 } as const;

const cFcntl = native<[number, number, Uint8Array]>("fcntl", "int", ["int", "int", "void *"]);

/** A range of bytes under a lock; length 0 reaches to the end, wherever that will be. */
export interface RecordLock {
  readonly kind: number;
  readonly start: number;
  readonly length: number;
}

/** The first lock in the way of `lock`, with the process that holds it (−1: an open file's); undefined if there is none. */
export function testLock(fd: number, owner: LockOwner, lock: RecordLock): (RecordLock & { pid: number }) | undefined {
  const bytes = encode(lock);
  orThrow(cFcntl(fd, GET[owner], bytes), "fcntl(F_GETLK)", fd);
  const view = new DataView(bytes.buffer);
  const kind = view.getInt16(0, true);
  if (kind === LockKind.UNLOCK) return undefined;
  const start = Number(view.getBigInt64(8, true));
  const length = Number(view.getBigInt64(16, true));
  return { kind, start, length, pid: view.getInt32(24, true) };
}

/** Takes or drops a lock; false if another's is in the way. */
export function setLock(fd: number, owner: LockOwner, lock: RecordLock): boolean {
  const result = cFcntl(fd, SET[owner], encode(lock));
  if (result === -Errno.EAGAIN || result === -Errno.EACCES) return false;
  orThrow(result, "fcntl(F_SETLK)", fd);
  return true;
}

/** As `setLock`, but waits, and the whole thread with it. EDEADLK: all would wait for each other. */
export function setLockWaiting(fd: number, owner: LockOwner, lock: RecordLock): void {
  orThrow(cFcntl(fd, SET_WAIT[owner], encode(lock)), "fcntl(F_SETLKW)", fd);
}

/** struct flock of 64-bit Linux: l_type, l_whence (SEEK_SET), l_start, l_len, l_pid. */
function encode(lock: RecordLock): Uint8Array {
  const bytes = new Uint8Array(32);
  const view = new DataView(bytes.buffer);
  view.setInt16(0, lock.kind, true);
  view.setBigInt64(8, BigInt(lock.start), true);
  view.setBigInt64(16, BigInt(lock.length), true);
  return bytes;
}
