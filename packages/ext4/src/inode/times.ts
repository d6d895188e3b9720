import { GOOD_OLD_INODE_SIZE, InodeLayout } from "../format/inode.js";
import { CREATOR_OS_HURD } from "../format/superblock.js";
import type { Handle } from "../journal/handle.js";
import type { Volume } from "../volume.js";
import type { Inode } from "./inode.js";

const { versionLo, versionHi, extraInodeSize } = InodeLayout.offset;

/** Sets ctime to now: something of the inode changed. Announces the change. */
export function touchChanged(handle: Handle, inode: Inode): void {
  handle.modifyInode(inode, true);
  const now = handle.volume.environment.clock.now();
  inode.ctime = now.seconds;
  inode.ctimeNanoseconds = now.nanoseconds;
  countChange(handle.volume, inode);
}

/** Counts in i_version (Hurd has something else there): by that, clients of a kernel that exports the file system by NFS see that there was a change. */
function countChange({ superblock }: Volume, { view }: Inode): void {
  if (superblock.creatorOs === CREATOR_OS_HURD) return;
  const low = (view.getUint32(versionLo, true) + 1) >>> 0;
  view.setUint32(versionLo, low, true);
  if (low !== 0 || view.byteLength === GOOD_OLD_INODE_SIZE) return;
  const end = GOOD_OLD_INODE_SIZE + view.getUint16(extraInodeSize, true);
  if (end >= versionHi + 4) view.setUint32(versionHi, view.getUint32(versionHi, true) + 1, true);
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
