export { DeviceRegistry, type HostDevice } from "./devices.js";
export { IomapHost } from "./host.js";
export {
  Mapping,
  MappingFlag,
  type MappingLimits,
  MappingType,
  NULL_ADDR,
  Operation,
  validateMapping,
} from "./mapping.js";
export type { HostFile, MappingServer } from "./upcalls.js";
