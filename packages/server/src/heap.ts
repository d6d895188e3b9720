import type { ResourceLimits } from "node:worker_threads";

/** Most of the heap, in MiB; the caches of blocks are outside of it. */
const OLD = 512;
/** What lives for a request is gone soon: in 4 MiB it stays in the processor's cache, and 16, the default, cost up to 40 MiB more. */
const SEMI_SPACE = 4;

/** The heap of the thread that serves, where Node's first thread does. */
export const heapOptions = [`--max-old-space-size=${OLD}`, `--max-semi-space-size=${SEMI_SPACE}`] as const;

/** The same where a worker does. V8 reckons three semi-spaces to a young generation. */
export const heapLimits: ResourceLimits = { maxOldGenerationSizeMb: OLD, maxYoungGenerationSizeMb: 3 * SEMI_SPACE };
