export type { BlockDevice } from "./device/device.js";
export { MemoryDevice } from "./device/memory.js";
export {
  type Clock,
  type Environment,
  type LogLevel,
  type Random,
  systemEnvironment,
  type Timestamp,
} from "./environment.js";
export {
  CorruptionError,
  type CorruptionKind,
  type CorruptionLocation,
  corruptionKinds,
  DeviceError,
  type ErrnoName,
  errno,
  errnoOf,
  FileSystemError,
  UnsupportedFeatureError,
} from "./errors.js";
