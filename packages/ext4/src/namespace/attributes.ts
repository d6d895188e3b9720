import { isEmpty } from "../dir/change.js";
import { FileSystemError } from "../errors.js";
import { roCompatFeature } from "../format/features.js";
import { FileType, InodeFlag, InodeLayout } from "../format/inode.js";
import { fits } from "../inode/encode-inode.js";
import type { Inode } from "../inode/inode.js";
import { touchChanged, touchModified } from "../inode/times.js";
import { transact } from "../journal/transactions.js";
import { transferQuota } from "../quota/quota.js";
import type { Volume } from "../volume.js";
import { chmodAcl } from "../xattr/chmod-acl.js";
import { removeXattr, setXattr, xattrCredits } from "../xattr/set-xattr.js";

/** What setattr changes; what is absent stays. Times are whole seconds since 1970, negative before, and nanoseconds. */
export interface AttributeChanges {
  /** Permission bits; a file type in it is ignored. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly atime?: number;
  readonly atimeNanoseconds?: number;
  readonly mtime?: number;
  readonly mtimeNanoseconds?: number;
  /** Default now. */
  readonly ctime?: number;
  readonly ctimeNanoseconds?: number;
  /** See Handle.privileged. Default false. */
  readonly privileged?: boolean;
}

const PERMISSIONS = 0o7777;
const ATTRIBUTE_CREDITS = 24;

/**
 * Changes mode, owners and times. A size is `resize`'s business.
 *
 * @throws FileSystemError EPERM for immutable and append-only inodes, EDQUOT
 */
export function setAttributes(volume: Volume, inode: Inode, changes: AttributeChanges): void {
  const named = changes.mode ?? changes.uid ?? changes.gid;
  if (named !== undefined) checkChangeable(inode);
  transact(volume, ATTRIBUTE_CREDITS, (handle) => {
    handle.privileged = changes.privileged === true;
    if (!inode.isDirectory) handle.changes?.tell();
    touchChanged(handle, inode);
    const { uid, gid, mode } = changes;
    if ((uid !== undefined && uid !== inode.uid) || (gid !== undefined && gid !== inode.gid)) {
      transferQuota(handle, inode, {
        ...(uid === undefined ? {} : { uid }),
        ...(gid === undefined ? {} : { gid }),
      });
      if (uid !== undefined) inode.uid = uid;
      if (gid !== undefined) inode.gid = gid;
    }
    if (mode !== undefined) {
      const old = inode.mode & PERMISSIONS;
      inode.mode = (inode.mode & FileType.mask) | (mode & PERMISSIONS);
      if ((old & 0o777) !== (mode & 0o777) && !inode.isSymlink) chmodAcl(handle, inode);
    }
    if (changes.atime !== undefined) {
      inode.atime = changes.atime;
      inode.atimeNanoseconds = changes.atimeNanoseconds ?? 0;
    }
    if (changes.mtime !== undefined) {
      inode.mtime = changes.mtime;
      inode.mtimeNanoseconds = changes.mtimeNanoseconds ?? 0;
    }
    if (changes.ctime !== undefined) {
      inode.ctime = changes.ctime;
      inode.ctimeNanoseconds = changes.ctimeNanoseconds ?? 0;
    }
  });
}

/** Refuses what immutable and append-only inodes forbid. */
export function checkChangeable(inode: Inode): void {
  if (inode.has(InodeFlag.immutable | InodeFlag.append)) {
    throw new FileSystemError("EPERM", `inode ${inode.ino} is immutable or append-only`);
  }
}

/** Notes that an inode's contents were written. */
export function setModificationTime(volume: Volume, inode: Inode): void {
  transact(volume, 2, (handle) => {
    if (!inode.isDirectory) handle.changes?.tell();
    touchModified(handle, inode);
  });
}

