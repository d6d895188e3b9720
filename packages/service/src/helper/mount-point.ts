import { fstatSync, readlinkSync, type Stats } from "node:fs";
import { listMounts } from "@bulkhead/fuse";
import { Access, accessible, close, Errno, LinuxError, O_PATH, open, statfs } from "@bulkhead/linux";
import { MountPointFormat } from "../protocol/index.js";
import { asCaller, type Caller } from "./caller.js";

/** A mount point that is held by a descriptor, so that it stays the one that was checked. */
export class MountPoint {
  readonly fd: number;
  readonly stat: Stats;

  /**
   * @param path as the caller reaches it
   * @param expected a `MountPointFormat`
   * @throws {LinuxError} of open(2); EACCES: neither directory nor regular file, or a file that the caller cannot write; ENOTDIR,
   * EISDIR: not what was expected
   */
  constructor(path: Uint8Array, expected: number, caller: Caller) {
    this.fd = asCaller(caller, () => open(path, O_PATH));
    try {
      this.stat = fstatSync(this.fd);
      const refusal = this.#refusal(expected, caller);
      if (refusal !== 0) throw new LinuxError("open", refusal, new TextDecoder().decode(path));
    } catch (error) {
      close(this.fd);
      throw error;
    }
  }

  #refusal(expected: number, caller: Caller): number {
    const { stat } = this;
    if (!stat.isDirectory() && !stat.isFile()) return Errno.EACCES;
    if (expected === MountPointFormat.DIRECTORY && !stat.isDirectory()) return Errno.ENOTDIR;
    if (expected === MountPointFormat.REGULAR && !stat.isFile()) return Errno.EISDIR;
    return stat.isFile() && caller.uid !== 0 && !this.#writable(caller) ? Errno.EACCES : 0;
  }

  #writable(caller: Caller): boolean {
    return asCaller(caller, () => accessible(this.fd, Access.WRITE));
  }

  /** A path that leads to what is held, in this process. */
  get link(): string {
    return `/proc/self/fd/${this.fd}`;
  }

  /** Its path by now, for others. */
  get path(): string {
    return readlinkSync(this.link);
  }

  /**
   * Whether users may mount there, as fusermount3 decides it: a directory, or a file, that the caller may write to, and that others
   * cannot have put there; on a file system that takes part in this.
   *
   * @throws {LinuxError} EPERM: no; EUSERS: there are `mountMax` FUSE mounts already
   */
  checkUser(caller: Caller, mountMax: number): void {
    const refuse = (errno: number, why: string) => new LinuxError("mount", errno, `${this.path}: ${why}`);
    if (mountMax >= 0 && fuseMounts() >= mountMax) throw refuse(Errno.EUSERS, `${mountMax} FUSE mounts are the most`);
    const { stat } = this;
    const STICKY = 0o1000;
    if (stat.isDirectory() && (stat.mode & STICKY) !== 0 && stat.uid !== caller.uid) {
      throw refuse(Errno.EPERM, "a sticky directory of somebody else");
    }
    if (!this.#writable(caller)) throw refuse(Errno.EPERM, "not writable by the caller");
    const { type } = statfs(this.link);
    if (!mountable.has(type)) throw refuse(Errno.EPERM, `not on a file system of type 0x${type.toString(16)}`);
  }

  close(): void {
    close(this.fd);
  }
}

function fuseMounts(): number {
  return listMounts().filter(({ type }) => type === "fuse" || type.startsWith("fuse.")).length;
}

/** File systems that users may mount on: magic numbers as in statfs(2). Not /proc and the like. */
const mountable: ReadonlySet<number> = new Set([
  0x61756673, // aufs
  0x187, // autofs
  0xca451a4e, // bcachefs
  0x9123683e, // btrfs
  0xc36400, // ceph
  0xff534d42, // cifs
  0xf15f, // ecryptfs
  0x2011bab0, // exfat
  0xef53, // ext2, ext3, ext4
  0xf2f52010, // f2fs
  0x65735546, // fuse
  0x1161970, // gfs2
  0x47504653, // gpfs
  0x482b, // hfs+
  0x72b6, // jffs2
  0x3153464a, // jfs
  0xbd00bd0, // lustre
  0x4d44, // msdos
  0x564c, // ncp
  0x6969, // nfs
  0x3434, // nilfs
  0x5346544e, // ntfs
  0x7366746e, // ntfs3
  0x5346414f, // openafs
  0x794c7630, // overlay
  0xaad7aaea, // panfs
  0x52654973, // reiserfs
  0xfe534d42, // smb2
  0x73717368, // squashfs
  0x1021994, // tmpfs
  0x24051905, // ubifs
  0x18031977, // wekafs
  Number(0x736675005346544en), // ufsd
  0x58465342, // xfs
  0x2fc12fc1, // zfs
  0x858458f6, // ramfs
]);
