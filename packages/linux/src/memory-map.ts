import { Errno } from "./errno.js";
import { LinuxError, orThrow } from "./error.js";
import { addressOf, bytesAt, native } from "./libc.js";

/** `PROT_*` bits of mmap. */
export const Protection = { READ: 1, WRITE: 2, EXEC: 4 } as const;

const MAP_SHARED = 1;
const MAP_PRIVATE = 2;
const MS_SYNC = 4;

const cMmap = native<[number, number, number, number, number, number]>("mmap64", "int64_t", [
  "uintptr_t",
  "size_t",
  "int",
  "int",
  "int",
  "int64_t",
]);
const cMunmap = native<[number, number]>("munmap", "int", ["uintptr_t", "size_t"]);
const cMsync = native<[number, number, number]>("msync", "int", ["uintptr_t", "size_t", "int"]);
const cWrite = native<[number, number, number]>("write", "int64_t", ["int", "uintptr_t", "size_t"]);
const cMemcpy = native<[number, number, number]>("memcpy", "int64_t", ["uintptr_t", "uintptr_t", "size_t"]);

/** Bytes of a page of this kernel's: 4096, or on arm64 up to 65536. */
export const pageSize: () => number = native<[]>("getpagesize", "int", []);

/**
 * The first `length` bytes of a file, shared with all who map it: reading and changing them takes no system call. They stay mapped as
 * long as the process lives, because nobody can tell when the last view of them is gone. The file must not become shorter.
 */
export function sharedBytes(fd: number, length: number): Uint8Array<ArrayBuffer> {
  return bytesAt(orThrow(cMmap(0, length, Protection.READ | Protection.WRITE, MAP_SHARED, fd, 0), "mmap", fd), length);
}

/**
 * A file mapped into memory, copied into and out of so that no view outlives the mapping. As in C, touching what lies
 * beyond the file's last page is SIGBUS, and with a `Protection` that forbids it SIGSEGV.
 */
export class MemoryMap {
  readonly length: number;
  #address: number;

  /** Maps `length` bytes from byte `position` of the file, shared with it unless `isPrivate`. */
  constructor(fd: number, length: number, protection: number, position = 0, isPrivate = false) {
    this.length = length;
    const address = cMmap(0, length, protection, isPrivate ? MAP_PRIVATE : MAP_SHARED, fd, position);
    this.#address = orThrow(address, "mmap", fd);
  }

  read(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    cMemcpy(addressOf(bytes, 0, length), this.address(offset, length), length);
    return bytes;
  }

  write(offset: number, bytes: Uint8Array): void {
    cMemcpy(this.address(offset, bytes.length), addressOf(bytes, 0, bytes.length), bytes.length);
  }

  /** write(2) straight from the map to `fd`: how many bytes. EFAULT instead of SIGBUS for what lies beyond the file. */
  writeTo(fd: number, offset: number, length: number): number {
    return orThrow(cWrite(fd, this.address(offset, length), length), "write", fd);
  }

  /** Writes what was changed to the file's device, and waits. */
  sync(): void {
    orThrow(cMsync(this.address(0, 0), this.length, MS_SYNC), "msync");
  }

  unmap(): void {
    if (this.#address !== 0) orThrow(cMunmap(this.#address, this.length), "munmap");
    this.#address = 0;
  }

  /** Where byte `offset` is mapped. @throws {LinuxError} EFAULT if the span is not inside, or nothing is mapped any more */
  address(offset: number, length: number): number {
    if (this.#address === 0 || !(offset >= 0 && length >= 0 && offset + length <= this.length)) {
      throw new LinuxError("mmap", Errno.EFAULT, `${offset}+${length}`);
    }
    return this.#address + offset;
  }
}
