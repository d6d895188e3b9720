/** A digest of a file's contents that costs what its data costs, however big its holes are. */
import { createHash } from "node:crypto";

/** Bytes hashed at a time; chunks are aligned to it. */
export const CHUNK = 1 << 16;

const ZEROS = Buffer.alloc(CHUNK);
const VALUE_SHOWN = 256;

/** Reads up to CHUNK bytes at `offset` into `target`, the number of bytes read, short at the end of the file only. */
export type ReadChunk = (target: Buffer, offset: number) => number | Promise<number>;

/**
 * SHA-256 over the size and every aligned chunk that holds anything but zeros, with its position. Only chunks that
 * touch a range of `layout` are read; the rest is holes. Two files of equal digest have equal contents, whatever the
 * block size and however their zeros are stored.
 */
export async function digest(size: number, layout: readonly number[], readChunk: ReadChunk): Promise<string> {
  const hash = createHash("sha256").update(`size ${size}\n`);
  const buffer = Buffer.alloc(CHUNK);
  let next = 0;
  for (let i = 0; i + 1 < layout.length; i += 2) {
    const start = Math.max(next, Math.floor(layout[i]! / CHUNK) * CHUNK);
    const end = Math.min(layout[i + 1]!, size);
    for (let offset = start; offset < end; offset += CHUNK) {
      const expected = Math.min(CHUNK, size - offset);
      const got = await readChunk(buffer, offset);
      if (got !== expected) return `short read: ${got} of ${expected} bytes at ${offset}`;
      const chunk = buffer.subarray(0, got);
      if (!chunk.equals(ZEROS.subarray(0, got))) hash.update(`at ${offset}\n`).update(chunk);
      next = offset + CHUNK;
    }
  }
  return hash.digest("hex");
}

/** A value as a record shows it: the bytes while they are few, their number and SHA-256 when they are many. */
export function showValue(value: Uint8Array): string {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (bytes.length <= VALUE_SHOWN) return bytes.toString("hex");
  return `${bytes.length} bytes, sha256 ${createHash("sha256").update(bytes).digest("hex")}`;
}
