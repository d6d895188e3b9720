import { orThrow } from "./error.js";
import { native } from "./libc.js";

/** Options of prctl that Bulkhead uses. */
export const Prctl = {
  SET_PDEATHSIG: 1,
  GET_DUMPABLE: 3,
  SET_DUMPABLE: 4,
  SET_NAME: 15,
  SET_NO_NEW_PRIVS: 38,
  GET_NO_NEW_PRIVS: 39,
  SET_IO_FLUSHER: 57,
} as const;

type Long = number;
const cPrctl = native<[number, Long, Long, Long, Long]>("prctl", "int", ["int", "long", "long", "long", "long"]);
const cPrctlBytes = native<[number, Uint8Array, Long, Long, Long]>("prctl", "int", [
  "int",
  "void *",
  "long",
  "long",
  "long",
]);

/** prctl(2) with numbers; unused arguments are 0. The non-negative result. */
export function prctl(option: number, a = 0, b = 0, c = 0, d = 0): number {
  return orThrow(cPrctl(option, a, b, c, d), "prctl", option);
}

/** Names the calling thread, as ps and top show it; at most 15 bytes count. */
export function setThreadName(name: string): void {
  const bytes = new Uint8Array(16);
  bytes.set(new TextEncoder().encode(name).subarray(0, 15));
  orThrow(cPrctlBytes(Prctl.SET_NAME, bytes, 0, 0, 0), "prctl", "PR_SET_NAME");
}