/** Notes that an inode was read. No other time changes. */
export function setAccessTime(volume: Volume, inode: Inode): void {
  transact(volume, 2, (handle) => {
    // Of a directory as well, of which fast commits do not tell: its atime is not worth a full one.
    handle.changes?.tell();
    handle.modifyInode(inode, true);
    const now = volume.environment.clock.now();
    inode.atime = now.seconds;
    inode.atimeNanoseconds = now.nanoseconds;
  });
}

/** Flags that FS_IOC_SETFLAGS may change (EXT4_FL_USER_MODIFIABLE). */
const USER_MODIFIABLE = 0x624b_c0ff;
/** Flags that only directories have. */
const DIRECTORY_ONLY = InodeFlag.dirSync | InodeFlag.topDir | InodeFlag.casefold | InodeFlag.projectInherit;

/**
 * Sets the flags that chattr(1) changes.
 *
 * @throws FileSystemError EOPNOTSUPP for flags that cannot be changed here, ENOTDIR, ENOTEMPTY
 */
export function setFlags(volume: Volume, inode: Inode, flags: number): void {
  const changed = (inode.flags ^ flags) & USER_MODIFIABLE;
  if ((changed & InodeFlag.extents) !== 0) {
    throw new FileSystemError("EOPNOTSUPP", "a file keeps its kind of block map");
  }
  if ((changed & flags & DIRECTORY_ONLY) !== 0 && !inode.isDirectory) {
    throw new FileSystemError("EOPNOTSUPP", "a flag that only directories have");
  }
  if ((changed & InodeFlag.casefold) !== 0) {
    if (!volume.features.casefold) throw new FileSystemError("EOPNOTSUPP", "the casefold feature is off");
    if (!isEmpty(volume, inode))
      throw new FileSystemError("ENOTEMPTY", "only an empty directory changes how names compare");
  }
  // What is in the journal comes home before data is written past it.
  if ((changed & InodeFlag.journalData) !== 0) volume.transactions?.settle();
  transact(volume, 4, (handle) => {
    touchChanged(handle, inode);
    inode.flags = ((inode.flags & ~USER_MODIFIABLE) | (flags & USER_MODIFIABLE)) >>> 0;
  });
}

/** Sets the number that NFS handles carry. */
export function setGeneration(volume: Volume, inode: Inode, generation: number): void {
  if (volume.features.metadataCsum) {
    // The checksums of all blocks of the inode start from it.
    throw new FileSystemError("EOPNOTSUPP", "with metadata_csum, the generation cannot be changed");
  }
  transact(volume, 4, (handle) => {
    touchChanged(handle, inode);
    inode.generation = generation >>> 0;
  });
}

/** @throws FileSystemError EOPNOTSUPP without the project feature, or room for a project in the inode; EDQUOT */
export function setProject(volume: Volume, inode: Inode, projectId: number, privileged = false): void {
  if ((volume.superblock.featureRoCompat & roCompatFeature.project) === 0) {
    if (projectId === 0) return;
    throw new FileSystemError("EOPNOTSUPP", "the project feature is off");
  }
  if (projectId === inode.projectId) return;
  transact(volume, ATTRIBUTE_CREDITS, (handle) => {
    handle.privileged = privileged;
    touchChanged(handle, inode);
    if (!fits(inode, InodeLayout.offset.projectId + 4)) {
      throw new FileSystemError("EOPNOTSUPP", `inode ${inode.ino} has no room for a project`);
    }
    transferQuota(handle, inode, { projectId });
    inode.projectId = projectId;
  });
}

/** Sets an attribute, or removes it when there is no value. */
export function changeXattr(
  volume: Volume,
  inode: Inode,
  name: string,
  value: Uint8Array | undefined,
  flags: number,
  privileged = false,
): void {
  checkChangeable(inode);
  transact(volume, xattrCredits(volume, value?.length ?? 0), (handle) => {
    handle.privileged = privileged;
    if (value === undefined) removeXattr(handle, inode, name);
    else if (!setXattr(handle, inode, name, value, flags)) return;
    touchChanged(handle, inode);
  });
}
