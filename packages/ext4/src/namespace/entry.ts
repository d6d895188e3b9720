import { lookup } from "../dir/directory.js";
import { CorruptionError, FileSystemError } from "../errors.js";
import { InodeFlag, ReservedInode } from "../format/inode.js";
import { cachedInode } from "../inode/cached-inode.js";
import type { Inode } from "../inode/inode.js";
import type { Volume } from "../volume.js";
import { isDotName } from "./checks.js";

/** See FileSystem.lookup. */
export function lookupEntry(volume: Volume, directory: Inode, name: Uint8Array): number {
  const ino = lookup(volume, directory, name);
  if (ino === 0 || isDotName(name)) return ino;
  if (ino === directory.ino) {
    throw new CorruptionError("directory-entry", { inode: ino }, "a name in the directory leads to the directory");
  }
  entryInode(volume, directory, ino);
  return ino;
}

/** See FileSystem.entryInode. */
export function entryInode(volume: Volume, directory: Inode, ino: number): Inode {
  checkEntryNumber(volume, directory, ino);
  let inode: Inode;
  try {
    inode = cachedInode(volume, ino);
  } catch (error) {
    if (!(error instanceof FileSystemError && error.code === "ESTALE")) throw error;
    throw new CorruptionError("inode-deleted", { inode: ino }, `directory ${directory.ino} has an entry for it`);
  }
  if (inode.has(InodeFlag.eaInode)) {
    throw new CorruptionError("inode-type", { inode: ino }, "a directory entry leads to an attribute's value");
  }
  return inode;
}

function checkEntryNumber(volume: Volume, directory: Inode, ino: number): void {
  const { geometry, superblock } = volume;
  const reserved =
    (ino < geometry.firstInode && ino !== ReservedInode.root) ||
    ino === superblock.userQuotaInode ||
    ino === superblock.groupQuotaInode ||
    ino === superblock.projectQuotaInode ||
    ino === superblock.orphanFileInode;
  if (reserved || ino > geometry.inodeCount) {
    throw new CorruptionError(
      "inode-number",
      { inode: ino },
      `directory ${directory.ino} has an entry for inode ${ino}, which is reserved or does not exist`,
    );
  }
}
