/** INIT: what both sides agree on (reference: FUSE ABI, "INIT"). */
import type { View } from "@bulkhead/linux/struct";
import { EPROTO } from "./errno.js";
import { InitFlag, type InitFlagName } from "./flags.js";
import type { FuseInitIn, FuseInitOut } from "./structs.js";

export const MAJOR = 7;
/** Older kernels are refused: their structures differ. Linux 5.4 speaks 7.31. */
export const OLDEST_MINOR = 31;
export const NEWEST_MINOR = 45;
/** The experimental protocol in which iomap lives; spoken only when IOMAP is agreed on. */
export const IOMAP_MINOR = 99;

/** Pages of the largest request where MAX_PAGES is not agreed on. */
export const PAGES_WITHOUT_MAX = 32;

/** What every modern server wants; features are added by name. */
export const DEFAULT_FLAGS: readonly InitFlagName[] = [
  "ASYNC_READ",
  "ATOMIC_O_TRUNC",
  "BIG_WRITES",
  "AUTO_INVAL_DATA",
  "ASYNC_DIO",
  "PARALLEL_DIROPS",
  "MAX_PAGES",
  "INIT_EXT",
  "SETXATTR_EXT",
];

/** What the server would like. Everything is optional; a flag the kernel does not offer is not replied. */
export interface InitOptions {
  /** Flags wanted beside {@link DEFAULT_FLAGS}. */
  readonly want?: readonly InitFlagName[];
  /** Flags without which the server cannot work: INIT then fails with EPROTO. */
  readonly required?: readonly InitFlagName[];
  /** Flags of {@link DEFAULT_FLAGS} to leave out. */
  readonly without?: readonly InitFlagName[];
  /** Largest WRITE in bytes, ≥ 4096; default 1 MiB. */
  readonly maxWrite?: number;
  /** Largest request in pages, 1 … 65535 (the kernel's sysctl caps it, by default at 256); default fits `maxWrite`. */
  readonly maxPages?: number;
  /** The kernel's page size in bytes; default 4096, and the system's with `mountAndServe`. */
  readonly pageSize?: number;
  /** Bytes; default what the kernel offers. 0 disables readahead. */
  readonly maxReadahead?: number;
  /** Granularity of timestamps in ns, 1 … 10^9; default 1. */
  readonly timeGran?: number;
  /** Requests in the background; 0, the default, means the kernel's 12. */
  readonly maxBackground?: number;
  /** Background requests above which the filesystem counts as congested; 0 means 75 % of the former. */
  readonly congestionThreshold?: number;
  /** 1 or 2, with PASSTHROUGH. */
  readonly maxStackDepth?: number;
  /** Seconds after which an unanswered request aborts the connection, with REQUEST_TIMEOUT. */
  readonly requestTimeout?: number;
  /** log2, with MAP_ALIGNMENT. */
  readonly mapAlignment?: number;
}

/** The outcome. Plain data: a restarted server may be given it, since INIT is not repeated. */
export interface Negotiated {
  readonly minor: number;
  readonly kernelMinor: number;
  /** Flags agreed on, bits 0–31 and 32–63, unsigned. */
  readonly flags: number;
  readonly flags2: number;
  /** Flags the kernel offered. */
  readonly offered: number;
  readonly offered2: number;
  readonly maxWrite: number;
  readonly maxPages: number;
  readonly maxReadahead: number;
  readonly timeGran: number;
  readonly maxStackDepth: number;
  readonly requestTimeout: number;
}

/** Whether a flag was agreed on. */
export function hasFlag(negotiated: Pick<Negotiated, "flags" | "flags2">, name: InitFlagName): boolean {
  const bit = InitFlag[name];
  return (((bit < 32 ? negotiated.flags : negotiated.flags2) >>> (bit & 31)) & 1) === 1;
}

/** Splits names into the two words of the wire. */
export function flagWords(names: Iterable<InitFlagName>): { readonly flags: number; readonly flags2: number } {
  let flags = 0;
  let flags2 = 0;
  for (const name of names) {
    const bit = InitFlag[name];
    if (bit < 32) flags |= 1 << bit;
    else flags2 |= 1 << (bit - 32);
  }
  return { flags: flags >>> 0, flags2: flags2 >>> 0 };
}

function inRange(name: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`${name} must be an integer from ${least} to ${most}, not ${value}`);
  }
  return value;
}

/** The options with their defaults, checked. Throws RangeError. */
export class InitWishes {
  readonly flags: number;
  readonly flags2: number;
  readonly required: readonly InitFlagName[];
  readonly maxWrite: number;
  readonly maxPages: number;
  readonly pageSize: number;
  readonly maxReadahead: number;
  readonly timeGran: number;
  readonly maxBackground: number;
  readonly congestionThreshold: number;
  readonly maxStackDepth: number;
  readonly requestTimeout: number;
  readonly mapAlignment: number;

