import { allocateInode } from "../alloc/allocate-inode.js";
import { addEntry, directoryCredits, initDirectory } from "../dir/change.js";
import { FileSystemError } from "../errors.js";
import { FileType, I_BLOCK_OFFSET, I_BLOCK_SIZE, InodeFlag } from "../format/inode.js";
import type { Inode } from "../inode/inode.js";
import { setSize } from "../inode/size.js";
import { touchModified } from "../inode/times.js";
import type { Handle } from "../journal/handle.js";
import { transact } from "../journal/transactions.js";
import { getFileBlockForWrite } from "../map/write-data.js";
import { addOrphan } from "../orphan/change.js";
import type { Volume } from "../volume.js";
import { inheritAcl } from "../xattr/inherit-acl.js";
import { addSubdirectory, checkKey, checkMayCreate, checkName, checkSubdirectoryLimit, entryTypeOf } from "./checks.js";

/** Who makes something new, and with what permissions. */
export interface Creation {
  /** Permission bits and, for `create`, the file type. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Permission bits to leave out, where the directory has no default ACL. Default 0. */
  readonly umask?: number;
  /** Whether the mode is what it is to be, neither umask nor default ACL apply, and whoever asks sets the ACLs. Default false. */
  readonly final?: boolean;
  /** Whether the blocks reserved for the superuser may be used, and limits of quota do not count. Default false. */
  readonly privileged?: boolean;
  /** Device number of a device file, in the kernel's encoding for user space (new_encode_dev). */
  readonly rdev?: number;
}

const PERMISSIONS = 0o7777;
const SET_GID = 0o2000;

/** Blocks that making an inode changes: bitmap, descriptors, its own, ACLs, quota. */
const CREATE_CREDITS = 24;

/** Makes a file of the type that the mode names: regular, fifo, socket or device. */
export function create(volume: Volume, dir: Inode, name: Uint8Array, creation: Creation): Inode {
  checkName(name);
  checkMayCreate(dir);
  checkCreatable(creation.mode);
  return transact(volume, CREATE_CREDITS + directoryCredits(volume), (handle) => {
    handle.privileged = creation.privileged === true;
    const inode = newInode(handle, dir, creation.mode, creation);
    addEntry(handle, dir, name, inode.ino, entryTypeOf(inode.mode));
    touchModified(handle, dir);
    if (inode.isRegular) handle.changes?.addFirstName(dir, name, inode, true);
    return inode;
  });
}

function checkCreatable(mode: number): void {
  switch (mode & FileType.mask) {
    case FileType.regular:
    case FileType.fifo:
    case FileType.socket:
    case FileType.characterDevice:
    case FileType.blockDevice:
      return;
    default:
      throw new FileSystemError("EINVAL", `mode 0${mode.toString(8)} is none of a file that can be made`);
  }
}

export function mkdir(volume: Volume, dir: Inode, name: Uint8Array, creation: Creation): Inode {
  checkName(name);
  checkMayCreate(dir);
  checkSubdirectoryLimit(volume, dir);
  return transact(volume, CREATE_CREDITS + 2 * directoryCredits(volume), (handle) => {
    handle.privileged = creation.privileged === true;
    const inode = newInode(handle, dir, FileType.directory | (creation.mode & PERMISSIONS), creation);
    inode.linksCount = 2;
    initDirectory(handle, inode, dir.ino);
    addEntry(handle, dir, name, inode.ino, entryTypeOf(inode.mode));
    touchModified(handle, dir);
    addSubdirectory(volume, dir);
    return inode;
  });
}

