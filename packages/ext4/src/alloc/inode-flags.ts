import { FileType, InodeFlag } from "../format/inode.js";

/** EXT4_NOCOMPR_FL, which nothing but its being handed down uses. */
const NO_COMPRESSION = 0x400;

/** EXT4_FL_INHERITED: what new inodes take over from their directory. */
const INHERITED =
  InodeFlag.secureDeletion |
  InodeFlag.undelete |
  InodeFlag.compress |
  InodeFlag.sync |
  InodeFlag.noDump |
  InodeFlag.noAtime |
  NO_COMPRESSION |
  InodeFlag.journalData |
  InodeFlag.noTail |
  InodeFlag.dirSync |
  InodeFlag.projectInherit |
  InodeFlag.casefold |
  InodeFlag.dax;

/** What only directories have. */
const DIRECTORY_ONLY = InodeFlag.dirSync | InodeFlag.topDir | InodeFlag.casefold | InodeFlag.projectInherit;

/** The flags that a new inode takes over from its directory's. */
export function inheritedFlags(parentFlags: number, mode: number): number {
  const flags = parentFlags & INHERITED;
  switch (mode & FileType.mask) {
    case FileType.directory:
      return flags >>> 0;
    case FileType.regular:
      return (flags & ~DIRECTORY_ONLY) >>> 0;
    default:
      return (flags & (InodeFlag.noDump | InodeFlag.noAtime)) >>> 0;
  }
}
