import { orThrow } from "./error.js";
import { IoVector } from "./iovec.js";
import { addressOf, bare, cString, lastErrno, native, type Path, showPath } from "./libc.js";

/** Flags of `open` that `node:fs` constants lack. */
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;

/** `RWF_*` flags of preadv2 and pwritev2. */
export const RWF = { HIPRI: 1, DSYNC: 2, SYNC: 4, NOWAIT: 8, APPEND: 16 } as const;

/** `FALLOC_FL_*` modes of fallocate. */
export const Falloc = { KEEP_SIZE: 1, PUNCH_HOLE: 2, COLLAPSE_RANGE: 8, ZERO_RANGE: 16, INSERT_RANGE: 32 } as const;

/** Operations of flock. */
export const Flock = { SHARED: 1, EXCLUSIVE: 2, NONBLOCK: 4, UNLOCK: 8 } as const;

const SEEK_DATA = 3;
const SEEK_HOLE = 4;

const cOpen = native<[Uint8Array, number, number]>("open", "int", ["void *", "int", "uint"]);
const cClose = native<[number]>("close", "int", ["int"]);
const cFallocate = native<[number, number, number, number]>("fallocate64", "int", ["int", "int", "int64_t", "int64_t"]);
const cLseek = native<[number, number, number]>("lseek64", "int64_t", ["int", "int64_t", "int"]);
const cFlock = native<[number, number]>("flock", "int", ["int", "int"]);
const cFcntl = native<[number, number, number]>("fcntl", "int", ["int", "int", "long"]);
const cDup3 = native<[number, number, number]>("dup3", "int", ["int", "int", "int"]);
const cMemfd = native<[Uint8Array, number]>("memfd_create", "int", ["void *", "uint"]);

/** Opens `path` with `flags` (always with O_CLOEXEC) and gives the descriptor. */
export function open(path: Path, flags: number, mode = 0): number {
  return orThrow(cOpen(cString(path, "open"), flags | O_CLOEXEC, mode), "open", showPath(path));
}

/** Another descriptor of the same open file. */
export function duplicate(fd: number): number {
  return orThrow(cFcntl(fd, 1030 /* F_DUPFD_CLOEXEC */, 0), "fcntl", fd);
}

export function close(fd: number): void {
  orThrow(cClose(fd), "close", fd);
}

const cRead = bare<[number, number, number]>("read", "int64_t", ["int", "uintptr_t", "size_t"]);
const cWrite = bare<[number, number, number]>("write", "int64_t", ["int", "uintptr_t", "size_t"]);
const cPread = bare<[number, number, number, number]>("pread64", "int64_t", ["int", "uintptr_t", "size_t", "int64_t"]);
const cPwrite = bare<[number, number, number, number]>("pwrite64", "int64_t", [
  "int",
  "uintptr_t",
  "size_t",
  "int64_t",
]);
const cReadv = bare<[number, number, number]>("readv", "int64_t", ["int", "uintptr_t", "int"]);
const cWritev = bare<[number, number, number]>("writev", "int64_t", ["int", "uintptr_t", "int"]);
const VECTOR_AT: ["int", "uintptr_t", "int", "int64_t", "int"] = ["int", "uintptr_t", "int", "int64_t", "int"];
const cPreadv2 = bare<[number, number, number, number, number]>("preadv64v2", "int64_t", VECTOR_AT);
const cPwritev2 = bare<[number, number, number, number, number]>("pwritev64v2", "int64_t", VECTOR_AT);

/*
 * Hot calls. Each transfers up to `length` bytes of `bytes` from `offset` on and returns how many, or −errno; it never
 * throws for what the kernel says, only (RangeError) for a span outside `bytes`.
 */

export function read(fd: number, bytes: Uint8Array, offset: number, length: number): number {
  const n = cRead(fd, addressOf(bytes, offset, length), length);
  return n < 0 ? -lastErrno() : n;
}

export function write(fd: number, bytes: Uint8Array, offset: number, length: number): number {
  const n = cWrite(fd, addressOf(bytes, offset, length), length);
  return n < 0 ? -lastErrno() : n;
}

/** As `read`, from byte `position` of the file. */
export function pread(fd: number, bytes: Uint8Array, offset: number, length: number, position: number): number {
  const n = cPread(fd, addressOf(bytes, offset, length), length, position);
  return n < 0 ? -lastErrno() : n;
}

/** As `write`, at byte `position` of the file. */
export function pwrite(fd: number, bytes: Uint8Array, offset: number, length: number, position: number): number {
  const n = cPwrite(fd, addressOf(bytes, offset, length), length, position);
  return n < 0 ? -lastErrno() : n;
}

/** Scatters into the first `count` entries of `vector`. */
export function readv(fd: number, vector: IoVector, count: number): number {
  const n = cReadv(fd, vector.address(count), count);
  return n < 0 ? -lastErrno() : n;
}

