import { fork } from "node:child_process";
import { threadOptions } from "@bulkhead/server/node-options";
import { CommandError } from "../command-line/errors.js";
import { ExitCode } from "../command-line/exit-code.js";
import { printable } from "../output/printable.js";
import { type MountReport, type MountRequest, UNCONTAINED } from "./request.js";

/**
 * Starts a process of its own session that mounts and serves, and returns when the mount answers.
 *
 * @param warn told what who mounts should know of a mount that has succeeded
 * @throws CommandError with what that process says, or how it ended without a word
 */
export function startServer(request: MountRequest, warn: (line: string) => void): Promise<number> {
  // Node reads these certificates before anything else, which takes longer than all the rest of its start. It speaks to nobody.
  const { NODE_EXTRA_CA_CERTS: _, ...environment } = process.env;
  return new Promise((resolve, reject) => {
    // Interrupted while waiting, from the moment on that there is a server: the server goes, too, and unmounts.
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.once(signal, () => {
        server.kill(signal);
        resolve(signal === "SIGINT" ? ExitCode.interrupted : ExitCode.terminated);
      });
    }
    // The arguments are for whoever reads the process list; the request itself comes as a message.
    const shown = [...(request.uncontained ? [UNCONTAINED] : []), request.source, request.mountpoint];
    const server = fork(new URL("./server-process.js", import.meta.url), shown, {
      detached: true,
      cwd: "/", // not to keep the file system busy that we were started in
      stdio: ["ignore", "ignore", "ignore", "ipc"],
      execArgv: [...threadOptions],
      // As many reads can wait for the device at a time: Node has 4 threads for them otherwise.
      env: { UV_THREADPOOL_SIZE: "16", ...environment },
    });
    server.on("error", (error) => reject(new CommandError(`cannot start the server: ${error.message}`)));
    server.on("exit", (code, signal) => {
      reject(new CommandError(`the server ended (${signal ?? `exit code ${code}`}) before the mount answered`));
    });
    server.on("message", (report: MountReport) => {
      if (report.kind === "failed") reject(new CommandError(report.message, report.exitCode));
      else {
        if (report.warning !== undefined) warn(printable(report.warning));
        resolve(ExitCode.success);
      }
      server.removeAllListeners("exit");
      server.disconnect();
      server.unref();
    });
    server.send(request);
  });
}
