import { writeSync } from "node:fs";
import { Poll, PollSet } from "@bulkhead/linux";

/** syslog(3)'s priorities, as whoever reads the lines knows them. */
export const Priority = {
  /** Why the server ended. */
  CRITICAL: 2,
  WARNING: 4,
} as const;

/** Bytes that a pipe with any room at all takes at once. */
const LONGEST_LINE = 4096;
/** Milliseconds to wait for a reader that is behind; no longer once it was in vain, until there is room again. */
const PATIENCE = 1000;
const STANDARD_ERROR = 2;

const room = new PollSet(1);
let patience = PATIENCE;

/**
 * Writes a line to standard error, with its priority as service managers read it (`<4>text`). Whoever reads there is not to be relied
 * on: serving does not stop when nobody does, and lines are lost then.
 */
export function say(priority: number, text: string): void {
  const line = Buffer.from(`<${priority}>${text.replaceAll("\n", "\\n")}`);
  room.set(0, STANDARD_ERROR, Poll.OUT);
  if (room.poll(patience) <= 0) {
    patience = 0;
    return;
  }
  patience = PATIENCE;
  try {
    writeSync(STANDARD_ERROR, Buffer.concat([line.subarray(0, LONGEST_LINE - 1), Buffer.from("\n")]));
  } catch {
    // Nobody reads it any more.
  }
}

let said: unknown;

/** Says why the server ends, once. */
export function sayWhy(error: unknown, text: string = error instanceof Error ? error.message : String(error)): void {
  if (error === said) return;
  said = error;
  say(Priority.CRITICAL, text);
}
