import { addressOf } from "./libc.js";

/** Bytes of a page: more than any device wants memory to be aligned to. */
const PAGE = 4096;

/** Zeroed bytes, of which number `at` lies at the beginning of a page: for direct I/O (O_DIRECT) from there on. All pages are there. */
export function pageAligned(length: number, at = 0): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length + PAGE).fill(0);
  const over = (addressOf(bytes, 0, 0) + at) % PAGE;
  const start = over === 0 ? 0 : PAGE - over;
  return bytes.subarray(start, start + length);
}
