/** System calls as cases make them: numbers and bytes in, an error with an errno out, whoever wraps the call. */
import { constants } from "node:fs";
import * as linux from "@bulkhead/linux";

/** Flags of open(2). */
export const O = {
  RDONLY: constants.O_RDONLY,
  WRONLY: constants.O_WRONLY,
  RDWR: constants.O_RDWR,
  CREAT: constants.O_CREAT,
  EXCL: constants.O_EXCL,
  TRUNC: constants.O_TRUNC,
  APPEND: constants.O_APPEND,
  NONBLOCK: constants.O_NONBLOCK,
  DSYNC: constants.O_DSYNC,
  SYNC: constants.O_SYNC,
  DIRECT: constants.O_DIRECT,
  DIRECTORY: constants.O_DIRECTORY,
  NOFOLLOW: constants.O_NOFOLLOW,
  NOATIME: constants.O_NOATIME,
  PATH: linux.O_PATH,
  TMPFILE: 0o20000000 | constants.O_DIRECTORY,
} as const;

/** Types in a mode. */
export const S = {
  MASK: constants.S_IFMT,
  REG: constants.S_IFREG,
  DIR: constants.S_IFDIR,
  LNK: constants.S_IFLNK,
  CHR: constants.S_IFCHR,
  BLK: constants.S_IFBLK,
  FIFO: constants.S_IFIFO,
  SOCK: constants.S_IFSOCK,
} as const;

type Data = string | Uint8Array;

function bytesOf(data: Data): Uint8Array {
  return typeof data === "string" ? Buffer.from(data) : data;
}

/** write(2): how many bytes. */
export function write(fd: number, data: Data): number {
  const bytes = bytesOf(data);
  return linux.orThrow(linux.write(fd, bytes, 0, bytes.length), "write", fd);
}

/** pwrite(2): how many bytes. */
export function pwrite(fd: number, data: Data, position: number): number {
  const bytes = bytesOf(data);
  return linux.orThrow(linux.pwrite(fd, bytes, 0, bytes.length, position), "pwrite", fd);
}

/** read(2): up to `length` bytes. */
export function read(fd: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, linux.orThrow(linux.read(fd, bytes, 0, length), "read", fd));
}

/** pread(2): up to `length` bytes. */
export function pread(fd: number, length: number, position: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, linux.orThrow(linux.pread(fd, bytes, 0, length, position), "pread", fd));
}

/** pread(2) into memory of the caller's: how many bytes. */
export function preadInto(fd: number, bytes: Uint8Array, position: number): number {
  return linux.orThrow(linux.pread(fd, bytes, 0, bytes.length, position), "pread", fd);
}

/** pwritev2(2) with `RWF` flags: how many bytes. */
export function pwriteWith(fd: number, data: Data, position: number, flags: number): number {
  const bytes = bytesOf(data);
  const vector = new linux.IoVector(1);
  vector.set(0, bytes, 0, bytes.length);
  return linux.orThrow(linux.pwritev2(fd, vector, 1, position, flags), "pwritev2", fd);
}

/** Memory aligned to a page, as O_DIRECT asks. */
export function aligned(length: number, fill = 0): Uint8Array {
  const PAGE = 4096;
  const buffer = new Uint8Array(length + PAGE);
  const skip = (PAGE - (linux.addressOf(buffer, 0, 0) % PAGE)) % PAGE;
  return buffer.subarray(skip, skip + length).fill(fill);
}
