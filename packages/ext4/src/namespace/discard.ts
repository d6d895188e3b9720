import { trim } from "../alloc/trim.js";
import { FileSystemError } from "../errors.js";
import type { Volume } from "../volume.js";

/** See FileSystem.trim. */
export function discardFree(volume: Volume, start: number, length: number, minimum: number): number {
  const { device, geometry, transactions } = volume;
  const { blockSize, blockCount, clusterSize } = geometry;
  if (transactions === undefined) throw new FileSystemError("EROFS", "the file system is mounted read-only");
  if (device.discard === undefined) throw unsupported();
  if (start >= blockCount * blockSize || length < blockSize) {
    throw new FileSystemError("EINVAL", `a range of ${length} bytes at ${start}`);
  }
  // What the running transaction freed is free only when it is durable.
  transactions.commit();
  const first = Math.floor(start / blockSize);
  const count = Math.min(Math.floor(length / blockSize), blockCount - first);
  const shortest = Math.max(Math.ceil(minimum / blockSize), clusterSize / blockSize);
  const blocks = trim(volume, first, count, shortest, (block, run) => {
    if (device.discard?.(block * blockSize, run * blockSize) === false) throw unsupported();
  });
  return blocks * blockSize;
}

function unsupported(): FileSystemError {
  return new FileSystemError("EOPNOTSUPP", "the device discards nothing, or what the image lies on makes no holes");
}
