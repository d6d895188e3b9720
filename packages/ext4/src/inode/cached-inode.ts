import { InodeFlag } from "../format/inode.js";
import type { Volume } from "../volume.js";
import type { Inode } from "./inode.js";
import { readInode } from "./inode-table.js";
import { readLink } from "./symlink.js";

/**
 * An inode by number. The object is shared: whoever changes it, changes it for all.
 *
 * @param ino any number, reserved ones included
 * @throws FileSystemError ESTALE when it is not in use; CorruptionError, DeviceError
 */
export function cachedInode(volume: Volume, ino: number): Inode {
  const cached = volume.inodes.get(ino);
  if (cached !== undefined) return cached;
  const inode = readInode(volume, ino);
  // stat shows the length of what readlink gives, and that is longer than the ciphertext.
  if (inode.isSymlink && inode.has(InodeFlag.encrypt)) inode.size = readLink(volume, inode).length;
  volume.inodes.add(inode);
  return inode;
}
