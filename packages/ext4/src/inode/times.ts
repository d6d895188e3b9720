import type { Handle } from "../journal/handle.js";
import type { Inode } from "./inode.js";

/** Sets ctime to now: something of the inode changed. Announces the change. */
export function touchChanged(handle: Handle, inode: Inode): void {
  handle.modifyInode(inode, true);
  const now = handle.volume.environment.clock.now();
  inode.ctime = now.seconds;
  inode.ctimeNanoseconds = now.nanoseconds;
}

/** As `touchChanged`, of an inode that gets a name. Without a journal, fdatasync makes that durable, too, as the kernel's ext4 does. */
export function touchNamed(handle: Handle, inode: Inode): void {
  if (!handle.volume.features.hasJournal) handle.modifyInode(inode);
  touchChanged(handle, inode);
}

/** Sets mtime and ctime to now: the contents changed. Announces the change. */
export function touchModified(handle: Handle, inode: Inode): void {
  touchChanged(handle, inode);
  inode.mtime = inode.ctime;
  inode.mtimeNanoseconds = inode.ctimeNanoseconds;
}
