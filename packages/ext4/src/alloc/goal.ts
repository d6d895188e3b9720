import type { Inode } from "../inode/inode.js";
import type { Volume } from "../volume.js";

/** Where a file's block should go: behind the last mapped block before it, or else into the group of its inode. */
export function goalFor(_volume: Volume, _inode: Inode, _fileBlock: number): number {
  throw new Error("to be written");
}
