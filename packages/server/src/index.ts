export type { IomapChoice } from "./kernel-iomap.js";
export { type MountImageOptions, mountImage } from "./mount.js";
export type { IomapOptions } from "./outside-host.js";
export { Ext4Server } from "./server.js";
export type { ServerOptions } from "./server-options.js";
export { openSource, SourceError, type SourceOptions } from "./source.js";
