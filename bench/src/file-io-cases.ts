/** What is read and written where data goes straight to its blocks: every combination. */

export type FileIoContender = "kernel" | "fuse2fs" | "bulkhead" | "image";

/** `memory`: a loop device whose file is in the page cache. `disk`: one with direct I/O, nothing of it in memory. */
export type Medium = "memory" | "disk";

export interface FileIoCase {
  readonly name: string;
  readonly medium: Medium;
  readonly writes: boolean;
  /** Into a file that is allocated and not written. */
  readonly unwritten: boolean;
  readonly random: boolean;
  readonly direct: boolean;
  /** Requests under way at once: by libaio where they are direct, by threads where not. */
  readonly depth: 1 | 16;
  /** Bytes of a request. */
  readonly blockSize: number;
  /** Requests in all. */
  readonly requests: number;
  /** As many times as fast as another contender: ours is `bulkhead`, or `image` where that is named. */
  readonly goals: readonly {
    readonly of: "bulkhead" | "image";
    readonly than: FileIoContender;
    readonly times: number;
  }[];
}

export const FILE_SIZE = 512 * 2 ** 20;
const RANDOM_REQUESTS = 16_000;

function goalsOf(medium: Medium, random: boolean, direct: boolean, depth: number): FileIoCase["goals"] {
  const than = (of: "bulkhead" | "image", contender: FileIoContender, times: number) => ({
    of,
    than: contender,
    times,
  });
  if (!direct) return [than("bulkhead", "kernel", random ? 0.85 : 1.1)];
  const image = than("image", "kernel", 0.95);
  if (!random) return [medium === "disk" ? than("bulkhead", "kernel", 0.95) : than("bulkhead", "fuse2fs", 3), image];
  return [depth === 1 ? than("bulkhead", "kernel", 0.8) : than("bulkhead", "fuse2fs", 2), image];
}

function* combinations(): Generator<FileIoCase> {
  for (const medium of ["memory", "disk"] as const) {
    for (const random of [false, true]) {
      for (const direct of [false, true]) {
        for (const depth of [1, 16] as const) {
          if (!random && !direct && depth > 1) continue; // one after the other: the page cache reads and writes ahead
          for (const what of ["read", "write", "write into unwritten space"]) {
            const name = [
              random ? "random 4 KiB" : "streaming",
              direct ? "direct" : "buffered",
              `${what},`,
              `${depth} at once, ${medium}`,
            ].join(" ");
            const blockSize = random ? 4096 : 2 ** 20;
            const requests = random ? RANDOM_REQUESTS : FILE_SIZE / blockSize;
            const writes = what !== "read";
            const unwritten = writes && what !== "write";
            const goals = goalsOf(medium, random, direct, depth);
            yield { name, medium, writes, unwritten, random, direct, depth, blockSize, requests, goals };
          }
        }
      }
    }
  }
}

export const FILE_IO_CASES: readonly FileIoCase[] = [...combinations()];
