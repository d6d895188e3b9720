/** The directory room's door for who reads. */

export { lookup } from "./lookup.js";
export { type DirectoryVisitor, readDirectory } from "./read-directory.js";
