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
  for (const stored of storedInInode(volume, inode)) {
    if (stored.valueInode === 0) continue;
    releaseValueInode(handle, stored.valueInode, { inode: inode.ino });
    chargeOwner(handle, inode, stored.valueSize, -1);
  }
  writeInInode(inode, []);
  const block = openXattrBlock(volume, inode);
  if (block === undefined) return;
  for (const stored of block.list) if (stored.valueInode !== 0) chargeOwner(handle, inode, stored.valueSize, -1);
  inode.fileAcl = 0;
  releaseXattrBlock(handle, inode, block);
}
