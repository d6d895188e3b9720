import { addEntry, directoryCredits, isEmpty, removeEntry } from "../dir/change.js";
import { lookup } from "../dir/directory.js";
import { CorruptionError, FileSystemError } from "../errors.js";
import { InodeFlag, ReservedInode } from "../format/inode.js";
import type { Inode } from "../inode/inode.js";
import { setSize } from "../inode/size.js";
import { touchChanged, touchModified, touchNamed } from "../inode/times.js";
import type { Handle } from "../journal/handle.js";
import { transact } from "../journal/transactions.js";
import { removeOrphan } from "../orphan/change.js";
import type { Volume } from "../volume.js";
import {
  checkMayCreate,
  checkMayDelete,
  checkName,
  checkProject,
  entryTypeOf,
  isDotName,
  LINK_MAX,
  removeSubdirectory,
} from "./checks.js";
import { keepUnlinked } from "./create.js";
import { entryInode } from "./entry.js";

/** Blocks that a change of links changes besides the directory's: the inode, its neighbours on the list of orphans, the superblock. */
const LINK_CREDITS = 12;

/** Gives an inode one more name. @param privileged see Handle.privileged */
export function link(volume: Volume, inode: Inode, dir: Inode, name: Uint8Array, privileged: boolean): void {
  checkName(name);
  checkMayCreate(dir);
  if (inode.isDirectory) throw new FileSystemError("EPERM", "a directory cannot have a second name");
  if (inode.has(InodeFlag.append | InodeFlag.immutable)) {
    throw new FileSystemError("EPERM", `inode ${inode.ino} is immutable or append-only`);
  }
  if (inode.linksCount === 0 && volume.inodes.get(inode.ino) !== inode) {
    throw new FileSystemError("ENOENT", `inode ${inode.ino} has been deleted`);
  }
  if (inode.linksCount >= LINK_MAX) throw new FileSystemError("EMLINK", `inode ${inode.ino} has ${LINK_MAX} links`);
  checkProject(volume, dir, inode);
  transact(volume, LINK_CREDITS + directoryCredits(volume), (handle) => {
    handle.privileged = privileged;
    addEntry(handle, dir, name, inode.ino, entryTypeOf(inode.mode));
    touchModified(handle, dir);
    touchNamed(handle, inode);
    inode.linksCount++;
    // A file made without a name is an orphan no longer; whoever uses it goes on with the same object.
    if (inode.linksCount > 1) handle.changes?.addName(dir, name, inode);
    else adopt(handle, dir, name, inode);
  });
}

function adopt(handle: Handle, dir: Inode, name: Uint8Array, inode: Inode): void {
  const { inodes } = handle.volume;
  if (!handle.volume.promises.growing.has(inode.ino)) removeOrphan(handle, inode);
  inodes.delete(inode.ino);
  inodes.add(inode);
  handle.onUndo(() => inodes.keep(inode));
  handle.changes?.addFirstName(dir, name, inode, false);
}

/** Takes a name away from what is no directory. With the last one, the inode becomes an orphan that `release` deletes. */
export function unlink(volume: Volume, dir: Inode, name: Uint8Array): void {
  checkName(name);
  const inode = entry(volume, dir, name);
  if (inode.isDirectory) throw new FileSystemError("EISDIR", `inode ${inode.ino} is a directory`);
  checkMayDelete(dir, inode);
  transact(volume, LINK_CREDITS + directoryCredits(volume), (handle) => {
    removeEntry(handle, dir, name);
    touchModified(handle, dir);
    dropLink(handle, inode);
    handle.changes?.removeName(dir, name, inode);
  });
}

export function rmdir(volume: Volume, dir: Inode, name: Uint8Array): void {
  if (isDotName(name)) throw new FileSystemError(name.length === 1 ? "EINVAL" : "ENOTEMPTY", "`.` and `..` stay");
  checkName(name);
  const inode = entry(volume, dir, name);
  if (!inode.isDirectory) throw new FileSystemError("ENOTDIR", `inode ${inode.ino} is no directory`);
  checkMayDelete(dir, inode);
  if (!isEmpty(volume, inode)) throw new FileSystemError("ENOTEMPTY", `directory ${inode.ino} is not empty`);
  transact(volume, LINK_CREDITS + directoryCredits(volume), (handle) => {
    removeEntry(handle, dir, name);
    touchModified(handle, dir);
    removeSubdirectory(dir);
    dropDirectory(handle, inode);
  });
}

/** What a name in a directory leads to, to be taken away or moved. @throws FileSystemError ENOENT, ENOTDIR; CorruptionError */
export function entry(volume: Volume, dir: Inode, name: Uint8Array): Inode {
  const ino = lookup(volume, dir, name);
  if (ino === 0) throw new FileSystemError("ENOENT", "there is no such name");
  const inode = entryInode(volume, dir, ino);
  if (inode === dir || ino === ReservedInode.root) {
    throw new CorruptionError(
      "directory-entry",
      { inode: dir.ino },
      `a name in it leads to inode ${ino}, above it or itself`,
    );
  }
  return inode;
}

/** One link less of what is no directory. */
export function dropLink(handle: Handle, inode: Inode): void {
  if (inode.linksCount === 0) {
    throw new CorruptionError("inode-deleted", { inode: inode.ino }, "a name was found for an inode without links");
  }
  touchChanged(handle, inode);
  inode.linksCount--;
  if (inode.linksCount === 0) keepUnlinked(handle, inode);
}

/** An empty directory has lost its name. */
export function dropDirectory(handle: Handle, inode: Inode): void {
  touchChanged(handle, inode);
  inode.linksCount = 0;
  setSize(handle, inode, 0);
  keepUnlinked(handle, inode);
}
