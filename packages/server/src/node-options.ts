import type { ResourceLimits } from "node:worker_threads";

/** Most of the heap, in MiB; the caches of blocks are outside of it. */
const OLD = 512;
/** What lives for a request is gone soon: in 4 MiB it stays in the processor's cache, and 16, the default, cost up to 40 MiB more. */
const SEMI_SPACE = 4;

/**
 * V8's own threads, which compile and collect garbage. The one that serves gives way to everybody on its client's CPU: of four, Node's
 * default, some were always there first, and a tree of directories took 1.5 times as long.
 */
export const threadOptions = ["--v8-pool-size=1"] as const;

/** For a process whose first thread serves. */
export const serverNodeOptions = [
  ...threadOptions,
  `--max-old-space-size=${OLD}`,
  `--max-semi-space-size=${SEMI_SPACE}`,
] as const;

/** The same heap where a worker serves. V8 reckons three semi-spaces to a young generation. */
export const heapLimits: ResourceLimits = { maxOldGenerationSizeMb: OLD, maxYoungGenerationSizeMb: 3 * SEMI_SPACE };