/** Gathers the first `count` entries of `vector` into one write. */
export function writev(fd: number, vector: IoVector, count: number): number {
  const n = cWritev(fd, vector.address(count), count);
  return n < 0 ? -lastErrno() : n;
}

/** As `readv` at byte `position` (−1: the file's own position), with `RWF` flags; NOWAIT gives −EAGAIN if it would block. */
export function preadv2(fd: number, vector: IoVector, count: number, position: number, flags: number): number {
  const n = cPreadv2(fd, vector.address(count), count, position, flags);
  return n < 0 ? -lastErrno() : n;
}

const cNow = new IoVector(1);

/** As `pread`, but only what needs no waiting (RWF_NOWAIT); −EAGAIN when that is nothing. */
export function preadNow(fd: number, bytes: Uint8Array, offset: number, length: number, position: number): number {
  cNow.set(0, bytes, offset, length);
  return preadv2(fd, cNow, 1, position, RWF.NOWAIT);
}

/** As `writev` at byte `position` (−1: the file's own position), with `RWF` flags. */
export function pwritev2(fd: number, vector: IoVector, count: number, position: number, flags: number): number {
  const n = cPwritev2(fd, vector.address(count), count, position, flags);
  return n < 0 ? -lastErrno() : n;
}

const cReadahead = bare<[number, number, number]>("readahead", "int64_t", ["int", "int64_t", "size_t"]);

/** Starts reading a range of the file into the page cache, in the background. A hint: what fails, fails silently. */
export function readahead(fd: number, position: number, length: number): void {
  cReadahead(fd, position, length);
}

/** Allocates, punches or zeroes `[position, position + length)` of the file, by the `Falloc` bits of `mode`. */
export function fallocate(fd: number, mode: number, position: number, length: number): void {
  orThrow(cFallocate(fd, mode, position, length), "fallocate", fd);
}

/** The first byte of data at or after `position`, or −1 if only a hole follows. */
export function seekData(fd: number, position: number): number {
  return seek(fd, position, SEEK_DATA);
}

/** The first byte of a hole at or after `position` (the end of the file is one), or −1 past the end. */
export function seekHole(fd: number, position: number): number {
  return seek(fd, position, SEEK_HOLE);
}

function seek(fd: number, position: number, whence: number): number {
  const at = cLseek(fd, position, whence);
  return at === -6 /* ENXIO: nothing of that kind follows */ ? -1 : orThrow(at, "lseek", fd);
}

/** Takes or drops the lock of an open file, by the `Flock` bits; false if NONBLOCK was asked and it is taken. */
export function flock(fd: number, operation: number): boolean {
  const result = cFlock(fd, operation);
  if (result === -11 /* EAGAIN */) return false;
  orThrow(result, "flock", fd);
  return true;
}

/** Makes `fd` non-blocking, or blocking again. */
export function setNonBlocking(fd: number, on: boolean): void {
  const O_NONBLOCK = 0o4000;
  const flags = orThrow(cFcntl(fd, 3 /* F_GETFL */, 0), "fcntl", fd);
  orThrow(cFcntl(fd, 4 /* F_SETFL */, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK), "fcntl", fd);
}

/** Lets `fd` survive execve (a descriptor for a child), or not. */
export function setCloseOnExec(fd: number, on: boolean): void {
  orThrow(cFcntl(fd, 2 /* F_SETFD */, on ? 1 : 0), "fcntl", fd);
}

/** Whether execve closes `fd`. @throws {LinuxError} EBADF */
export function isCloseOnExec(fd: number): boolean {
  return (orThrow(cFcntl(fd, 1 /* F_GETFD */, 0), "fcntl", fd) & 1) === 1;
}

/** Closes descriptor `fd`, and has it be what `source` is from there on. @throws {LinuxError} EBADF */
export function replaceDescriptor(fd: number, source: number): void {
  orThrow(cDup3(source, fd, O_CLOEXEC), "dup3", fd);
}

/** An anonymous file in memory; `name` only shows in /proc. Only a `sealable` one takes seals. */
export function memfdCreate(name: string, sealable = false): number {
  const flags = 1 /* MFD_CLOEXEC */ | (sealable ? 2 /* MFD_ALLOW_SEALING */ : 0);
  return orThrow(cMemfd(cString(name, "memfd_create"), flags), "memfd_create", name);
}

/** What can be forbidden of a file in memory, for ever and for every descriptor of it. */
export const Seal = { SEAL: 1, SHRINK: 2, GROW: 4, WRITE: 8 } as const;

/** Forbids by the `Seal` bits. EPERM: not sealable, or SEAL was set before. */
export function addSeals(fd: number, seals: number): void {
  orThrow(cFcntl(fd, 1033 /* F_ADD_SEALS */, seals), "fcntl", fd);
}

/** The `Seal` bits of a file in memory. EINVAL: it is none. */
export function getSeals(fd: number): number {
  return orThrow(cFcntl(fd, 1034 /* F_GET_SEALS */, 0), "fcntl", fd);
}
