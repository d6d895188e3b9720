/** Starting servers, and nothing else: one is on its way while the keeper still loads what it needs itself. */
import { close } from "@bulkhead/linux";
import { serverEnvironment, serverNodeOptions, serverProgram } from "@bulkhead/server/contained";
import { connectToService, NoServiceError } from "@bulkhead/service/connect";
import { type LaunchedServer, launchServer, userNamespacesAllowed } from "@bulkhead/service/launcher";
import { CommandError } from "../../command-line/errors.js";
import { ExitCode } from "../../command-line/exit-code.js";
import type { Log } from "../log.js";
import { type MountRequest, SERVICE_TYPE } from "../request.js";
import { ServerLines } from "./server-lines.js";

/** @throws CommandError where nothing would contain it */
function launch({ source, mountpoint, settings }: MountRequest, log: Log): WaitingServer {
  if (process.geteuid?.() !== 0 && !userNamespacesAllowed()) {
    throw new CommandError(
      `cannot mount ${source}: this system lets users make no user namespaces, and without them nothing contains a server: have root mount it, or allow them (sysctl kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns), or mount it --uncontained`,
    );
  }
  const launched = launchServer({
    command: [process.execPath, ...serverNodeOptions, serverProgram(), source, mountpoint],
    environment: serverEnvironment,
    stderr: "pipe",
  });
  // Node makes none where it runs out of descriptors.
  if (launched.stderr === undefined) throw new CommandError(`cannot mount ${source}: too many open files (ulimit -n)`);
  // From the beginning: what nobody listens to is lost when it ends.
  const lines = new ServerLines(launched.stderr, log, settings.debug ? Number.POSITIVE_INFINITY : undefined);
  return { launched, lines };
}

/** A server that waits for its helper. */
export type WaitingServer =
  | { readonly launched: LaunchedServer; readonly lines: ServerLines }
  /** The service's. */
  | { readonly socket: number };

/** The one place where it matters how servers come to be. @throws CommandError: with exit code 2, there is no service (any more) */
export function startServer(request: MountRequest, log: Log): WaitingServer {
  const { service, source } = request;
  if (service === undefined) return launch(request, log);
  try {
    return { socket: connectToService(SERVICE_TYPE, service.directory) };
  } catch (error) {
    if (!(error instanceof NoServiceError)) throw error;
    throw new CommandError(`cannot mount ${source}: ${error.message}`, ExitCode.usage);
  }
}

/** Ends a server that has not been spoken to. */
export function dismiss(server: WaitingServer): void {
  if ("launched" in server) server.launched.kill();
  close("launched" in server ? server.launched.socket : server.socket);
}
