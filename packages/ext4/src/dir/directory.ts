/** The directory room's door. */
export { lookup } from "./lookup.js";
export { type DirectoryVisitor, readDirectory } from "./read-directory.js";
