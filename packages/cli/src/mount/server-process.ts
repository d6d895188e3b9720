/** Entry of the process that serves a mount in the background: gets a request, reports once, and stays until unmounted. */
import { exitCodeOf, messageOf } from "../command-line/errors.js";
import { type Log, openLog } from "./log.js";
import type { MountReport, MountRequest } from "./request.js";
import { mount } from "./serve.js";

function report(message: MountReport): Promise<void> {
  return new Promise((resolve) => {
    process.send?.(message, undefined, undefined, () => resolve());
  });
}

/** What who mounts should know at once. */
async function warningOf({ source, settings }: MountRequest): Promise<string | undefined> {
  if (settings.access !== "read-write if possible") return undefined;
  const { writeProtection } = await import("@bulkhead/server/descriptor");
  const protection = writeProtection(source);
  return protection && `${source}: ${protection}: mounted read-only`;
}

process.once("message", async (request: MountRequest) => {
  let log: Log = () => {};
  try {
    log = openLog(request.logFile);
    const served = await mount(request, log);
    await report({ kind: "mounted", warning: await warningOf(request) });
    process.disconnect?.();
    await served.finished;
  } catch (error) {
    log(`${request.source}: ${messageOf(error)}`);
    if (process.connected) await report({ kind: "failed", message: messageOf(error), exitCode: exitCodeOf(error) });
    process.exitCode = exitCodeOf(error);
    if (process.connected) process.disconnect();
  }
});
