import { setTimeout as sleep } from "node:timers/promises";
import { exitNow } from "@bulkhead/linux";

/** Milliseconds that a service manager's journal needs to see whose the last lines were. */
const LINGER = 2_000;

/**
 * The exit status of a service that ended with `error`, or in order: 0 or 1, since managers give the others meanings of their own
 * (systemd: 2 is "invalid arguments", from 200 on its own).
 */
export function serviceExitCode(error: unknown): 0 | 1 {
  return error === undefined ? 0 : 1;
}

/**
 * Ends this process as a service does: under systemd, not before the journal can have read what it said. A filter of system calls may be
 * in force that allows serving, but not all that Node would do to clear away: no `exit` handler runs.
 */
export async function exitService(
  error?: unknown,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<never> {
  const { INVOCATION_ID } = environment;
  if (INVOCATION_ID !== undefined) await sleep(LINGER);
  exitNow(serviceExitCode(error));
}
