/** The protocol core: nothing in here knows of a device. */
export type { OperationStatistics } from "./binding.js";
export * from "./codec.js";
export type { Context } from "./context.js";
export { type DirectoryRecord, type DirentPlusWriter, type DirentWriter, readRecords } from "./dirents.js";
export { DEFERRED } from "./errno.js";
export type { SecurityContext } from "./extensions.js";
export * from "./flags.js";
export {
  DEFAULT_FLAGS,
  hasFlag,
  type InitOptions,
  NEWEST_MINOR,
  type Negotiated,
  OLDEST_MINOR,
} from "./init.js";
export type { StructList } from "./list.js";
export * from "./notifications.js";
export * from "./operations.js";
export { type DeferredReply, encodeReply } from "./reply.js";
export * from "./session.js";
export * from "./structs.js";
