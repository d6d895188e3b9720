/** Launching servers, and nothing else: one is on its way while the keeper still loads what it needs itself. */
import { close } from "@bulkhead/linux";
import { serverEnvironment, serverProgram } from "@bulkhead/server/contained";
import { type LaunchedServer, launchServer, userNamespacesAllowed } from "@bulkhead/service/launcher";
import { CommandError } from "../../command-line/errors.js";
import type { MountRequest } from "../request.js";

/** Starts a server that waits for its helper. @throws CommandError where nothing would contain it */
export function launch({ source, mountpoint }: MountRequest): LaunchedServer {
  if (process.geteuid?.() !== 0 && !userNamespacesAllowed()) {
    throw new CommandError(
      `cannot mount ${source}: this system lets users make no user namespaces, and without them nothing contains a server: have root mount it, or allow them (sysctl kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns), or mount it --uncontained`,
    );
  }
  return launchServer({
    command: [process.execPath, serverProgram(), source, mountpoint],
    environment: serverEnvironment,
    stderr: "pipe",
  });
}

/** Ends a server that has not been spoken to. */
export function dismiss(server: LaunchedServer): void {
  server.kill();
  close(server.socket);
}
