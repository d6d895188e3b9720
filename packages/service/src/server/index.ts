export { KeeperFile } from "../protocol/index.js";
export { parseCommand, type ServiceCommand } from "./command.js";
export { type ConnectionOptions, type FileRequest, ServiceConnection } from "./connection.js";
export { exitService, serviceExitCode } from "./exit.js";
export {
  mountAsService,
  type OpenedFileSystem,
  type OpeningContext,
  type ServiceMount,
  type ServiceMountOptions,
} from "./mount.js";
export { findServiceSocket } from "./socket.js";
export { requestDirect, requestSource, type ServiceSource, type SourceRequest } from "./source.js";
