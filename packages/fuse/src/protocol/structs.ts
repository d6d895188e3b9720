/**
 * Every structure of the FUSE ABI up to 7.45 and of the experimental 7.99 (iomap), under the kernel header's field names.
 * Integers are in host byte order and naturally aligned; see `@bulkhead/linux/struct` for how 64-bit fields read.
 */
export * from "./structs/files.js";
export * from "./structs/framing.js";
export * from "./structs/iomap.js";
export * from "./structs/notify.js";
export * from "./structs/objects.js";
