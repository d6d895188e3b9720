export { DeviceRegistry, type HostDevice } from "./devices.js";
export { type HostFile, IomapHost, type MappingServer } from "./host.js";
export {
  Mapping,
  MappingFlag,
  type MappingLimits,
  MappingType,
  NULL_ADDR,
  Operation,
  validateMapping,
} from "./mapping.js";
