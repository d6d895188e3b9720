export { FuseAnswerError, FuseConnectionError } from "@bulkhead/fuse/client";
export { SourceError } from "@bulkhead/server/descriptor";
export { ImageError, ImageOpenError } from "./errors.js";
export { alignedBuffer, ImageFile } from "./file.js";
export { type DirectoryEntry, Image, type Owner, type Statistics } from "./image.js";
export { type FileKind, ImageNode, kindOfMode, type Stats, type Timestamp } from "./node.js";
export { type ImageOptions, openImage } from "./open.js";
export type { ImagePath, Place } from "./paths.js";
export { type Changes, type Creation, type Entry, ImageTree, type Particulars } from "./tree.js";
