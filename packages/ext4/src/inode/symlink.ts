import { NokeyName } from "../dir/nokey-name.js";
import { CorruptionError, FileSystemError } from "../errors.js";
import { InodeFlag, InodeLayout } from "../format/inode.js";
import { inlineData } from "../map/inline-data.js";
import { readFileBlock } from "../map/read-data.js";
import type { Volume } from "../volume.js";
import { isFastSymlink } from "./decode-inode.js";
import type { Inode } from "./inode.js";

/** Bytes before the ciphertext of an encrypted target: its length. */
const ENCRYPTED_HEADER = 2;

/**
 * The target of a symbolic link: in the inode (a fast one, or inline data) or in its first block. Like the kernel's, it ends
 * at the first NUL. Of an encrypted link, the kernel shows an encoding of the ciphertext when it has no key; so do we.
 *
 * @returns 1 to blockSize - 1 bytes; may be a window onto the inode or a cached block
 * @throws FileSystemError EINVAL when the inode is no symbolic link
 * @throws CorruptionError symlink-target
 */
export function readSymlink(
  volume: Volume,
  inode: Inode,
  showCiphertext: (ciphertext: Uint8Array) => Uint8Array,
): Uint8Array {
  if (!inode.isSymlink) throw new FileSystemError("EINVAL", `inode ${inode.ino} is no symbolic link`);
  const stored = storedTarget(volume, inode);
  if (inode.has(InodeFlag.encrypt)) return showCiphertext(ciphertextOf(inode, stored));
  const end = stored.indexOf(0);
  const target = end < 0 ? stored : stored.subarray(0, end);
  if (target.length === 0) throw new CorruptionError("symlink-target", { inode: inode.ino }, "the target is empty");
  return target;
}

/** The target of a symbolic link; of an encrypted one, what the kernel shows without the key. Not to be changed. */
export function readLink(volume: Volume, inode: Inode): Uint8Array {
  return readSymlink(volume, inode, (ciphertext) => {
    const name = new NokeyName();
    name.encode(0, 0, ciphertext, 0, ciphertext.length, inode.ino);
    return name.text.slice(0, name.textLength);
  });
}

function storedTarget(volume: Volume, inode: Inode): Uint8Array {
  if (inode.hasInlineData) return inlineData(volume, inode);
  if (isFastSymlink(volume, inode)) return inode.block.subarray(0, sizeOnDisk(inode));
  const size = sizeOnDisk(inode);
  if (size === 0 || size > volume.geometry.blockSize) {
    throw new CorruptionError("symlink-target", { inode: inode.ino }, `a target of ${size} bytes`);
  }
  const block = readFileBlock(volume, inode, 0);
  if (block === undefined) {
    throw new CorruptionError("symlink-target", { inode: inode.ino, fileBlock: 0 }, "its block is a hole");
  }
  return block.data.subarray(0, Math.min(size, volume.geometry.blockSize - (inode.has(InodeFlag.encrypt) ? 0 : 1)));
}

/** The size in the inode's bytes: that of an encrypted link, `inode.size` shows as the length of what readSymlink gives. */
function sizeOnDisk(inode: Inode): number {
  return inode.view.getUint32(InodeLayout.offset.sizeLo, true);
}

function ciphertextOf(inode: Inode, stored: Uint8Array): Uint8Array {
  const length = stored.length < ENCRYPTED_HEADER ? 0 : stored[0]! | (stored[1]! << 8);
  if (length === 0 || ENCRYPTED_HEADER + length > stored.length) {
    throw new CorruptionError(
      "symlink-target",
      { inode: inode.ino },
      `an encrypted target of ${length} bytes in ${stored.length}`,
    );
  }
  return stored.subarray(ENCRYPTED_HEADER, ENCRYPTED_HEADER + length);
}
