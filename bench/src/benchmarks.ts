import type { ContenderName } from "./contenders.js";
import type { BenchImages } from "./images.js";

export interface Benchmark {
  readonly name: string;
  /** The client's workload; none measures the mount itself. */
  readonly workload: string | undefined;
  /** The image that is read; none: a fresh, empty one is written to. */
  readonly image: keyof BenchImages | undefined;
  /** "cold": fresh mount, image not in the page cache. "cached": fresh mount, image in it. "warm": second pass of a client. */
  readonly state: "cold" | "cached" | "warm";
  readonly contenders: readonly ContenderName[];
  /** What to reach: this many times as fast as the other. */
  readonly goals: Partial<Record<ContenderName, number>>;
}

const all = ["kernel", "fuse2fs", "bulkhead"] as const;

export const readBenchmarks: readonly Benchmark[] = [
  {
    name: "sequential read of 1 GiB, image cached",
    workload: "read-sequential",
    image: "main",
    state: "cached",
    contenders: all,
    goals: { fuse2fs: 1.8 },
  },
  {
    name: "sequential read of 1 GiB, image on disk",
    workload: "read-sequential",
    image: "main",
    state: "cold",
    contenders: ["kernel-direct", "fuse2fs", "bulkhead"],
    goals: { "kernel-direct": 0.95 },
  },
  {
    name: "sequential read of 768 MiB in 3,000 pieces, image on disk",
    workload: "read-sequential",
    image: "pieces",
    state: "cold",
    contenders: ["kernel-direct", "fuse2fs", "bulkhead"],
    goals: {},
  },
  {
    name: "sequential read of 1 GiB, warm",
    workload: "read-sequential",
    image: "main",
    state: "warm",
    contenders: all,
    goals: { kernel: 1 },
  },
  {
    name: "random 4 KiB reads, cold",
    workload: "read-random-4k",
    image: "main",
    state: "cold",
    contenders: all,
    goals: { kernel: 1 },
  },
  {
    name: "stat of 20,000 files, cold",
    workload: "stat",
    image: "main",
    state: "cold",
    contenders: all,
    goals: { fuse2fs: 15 },
  },
  {
    name: "stat of 20,000 files, warm",
    workload: "stat",
    image: "main",
    state: "warm",
    contenders: all,
    goals: { kernel: 0.9 },
  },
  {
    name: "ls -l of 20,000 files, cold",
    workload: "list-long",
    image: "main",
    state: "cold",
    contenders: all,
    goals: { fuse2fs: 15 },
  },
  {
    name: "find + cat of 30,000 files, cold",
    workload: "find-cat",
    image: "main",
    state: "cold",
    contenders: all,
    goals: { fuse2fs: 3 },
  },
  {
    name: "10,000 look-ups among 100,000 names",
    workload: "lookup-random",
    image: "main",
    state: "cold",
    contenders: all,
    goals: { fuse2fs: 30 },
  },
  { name: "statfs", workload: "statfs", image: "main", state: "cached", contenders: all, goals: { fuse2fs: 1 } },
  { name: "getxattr", workload: "getxattr", image: "main", state: "cached", contenders: all, goals: { fuse2fs: 1 } },
  {
    name: "mount of 200,000 inodes",
    workload: undefined,
    image: "inodes",
    state: "cached",
    contenders: all,
    goals: {},
  },
];

function written(name: string, workload: string, goals: Benchmark["goals"]): Benchmark {
  return { name, workload, image: undefined, state: "cold", contenders: all, goals };
}

/** Each sample has an empty file system of its own, which e2fsck checks afterwards. */
export const writeBenchmarks: readonly Benchmark[] = [
  written("sequential write of 1 GiB with fsync", "write-sequential", { kernel: 0.9, fuse2fs: 6 }),
  written("direct write of 1 GiB", "write-direct", { kernel: 0.7, fuse2fs: 5 }),
  written("random 4 KiB writes", "write-random", { kernel: 0.5, fuse2fs: 2 }),
  written("random 4 KiB writes into a fallocated file", "write-random-fallocated", { fuse2fs: 1.5 }),
  written("create and unlink of 20,000 files", "create-unlink", { fuse2fs: 10 }),
  written("untar of 30,000 files", "untar", { fuse2fs: 6 }),
  written("rm -rf of 30,000 files", "remove-tree", { fuse2fs: 3 }),
  written("mkdir of 5,000 directories", "mkdir-tree", { fuse2fs: 1.5 }),
  written("rename of 20,000 files", "rename", { fuse2fs: 10 }),
  written("git add and commit of 5,000 files", "git-commit", { fuse2fs: 3 }),
  written("500 x create, write, fsync", "create-fsync", { kernel: 0.9 }),
  written("300 sqlite transactions", "sqlite", { kernel: 0.9 }),
  written("500 x overwrite, fdatasync", "overwrite-fdatasync", { fuse2fs: 1 }),
];
