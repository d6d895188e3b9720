import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import { openXattrBlock, releaseXattrBlock } from "./write-block.js";
import { storedInInode, writeInInode } from "./write-in-inode.js";
import { chargeOwner, releaseValueInode } from "./write-value-inode.js";

/**
 * Frees what the attributes of an inode take outside of it, when it is deleted: its share of a block, and value inodes.
 *
 * @throws CorruptionError xattr-*, block-range
 */
export function removeAllXattrs(handle: Handle, inode: Inode): void {
  const { volume } = handle;
  handle.modifyInode(inode);
  if (volume.features.eaInode) removeInside(handle, inode);
  const block = openXattrBlock(volume, inode);
  if (block === undefined) return;
  for (const stored of block.list) if (stored.valueInode !== 0) chargeOwner(handle, inode, stored.valueSize, -1);
  inode.fileAcl = 0;
  releaseXattrBlock(handle, inode, block);
}

/** Attributes inside the inode go with it; their value inodes do not. */
function removeInside(handle: Handle, inode: Inode): void {
  const list = storedInInode(handle.volume, inode);
  for (const stored of list) {
    if (stored.valueInode === 0) continue;
    releaseValueInode(handle, stored.valueInode, { inode: inode.ino });
    chargeOwner(handle, inode, stored.valueSize, -1);
  }
  if (list.length === 0) return;
  writeInInode(inode, []);
  // The next file in this place could not see that the table has them still: see alloc/allocate-inode.ts.
  handle.changes?.refuse();
}
