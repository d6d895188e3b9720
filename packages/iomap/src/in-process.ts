/** What a server needs that asks itself: the vocabulary, and the host without caches. Loads nothing of `connectIomap`. */
export { DeviceRegistry, type HostDevice } from "./devices.js";
export { IomapHost } from "./host.js";
export { Mapping, MappingFlag, type MappingLimits, MappingType, NULL_ADDR, Operation } from "./mapping.js";
export type { HostFile, MappingServer } from "./upcalls.js";
