import { setFlagsFromString } from "node:v8";
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

/** Of calls of a function, or bytes of it that were run: when V8 looks whether to optimise it, by its major version. Others are left alone. */
const BY_CALLS = [
  "--invocation-count-for-maglev=50",
  "--invocation-count-for-turbofan=300",
  "--minimum-invocations-after-ic-update=100",
];
const OPTIMISE_SOONER: Readonly<Record<string, readonly string[]>> = {
  11: ["--interrupt-budget=10000"],
  12: BY_CALLS,
  13: BY_CALLS,
  14: BY_CALLS,
};

/**
 * For programs that serve and do nothing else, when everything is loaded and requests come. A mount is used right after it was made, and
 * often for seconds only: with V8's defaults, the first thousands of requests are served by code that is not optimised yet (5,000
 * directories took half as long again, 500 fsyncs a quarter). Not for the start itself, of which little runs twice: to optimise that made
 * it longer.
 */
export function optimiseSooner(): void {
  const [major = ""] = process.versions.v8.split(".");
  for (const flag of OPTIMISE_SOONER[major] ?? []) setFlagsFromString(flag);
}