/** @param target 1 to blockSize - 1 bytes */
export function symlink(
  volume: Volume,
  dir: Inode,
  name: Uint8Array,
  target: Uint8Array,
  creation: Omit<Creation, "mode">,
): Inode {
  checkName(name);
  checkMayCreate(dir);
  if (target.length === 0) throw new FileSystemError("ENOENT", "the target is empty");
  if (target.length >= Math.min(volume.geometry.blockSize, 4096)) {
    throw new FileSystemError("ENAMETOOLONG", `a target of ${target.length} bytes`);
  }
  return transact(volume, CREATE_CREDITS + directoryCredits(volume), (handle) => {
    handle.privileged = creation.privileged === true;
    const inode = newInode(handle, dir, FileType.symlink | 0o777, creation);
    storeTarget(handle, inode, target);
    addEntry(handle, dir, name, inode.ino, entryTypeOf(inode.mode));
    touchModified(handle, dir);
    return inode;
  });
}

/** A target shorter than i_block lies in it; a longer one has a block, which is metadata. */
function storeTarget(handle: Handle, inode: Inode, target: Uint8Array): void {
  if (target.length < I_BLOCK_SIZE) {
    inode.flags &= ~(InodeFlag.extents | InodeFlag.inlineData);
    inode.block.fill(0);
    inode.raw.set(target, I_BLOCK_OFFSET);
  } else {
    getFileBlockForWrite(handle, inode, 0).data.set(target);
  }
  setSize(handle, inode, target.length);
}

/** A regular file without a name, on the list of orphans until it gets one. */
export function tmpfile(volume: Volume, dir: Inode, creation: Creation): Inode {
  // No name goes into it: so says ext4_new_inode.
  if (dir.linksCount === 0) throw new FileSystemError("EPERM", `directory ${dir.ino} has been removed`);
  checkMayCreate(dir);
  checkKey(dir);
  return transact(volume, CREATE_CREDITS + 4, (handle) => {
    handle.privileged = creation.privileged === true;
    const inode = newInode(handle, dir, FileType.regular | (creation.mode & PERMISSIONS), creation);
    inode.linksCount = 0;
    keepUnlinked(handle, inode);
    // Nobody is to find it after a crash.
    handle.changes?.tell();
    return inode;
  });
}

/** Puts an inode that has no links any more on the list of orphans, and keeps its object for those who use it. */
export function keepUnlinked(handle: Handle, inode: Inode): void {
  const { inodes } = handle.volume;
  addOrphan(handle, inode);
  inodes.keep(inode);
  handle.onUndo(() => inodes.delete(inode.ino));
}

/** An inode with one link, with the owners, the mode and the ACLs that `parent` gives it. */
export function newInode(handle: Handle, parent: Inode, mode: number, creation: Omit<Creation, "mode">): Inode {
  let bits = mode;
  let { gid } = creation;
  if (handle.volume.directoryGroups) {
    gid = parent.gid;
  } else if ((parent.mode & SET_GID) !== 0) {
    gid = parent.gid;
    if ((mode & FileType.mask) === FileType.directory) bits |= SET_GID;
  }
  const inode = allocateInode(handle, { parent, mode: bits, uid: creation.uid, gid });
  inode.linksCount = 1;
  const type = mode & FileType.mask;
  if (type === FileType.characterDevice || type === FileType.blockDevice) storeDevice(inode, creation.rdev ?? 0);
  if (type !== FileType.symlink && creation.final !== true)
    inode.mode = inheritAcl(handle, parent, inode, bits, creation.umask ?? 0);
  return inode;
}

/** Small numbers in the old encoding of 16 bits, others in the new one, as the kernel does. */
function storeDevice(inode: Inode, rdev: number): void {
  const major = (rdev >>> 8) & 0xfff;
  const minor = (rdev & 0xff) | ((rdev >>> 12) & 0xf_ff00);
  inode.flags &= ~(InodeFlag.extents | InodeFlag.inlineData);
  inode.block.fill(0);
  inode.rdev = rdev;
  if (major < 256 && minor < 256) inode.view.setUint32(I_BLOCK_OFFSET, (major << 8) | minor, true);
  else inode.view.setUint32(I_BLOCK_OFFSET + 4, rdev, true);
}
