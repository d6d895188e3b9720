export { ConfigFlag, type ConfigReply, type Configuration } from "./config.js";
export { connectIomap } from "./connection/connection.js";
export { ExtentFlag, FiemapFlag } from "./connection/report.js";
export { type BackingMap, BackingType, DeviceRegistry, type HostDevice } from "./devices.js";
export {
  type Counters,
  FallocateMode,
  type FileAttributes,
  type FileExtent,
  type FileRange,
  IoFlag,
  type IomapConnection,
  type IomapFile,
  type IomapOptions,
  type PageCacheOptions,
  type SwapExtent,
} from "./door.js";
export { IomapHost } from "./host.js";
export {
  IoendFlag,
  Mapping,
  MappingFlag,
  type MappingLimits,
  MappingType,
  NULL_ADDR,
  Operation,
  TO_EOF,
  validateMapping,
} from "./mapping.js";
export type { FileIdentity, Ioend, IoendQuestion, IomapServer } from "./server.js";
export type { HostFile, MappingServer } from "./upcalls.js";
