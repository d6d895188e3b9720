/** Starting servers, and nothing else: one is on its way while the keeper still loads what it needs itself. */
import { close } from "@bulkhead/linux";
import { serverEnvironment, serverProgram } from "@bulkhead/server/contained";
import { createSurvivalMemory } from "@bulkhead/server/survival/memory-file";
import { type LaunchedServer, launchServer, userNamespacesAllowed } from "@bulkhead/service/launcher";
import { CommandError } from "../../command-line/errors.js";
import type { MountRequest } from "../request.js";

/** A server that waits for its helper. */
export interface WaitingServer {
  readonly process: LaunchedServer;
  /** Descriptor of the memory that outlives it; without, no other can go on with its mount. The caller's. */
  readonly memory: number | undefined;
}

/** Starts the first server of a mount, one that others can go on from if the request says so. */
export function startFirst(request: MountRequest, mayBeSucceeded = request.settings.restarts > 0): WaitingServer {
  const memory = mayBeSucceeded ? createSurvivalMemory() : undefined;
  try {
    return { process: startServer(request, memory), memory };
  } catch (error) {
    if (memory !== undefined) close(memory);
    throw error;
  }
}

/** Ends a server that has not been spoken to. */
export function dismiss({ process, memory }: WaitingServer): void {
  process.kill();
  close(process.socket);
  if (memory !== undefined) close(memory);
}

/** Starts a server. @throws CommandError where nothing would contain it @param memory as left by the one before, if there was one */
export function startServer({ source, mountpoint }: MountRequest, memory: number | undefined): LaunchedServer {
  if (process.geteuid?.() !== 0 && !userNamespacesAllowed()) {
    throw new CommandError(
      `cannot mount ${source}: this system lets users make no user namespaces, and without them nothing contains a server: have root mount it, or allow them (sysctl kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns), or mount it --uncontained`,
    );
  }
  return launchServer({
    command: [process.execPath, serverProgram(), source, mountpoint],
    environment: serverEnvironment,
    stderr: "pipe",
    stream: true,
    ...(memory === undefined ? {} : { memory }),
  });
}
