import { type ChildProcess, spawn } from "node:child_process";
import { openSync, writeSync } from "node:fs";
import { CommandError } from "../command-line/errors.js";
import { reasonOf } from "../command-line/reason.js";
import { printable } from "../output/printable.js";

/** Takes one line for the operator. */
export type Log = (message: string) => void;

/** Where a background server writes: a file, or the system log. @throws CommandError when the file cannot be opened */
export function openLog(file: string | undefined): Log {
  return file === undefined ? systemLog() : fileLog(file);
}

function fileLog(file: string): Log {
  let fd: number;
  try {
    fd = openSync(file, "a", 0o600);
  } catch (error) {
    throw new CommandError(`cannot open the log ${file}: ${reasonOf(error)}`);
  }
  return (message) => {
    try {
      writeSync(fd, `${new Date().toISOString()} ${printable(message)}\n`);
    } catch {
      // The disk is full: the line is lost, and the mount goes on.
    }
  };
}

/** The system log by logger(1), which is started for the first line and then stays for the others. */
function systemLog(): Log {
  let logger: ChildProcess | undefined;
  return (message) => {
    if (logger === undefined) {
      logger = spawn("logger", ["-t", `bulkhead[${process.pid}]`, "-p", "daemon.warning"], {
        stdio: ["pipe", "ignore", "ignore"],
      });
      // Without logger, or when it ends, the lines are lost, and nothing else.
      logger.on("error", () => {});
      logger.stdin?.on("error", () => {});
      logger.unref();
    }
    logger.stdin?.write(`${printable(message)}\n`);
  };
}
