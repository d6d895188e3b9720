import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";

/** Frees what the attributes of an inode take outside of it: called when the inode is deleted. */
export function removeAllXattrs(_handle: Handle, inode: Inode): void {
  if (inode.fileAcl !== 0) throw new Error("not there yet");
}
