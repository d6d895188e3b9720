import { orThrow } from "./error.js";
import { native } from "./libc.js";

const cCopy = native<[number, Uint8Array, number, Uint8Array, number, number]>("copy_file_range", "int64_t", [
  "int",
  "void *",
  "int",
  "void *",
  "size_t",
  "uint",
]);

/** copy_file_range(2) between positions in bytes; how many bytes were copied, 0 at the end of `from`. */
export function copyFileRange(
  from: number,
  fromPosition: number,
  to: number,
  toPosition: number,
  length: number,
  flags = 0,
): number {
  const result = cCopy(from, position(fromPosition), to, position(toPosition), length, flags);
  return orThrow(result, "copy_file_range", `${from} to ${to}`);
}

function position(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, BigInt(value), true);
  return bytes;
}
