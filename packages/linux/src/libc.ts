import koffi from "koffi";
import { Errno } from "./errno.js";
import { LinuxError } from "./error.js";

/*
 * How every call here is declared: C types of 64-bit Linux, pointers either as `void *` (a Uint8Array, cold) or as
 * `uintptr_t` (an address from `addressOf`, hot). None of the variadic functions used takes floats, so that declaring
 * them with fixed arguments is right on x86-64 and arm64.
 */
const library = koffi.load(null);

export type CType = "int" | "uint" | "long" | "int64_t" | "uint64_t" | "size_t" | "uintptr_t" | "void *" | "str";
type Argument = number | bigint | string | Uint8Array | null;
type Call<A extends readonly Argument[]> = (...args: A) => number;

/** A function of libc that returns −1 and sets errno on failure; the returned function gives −errno instead. */
export function native<A extends readonly Argument[]>(
  name: string,
  result: "int" | "int64_t",
  types: CType[],
): Call<A> {
  const call: Call<A> = library.func(name, result, types);
  return (...args) => {
    const value = call(...args);
    return value < 0 ? -koffi.errno() : Number(value);
  };
}

/** The bare function, whose failure the caller turns into `-lastErrno()`: for hot paths, where spreading costs. */
export function bare<A extends readonly Argument[]>(name: string, result: "int" | "int64_t", types: CType[]): Call<A> {
  return library.func(name, result, types);
}

/** errno of this thread's last failed call. */
export function lastErrno(): number {
  return koffi.errno();
}

const addresses = new WeakMap<ArrayBufferLike, number>();

/**
 * The address of `bytes[offset]`, after checking that `length` bytes from there are inside. V8 never moves an
 * ArrayBuffer's memory; it stays valid while `bytes` is referenced and its buffer is not transferred to another thread
 * (a transferred buffer has length 0 and fails the check).
 *
 * @throws {RangeError} if the span is not inside `bytes`: a mistake of the caller
 */
export function addressOf(bytes: Uint8Array, offset: number, length: number): number {
  if (!(offset >= 0 && length >= 0 && offset + length <= bytes.length)) {
    throw new RangeError(`span ${offset}+${length} is outside a buffer of ${bytes.length} bytes`);
  }
  let base = addresses.get(bytes.buffer);
  if (base === undefined) {
    base = Number(koffi.address(new Uint8Array(bytes.buffer)));
    addresses.set(bytes.buffer, base);
  }
  return base + bytes.byteOffset + offset;
}

/** Memory that is not V8's, as bytes; whoever unmaps it sees to it that nobody has them any more. */
export function bytesAt(address: number, length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(koffi.view(address, length));
}

/** A path: text is encoded as UTF-8; bytes are taken as they are, without a terminating NUL. */
export type Path = string | Uint8Array;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** `path` with its terminating NUL. @throws {LinuxError} EINVAL if there is a NUL inside */
export function cString(path: Path, syscall: string): Uint8Array {
  const bytes = typeof path === "string" ? encoder.encode(path) : path;
  if (bytes.includes(0)) throw new LinuxError(syscall, Errno.EINVAL, showPath(path));
  const terminated = new Uint8Array(bytes.length + 1);
  terminated.set(bytes);
  return terminated;
}

/** `path` for a message. */
export function showPath(path: Path): string {
  return typeof path === "string" ? path : decoder.decode(path);
}
