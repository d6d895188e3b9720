import { UsageError } from "@bulkhead/server/options/usage-error";
import { complain } from "../output/output.js";
import { printable } from "../output/printable.js";
import { ExitCode } from "./exit-code.js";

export { UsageError };

/** Something that was asked for cannot be done; the message is a whole line for the user. */
export class CommandError extends Error {
  readonly code = "ERR_BULKHEAD_COMMAND";
  readonly exitCode: number;

  constructor(message: string, exitCode: number = ExitCode.failure) {
    super(message);
    this.exitCode = exitCode;
  }
}

interface Coded {
  readonly code?: unknown;
}

/** The exit code that an error ends the command with. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return ExitCode.usage;
  if (error instanceof CommandError) return error.exitCode;
  const code = (error as Coded | undefined)?.code;
  return code === "ERR_EXT4_CORRUPT" || code === "EUCLEAN" ? ExitCode.corrupt : ExitCode.failure;
}

/** What an error says, safe to print on a terminal. */
export function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  // Our own messages may have several lines; what they quote from an image is escaped already.
  const isOwn = error instanceof CommandError || error instanceof UsageError;
  return isOwn ? message.split("\n").map(printable).join("\n") : printable(message);
}

/** Prints "bulkhead COMMAND: …" on standard error. */
export function report(command: string | undefined, message: string): void {
  complain(`bulkhead${command === undefined ? "" : ` ${command}`}: ${message}\n`);
}

/** Prints where in the program an error came from, for who debugs that. */
export function trace(error: unknown): void {
  const { BULKHEAD_DEBUG = "" } = process.env;
  if (BULKHEAD_DEBUG !== "" && error instanceof Error)
    complain(`${(error.stack ?? "").split("\n").map(printable).join("\n")}\n`);
}
