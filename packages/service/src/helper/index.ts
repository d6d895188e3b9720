export { type Caller, realCaller } from "./caller.js";
export { hasService } from "./check.js";
export { type HelperCommand, parseHelperCommand, SOCKET_DIRECTORY, socketPath, subtypeOf } from "./command.js";
export { type FuseConfiguration, parseFuseConfiguration, readFuseConfiguration } from "./configuration.js";
export { connectToService, NoServiceError } from "./connect.js";
export { HeldMount } from "./held-mount.js";
export type { KeeperFiles } from "./keeper-files.js";
export { checkFuseOptions, checkTableOptions, type FuseOption } from "./mount-options.js";
export {
  HelperExit,
  type HelperOptions,
  type HelperResult,
  type HelperTimeouts,
  runHelper,
  type StartedServer,
} from "./run.js";
export {
  type FileOpening,
  type HelperActions,
  type HelperPolicy,
  HelperSession,
  type MountRequest,
  type Outcome,
} from "./session.js";
