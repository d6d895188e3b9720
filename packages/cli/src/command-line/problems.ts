import { CommandError, exitCodeOf, messageOf, report, trace, UsageError } from "./errors.js";
import { ExitCode } from "./exit-code.js";
import { reasonOf } from "./reason.js";

/** Counts what went wrong while a command goes on, each with its line on standard error. */
export class Problems {
  exitCode: number = ExitCode.success;
  count = 0;
  readonly #command: string;

  constructor(command: string) {
    this.#command = command;
  }

  /** @param where a path or name that is safe to print */
  add(where: string, error: unknown): void {
    // The command's own errors say what they are about.
    const isWhole = error instanceof CommandError || error instanceof UsageError;
    report(this.#command, isWhole ? messageOf(error) : `${where}: ${reasonOf(error)}`);
    trace(error);
    this.count++;
    // Damage weighs more than anything else.
    this.exitCode = Math.max(this.exitCode, exitCodeOf(error));
  }
}