  constructor(options: InitOptions) {
    const names = new Set([...DEFAULT_FLAGS, ...(options.want ?? []), ...(options.required ?? [])]);
    for (const name of options.without ?? []) names.delete(name);
    ({ flags: this.flags, flags2: this.flags2 } = flagWords(names));
    this.required = options.required ?? [];
    this.pageSize = inRange("pageSize", options.pageSize ?? 4096, 4096, 65536);
    this.maxWrite = inRange("maxWrite", options.maxWrite ?? 1 << 20, 4096, 1 << 28);
    const pages = Math.min(65535, Math.ceil(this.maxWrite / this.pageSize));
    this.maxPages = inRange("maxPages", options.maxPages ?? pages, 1, 65535);
    this.maxReadahead = inRange("maxReadahead", options.maxReadahead ?? 0xffff_ffff, 0, 0xffff_ffff);
    this.timeGran = inRange("timeGran", options.timeGran ?? 1, 1, 1_000_000_000);
    this.maxBackground = inRange("maxBackground", options.maxBackground ?? 0, 0, 65535);
    this.congestionThreshold = inRange("congestionThreshold", options.congestionThreshold ?? 0, 0, 65535);
    this.maxStackDepth = inRange("maxStackDepth", options.maxStackDepth ?? 0, 0, 2);
    this.requestTimeout = inRange("requestTimeout", options.requestTimeout ?? 0, 0, 65535);
    this.mapAlignment = inRange("mapAlignment", options.mapAlignment ?? 0, 0, 63);
    if (names.has("PASSTHROUGH") && this.maxStackDepth === 0) {
      throw new RangeError("PASSTHROUGH needs maxStackDepth 1 or 2: without it the kernel silently leaves it off");
    }
    if (names.has("PASSTHROUGH") && names.has("WRITEBACK_CACHE")) {
      throw new RangeError("PASSTHROUGH excludes WRITEBACK_CACHE: with both the kernel silently leaves it off");
    }
  }
}

/** A refusal: the errno to reply and one line that says why. */
export interface Refusal {
  readonly errno: number;
  readonly reason: string;
}

/**
 * Fills the reply (which must be zeroed) for an INIT of major 7. Returns what was agreed on, or why nothing was.
 */
export function negotiate(
  wishes: InitWishes,
  request: View<typeof FuseInitIn>,
  reply: View<typeof FuseInitOut>,
): Negotiated | Refusal {
  const kernelMinor = request.minor;
  if (kernelMinor < OLDEST_MINOR) {
    return { errno: EPROTO, reason: `the kernel speaks FUSE 7.${kernelMinor}, at least 7.${OLDEST_MINOR} is needed` };
  }
  const offered = request.flags;
  const extended = hasFlag({ flags: offered, flags2: 0 }, "INIT_EXT");
  const offered2 = extended ? request.flags2 : 0;
  const missing = wishes.required.filter((name) => !hasFlag({ flags: offered, flags2: offered2 }, name));
  if (missing.length > 0) return { errno: EPROTO, reason: `the kernel does not offer ${missing.join(", ")}` };

  const flags2 = (offered2 & wishes.flags2) >>> 0;
  // The kernel reads flags2 only when INIT_EXT is replied, so any flag beyond 31 brings it along.
  const carrier = flags2 === 0 ? 0 : 1 << InitFlag.INIT_EXT;
  const flags = (offered & (wishes.flags | carrier)) >>> 0;
  const agreed = { flags, flags2 };
  const newest = hasFlag(agreed, "IOMAP") ? IOMAP_MINOR : NEWEST_MINOR;
  const negotiated: Negotiated = {
    minor: Math.min(kernelMinor, newest),
    kernelMinor,
    ...agreed,
    offered,
    offered2,
    maxWrite: wishes.maxWrite,
    maxPages: hasFlag(agreed, "MAX_PAGES") ? wishes.maxPages : PAGES_WITHOUT_MAX,
    maxReadahead: Math.min(request.max_readahead, wishes.maxReadahead),
    timeGran: wishes.timeGran,
    maxStackDepth: hasFlag(agreed, "PASSTHROUGH") ? wishes.maxStackDepth : 0,
    requestTimeout: hasFlag(agreed, "REQUEST_TIMEOUT") ? wishes.requestTimeout : 0,
  };
  reply.major = MAJOR;
  reply.minor = negotiated.minor;
  reply.max_readahead = negotiated.maxReadahead;
  reply.flags = flags;
  reply.flags2 = flags2;
  reply.max_background = wishes.maxBackground;
  reply.congestion_threshold = wishes.congestionThreshold;
  reply.max_write = negotiated.maxWrite;
  reply.time_gran = negotiated.timeGran;
  reply.max_pages = hasFlag(agreed, "MAX_PAGES") ? negotiated.maxPages : 0;
  reply.map_alignment = hasFlag(agreed, "MAP_ALIGNMENT") ? wishes.mapAlignment : 0;
  reply.max_stack_depth = negotiated.maxStackDepth;
  reply.request_timeout = negotiated.requestTimeout;
  return negotiated;
}
