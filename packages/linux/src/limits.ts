import { orThrow } from "./error.js";
import { native } from "./libc.js";

/** What a process may be limited in, as setrlimit(2) counts it: bytes, files, processes, a priority. */
export const Resource = { FSIZE: 1, DATA: 2, CORE: 4, NPROC: 6, NOFILE: 7, MEMLOCK: 8, NICE: 13 } as const;

const cGet = native<[number, Uint8Array]>("getrlimit64", "int", ["int", "void *"]);
const cSet = native<[number, Uint8Array]>("setrlimit64", "int", ["int", "void *"]);

/**
 * Runs `work`, which must be synchronous, while no file of this process may grow beyond `bytes`. Whoever goes there gets
 * EFBIG, after SIGXFSZ, which ends a process that does not catch or ignore it.
 */
export function withFileSizeLimit<T>(bytes: number, work: () => T): T {
  const before = new Uint8Array(16);
  orThrow(cGet(Resource.FSIZE, before), "getrlimit");
  const limit = before.slice();
  new DataView(limit.buffer).setBigUint64(0, BigInt(bytes), true);
  orThrow(cSet(Resource.FSIZE, limit), "setrlimit");
  try {
    return work();
  } finally {
    orThrow(cSet(Resource.FSIZE, before), "setrlimit");
  }
}

/** A soft limit, and the hard one that it may be raised to; Infinity for none. */
export interface Limit {
  readonly soft: number;
  readonly hard: number;
}

/** A limit of this process; `resource` is one of `Resource`. */
export function getLimit(resource: number): Limit {
  const bytes = new Uint8Array(16);
  orThrow(cGet(resource, bytes), "getrlimit", resource);
  const [soft = 0, hard = 0] = [...new BigUint64Array(bytes.buffer)].map((value) =>
    value === NO_LIMIT ? Number.POSITIVE_INFINITY : Number(value),
  );
  return { soft, hard };
}

/** Sets both limits of this process, for good: only CAP_SYS_RESOURCE raises the hard one again. EPERM: it is above that. */
export function setLimit(resource: number, limit: number): void {
  const value = limit === Number.POSITIVE_INFINITY ? NO_LIMIT : BigInt(limit);
  const bytes = new Uint8Array(BigUint64Array.of(value, value).buffer);
  orThrow(cSet(resource, bytes), "setrlimit", `${resource} to ${limit}`);
}

const NO_LIMIT = 2n ** 64n - 1n;
