export { type MountImageOptions, mountImage } from "./mount.js";
export { Ext4Server } from "./server.js";
export { openSource, SourceError, type SourceOptions } from "./source.js";
