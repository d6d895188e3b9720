import { orThrow } from "./error.js";
import { native } from "./libc.js";

const RLIMIT_FSIZE = 1;
const cGet = native<[number, Uint8Array]>("getrlimit64", "int", ["int", "void *"]);
const cSet = native<[number, Uint8Array]>("setrlimit64", "int", ["int", "void *"]);

/**
 * Runs `work`, which must be synchronous, while no file of this process may grow beyond `bytes`. Whoever goes there gets
 * EFBIG, after SIGXFSZ, which ends a process that does not catch or ignore it.
 */
export function withFileSizeLimit<T>(bytes: number, work: () => T): T {
  const before = new Uint8Array(16);
  orThrow(cGet(RLIMIT_FSIZE, before), "getrlimit");
  const limit = before.slice();
  new DataView(limit.buffer).setBigUint64(0, BigInt(bytes), true);
  orThrow(cSet(RLIMIT_FSIZE, limit), "setrlimit");
  try {
    return work();
  } finally {
    orThrow(cSet(RLIMIT_FSIZE, before), "setrlimit");
  }
}
