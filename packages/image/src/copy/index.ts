/** Copying trees: from the host or an image, to the host or an image. */
export { Copier, type CopierOptions } from "./copier.js";
export {
  type AttributeOptions,
  type Contents,
  type DestinationDirectory,
  type DestinationPlace,
  type Draft,
  type EntryOrder,
  leadsElsewhere,
  PRESERVE_ALL,
  type Preserve,
  pathInside,
  type SourceEntry,
  type SourceNode,
} from "./ends.js";
export { type HostDestinationOptions, HostPlace, hasDefaultAcl } from "./host-destination.js";
export { HostSource } from "./host-source.js";
export { imageDirectory, imagePlace } from "./image-destination.js";
export { ImageSource } from "./image-source.js";
export { sortedEntries, TreeError, type WalkEntry, type WalkOptions, type WalkStep, walk } from "./walk.js";
