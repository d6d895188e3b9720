import {
  CorruptionError,
  compatFeature,
  DeviceError,
  errno,
  errnoOf,
  type FileSystem,
  FileSystemError,
  type Inode,
  InodeFlag,
  type Timestamp,
} from "@bulkhead/ext4";
import {
  AttrFlag,
  type Completions,
  type Context,
  type FuseAttr,
  type FuseEntryOut,
  type Handlers,
  InitFlag,
  type SessionOptions,
} from "@bulkhead/fuse";
import { DeviceRegistry, IomapHost } from "@bulkhead/iomap/in-process";
import { eventfdDrain } from "@bulkhead/linux";
import type { View } from "@bulkhead/linux/struct";
import { AccessTimer } from "./access-times.js";
import { Durability } from "./durability.js";
import { EngineMappings } from "./engine-mappings.js";
import { isExpected } from "./expected-error.js";
import { IoThread } from "./io-thread.js";
import { LookupCounts } from "./lookups.js";
import { LostWrites } from "./lost-writes.js";
import { MovedNames } from "./moved-names.js";
import { attributeOperations, fillAttributes, outsideFlags } from "./operations/attributes.js";
import { creationOperations } from "./operations/creation.js";
import { directoryOperations } from "./operations/directories.js";
import { fileOperations } from "./operations/file-io.js";
import { fileWritingOperations } from "./operations/file-write.js";
import { forgetOperations } from "./operations/forget.js";
import { ioctlOperations } from "./operations/ioctl.js";
import { iomapOperations } from "./operations/iomap.js";
import { refusals } from "./operations/refusals.js";
import { removalOperations } from "./operations/removal.js";
import { setattrOperations } from "./operations/setattr.js";
import { syncOperations } from "./operations/sync.js";
import { xattrOperations, xattrWritingOperations } from "./operations/xattrs.js";
import { OutsideHost } from "./outside-host.js";
import { othersWait } from "./request-queue.js";
import type { ServerOptions } from "./server-options.js";
import { sessionOptions } from "./session-options.js";
import { withoutSetId } from "./set-id.js";
import { SlowReads } from "./slow-reads.js";
import { StaleAttributes } from "./stale-attributes.js";

/** nodeid = inode number, the root aside: FUSE calls it 1, ext4 calls it 2 (and has another inode 1, which no name leads to). */
const ROOT_NODEID = 1;
const ROOT_INODE = 2;

export function inodeNumber(nodeid: number): number {
  return nodeid === ROOT_NODEID ? ROOT_INODE : nodeid;
}

/**
 * How long the kernel may believe what it was told, in seconds: a day. Nobody else writes to the image, so an answer does
 * not go stale; the kernel asks again when it has dropped the answer for memory.
 */
export const VALID_SECONDS = 86_400;

/** FUSE 7.35 came with the Linux (5.16) that does not ask by a file's handle in read(2) and lseek(2) any more. */
const HANDLES_MEAN_WRITES = 35;

function stale(nodeid: number): FileSystemError {
  return new FileSystemError("ESTALE", `node ${nodeid} is none of a file that names lead to`);
}

export const CAPABILITIES = "security.capability";

/** What the handlers share. */
export class Ext4Server {
  readonly fs: FileSystem;
  readonly host: IomapHost<Inode>;
  readonly mappings: EngineMappings;
  /** Whether anything can be changed. */
  readonly writable: boolean;
  /** Whether the kernel keeps size and times of files that it writes, as it does with its cache for writing. */
  kernelKeepsTimes = false;
  /** Who reads what has to be waited for; undefined where only this thread can read the device. */
  slowReads: SlowReads | undefined = undefined;
  /** Who makes things durable while others wait; undefined where only this thread can write the device. */
  durability: Durability | undefined = undefined;
  /** What other threads, and the disk, do meanwhile, for the serving loop; undefined where nothing is done meanwhile. */
  completions: Completions | undefined = undefined;
  /** The host that does the file I/O at the other end; undefined when that is done here. */
  outside: OutsideHost | undefined = undefined;
  /** Whether the mode of what is made is final, and who makes it gives it the ACLs that it inherits. */
  #modesAreFinal = false;
  /** The file of orphans, which no name leads to; 0 for none. */
  readonly #orphanFile: number;
  /** What the kernel calls the root: with `root_nodeid`, its inode number. */
  #rootNode = ROOT_NODEID;
  /** What the kernel knows; only who may delete something has to know that. */
  readonly #lookups: LookupCounts | undefined;
  readonly #options: ServerOptions;
  readonly #blockSize: number;
  readonly #accessTimer: AccessTimer;
  readonly #stale: StaleAttributes | undefined;
  readonly #lost: LostWrites | undefined;
  /** Whether attributes are asked for by a file's handle only for a write. */
  #onlyWritersAsk = false;
  readonly #movedNames: MovedNames;

  constructor(fs: FileSystem, options: ServerOptions = {}) {
    this.fs = fs;
    const hasOrphanFile = (fs.features.compat & compatFeature.orphan_file) !== 0;
    this.#orphanFile = hasOrphanFile ? fs.superblock.orphanFileInode : 0;
    this.writable = fs.volume.transactions !== undefined;
    this.#options = options;
    this.#lookups = this.writable ? (options.lookups ?? new LookupCounts()) : undefined;
    const { accessTimes = "relatime", directoryAccessTimes = true } = options;
    this.#accessTimer = new AccessTimer(fs, accessTimes, directoryAccessTimes, () => this.now());
    this.#movedNames = new MovedNames(options.movedNames);
    const { after } = options;
    const waiting = () => options.connection !== undefined && othersWait(options.connection());
    const expire = (ino: number) => this.#expireLinked(ino);
    this.#stale = after === undefined ? undefined : new StaleAttributes(expire, after, waiting);
    this.#lost = after === undefined ? undefined : new LostWrites(after);
    const devices = new DeviceRegistry();
    const dev = devices.add(options.dataDevice ?? fs.device);
    const { blockSize } = fs.geometry;
    this.#blockSize = blockSize;
    // File blocks are 32-bit numbers, so no file is longer than this.
    const maxBytes = 2 ** 32 * blockSize;
    const limits = { blockSize, maxBytes };
    this.mappings = new EngineMappings(fs, dev, (error) => this.toErrno(error));
    this.host = new IomapHost(this.mappings, devices, limits, (error) => fs.logError(error));
    const { connection } = options;
    const { file } = fs.device;
    if (connection !== undefined && file !== undefined) {
      const thread = options.ioThread ?? new IoThread();
      const onError = (error: unknown) => fs.logError(error);
      const reads = new SlowReads({ host: this.host, file, size: fs.device.size, connection, onError, thread });
      this.slowReads = reads;
      fs.volume.beforeReuse = () => reads.settle();
      const durability = this.writable ? new Durability(fs, thread, connection) : undefined;
      this.durability = durability;
      this.completions = {
        fd: thread.wakeup,
        take() {
          eventfdDrain(thread.wakeup);
          durability?.poll();
          reads.lookAgain();
        },
      };
    }
  }

  /** The time that changes bear. */
  now(): Timestamp {
    return this.fs.volume.environment.clock.now();
  }

  /**
   * The inode that a request is about. The number may be anybody's word (open_by_handle_at): it is no damage of the image that it
   * is none of a file that names lead to.
   *
   * @throws FileSystemError ESTALE; CorruptionError
   */
  inode(nodeid: number): Inode {
    if (nodeid === ROOT_INODE) {
      // Nobody has told it this number, so it must know it from its mount options; without them, from a forged handle.
      if (this.#options.iomap === undefined) throw stale(nodeid);
      this.#rootNode = ROOT_INODE;
    }
    const ino = inodeNumber(nodeid);
    const { firstInode, inodeCount } = this.fs.geometry;
    if (ino !== ROOT_INODE && !(ino >= firstInode && ino <= inodeCount)) throw stale(nodeid);
    const inode = this.fs.inode(ino);
    if (inode.has(InodeFlag.eaInode) || ino === this.#orphanFile) throw stale(nodeid);
    return inode;
  }

  nodeId(ino: number): number {
    return ino === ROOT_INODE ? this.#rootNode : ino;
  }

  /**
   * How long the kernel may believe in a name, in seconds. It compares bytes: where case does not matter, it does not know which of the
   * names that it remembers come and go with another.
   */
  #validity(dir: Inode, name: Uint8Array): number {
    const isAsked = this.writable && (dir.has(InodeFlag.casefold) || this.#movedNames.has(dir, name));
    return isAsked ? 0 : VALID_SECONDS;
  }

  /** How long it may believe that a name is not there: a directory that is empty by then may become one where case does not matter. */
  get absenceValidity(): number {
    return this.writable && this.fs.volume.features.casefold ? 0 : VALID_SECONDS;
  }

  /** Whether the kernel has to look a name up once more before it moves it to where it may not believe in it for as long. */
  refusesMove(dir: Inode, name: Uint8Array, newDir: Inode, newName: Uint8Array): boolean {
    if (this.#options.asksAgain !== true || this.#validity(dir, name) <= this.#validity(newDir, newName)) return false;
    this.#movedNames.add(dir, name);
    return true;
  }

  /** Fills a zeroed fuse_entry_out of a name in `dir`; the kernel then holds one look-up more on the inode. */
  fillEntry(out: View<typeof FuseEntryOut>, dir: Inode, name: Uint8Array, inode: Inode): void {
    out.nodeid = this.nodeId(inode.ino);
    out.generation = inode.generation;
    out.entry_valid = this.#validity(dir, name);
    out.attr_valid = VALID_SECONDS;
    this.fillAttributes(out.attr, inode);
    this.#lookups?.add(inode.ino);
  }

  /** Fills a zeroed fuse_attr. */
  fillAttributes(out: View<typeof FuseAttr>, inode: Inode): void {
    fillAttributes(out, inode, this.#blockSize);
    if (this.outside === undefined) return;
    out.blksize = this.#blockSize;
    out.flags = outsideFlags(inode, this.outside.owns(inode), this.fs.atomicWrites);
    if (this.#options.sync === true && inode.isRegular) out.flags |= AttrFlag.SYNC;
  }

  /** The kernel takes `count` look-ups back. What it does not know any more and has no name is deleted. */
  forget(nodeid: number, count: number): void {
    if (this.#lookups === undefined || nodeid === ROOT_NODEID || nodeid === ROOT_INODE) return;
    if (!this.#lookups.forget(nodeid, count)) return;
    try {
      this.fs.release(nodeid);
    } catch (error) {
      this.toErrno(error); // nobody waits for an answer; it stays an orphan
      if (!isExpected(error)) throw error;
    }
    this.#options.onChange?.();
  }

  /** Inodes that the kernel knows. */
  get known(): number {
    return this.#lookups?.size ?? 0;
  }

  /** An inode was read, by a file that was opened with `flags`. @returns whether that changed its access time */
  accessed(inode: Inode, flags = 0): boolean {
    const changed = this.#accessTimer.read(inode, flags);
    if (changed) this.#options.onChange?.();
    return changed;
  }

  /** An inode was changed, or a file's data. */
  changed(inode: Inode): void {
    if (this.#options.sync === true || inode.has(InodeFlag.sync)) this.#sync();
    this.#options.onChange?.();
  }

  /** Makes an inode durable, or everything: what a handler returns. @param done called when it is, before the answer */
  sync(context: Context, inode: Inode | undefined, dataOnly: boolean, done?: () => void): number {
    if (this.durability !== undefined) return this.durability.sync(context, inode, dataOnly, done);
    if (inode === undefined) this.fs.sync();
    else this.fs.fsync(inode, dataOnly);
    done?.();
    return 0;
  }

  #sync(): void {
    this.#options.beforeSync?.();
    this.fs.sync();
  }

  /** Something was changed of which whoever asks makes sure itself that it is durable. */
  noteChange(): void {
    this.#options.onChange?.();
  }

  /** Whether file I/O is the other end's, for this file. */
  isOutside(inode: Inode): boolean {
    return this.outside?.owns(inode) ?? false;
  }

  /** Whether what is made in `dir` has the mode and gets the ACLs that who makes it says: the kernel knows no ACLs of the root. */
  takesFinalModes(dir: Inode): boolean {
    return this.#modesAreFinal && dir.ino !== ROOT_INODE;
  }

  /** An inode was changed in a way that the kernel knows nothing of. */
  changedUnseen(inode: Inode): void {
    this.changed(inode);
    this.expire(inode);
  }

  /** Has the kernel ask for an inode's attributes again; whoever asks us holds the inode. */
  expire(inode: Inode): void {
    this.#options.expire?.(this.nodeId(inode.ino));
  }

  /** What the kernel's cache wrote changed how many blocks an inode has. */
  changedBlocks(inode: Inode): void {
    this.#stale?.add(inode.ino);
  }

  /** The kernel has asked for an inode's attributes, and need not be told that they changed. Those who lost something are asked for again. */
  askedFor(inode: Inode): void {
    if (this.#lost?.has(inode) !== true) this.#stale?.asked(inode.ino);
  }

  /** What the kernel's cache held of a file could not be written: whoever goes on writing to it is told. @param error a negative errno */
  lost(inode: Inode, error: number): void {
    if (this.#onlyWritersAsk && this.#lost?.note(inode, error) === true) this.#stale?.add(inode.ino);
  }

  /** What somebody who is about to write to a file has to be told first: a negative errno, or 0. */
  tellLoss(inode: Inode): number {
    return this.#lost?.tell(inode) ?? 0;
  }

  /** Nothing is missing from a file any more. */
  forgetLoss(inode: Inode): void {
    this.#lost?.forget(inode);
  }

  /** Somebody has waited until a file is written, and may look at it now. */
  settled(inode: Inode): void {
    this.#stale?.tellNow(inode.ino);
  }

  /**
   * Expires an inode that no request holds. The kernel would wait for one that it lets go of, which waits for its pages to be
   * written, by us: that is one without a name.
   */
  #expireLinked(ino: number): void {
    let inode: Inode;
    try {
      inode = this.fs.inode(ino);
    } catch (error) {
      if (!isExpected(error)) throw error;
      return; // deleted meanwhile
    }
    if (inode.linksCount > 0) this.expire(inode);
  }

  /** Names in a directory were changed. */
  changedDirectory(dir: Inode): void {
    const { sync, dirSync } = this.#options;
    if (sync === true || dirSync === true || dir.has(InodeFlag.sync | InodeFlag.dirSync)) this.#sync();
    this.#options.onChange?.();
  }

  /** Whether whoever asks may use the reserved blocks. */
  isPrivileged(context: Context): boolean {
    const { uid, gid } = context;
    if (uid === 0) return true;
    const { reservedUid = this.fs.reservedUid, reservedGid = this.fs.reservedGid } = this.#options;
    return uid === reservedUid || (reservedGid !== 0 && gid === reservedGid);
  }

  /**
   * Whether what a cache writes to a file may go beyond limits, and into the reserved blocks. Its writer has been told that the bytes
   * are written: rather the superuser's blocks than their loss. But nobody says who that was, so that where there are limits, those of
   * the file's owner have to bind, root's excepted.
   */
  writesBackFreely(inode: Inode): boolean {
    return !this.fs.enforcesLimits || inode.uid === 0;
  }

  /** The contents of a file are changed by somebody without CAP_FSETID: it is not run as another any more. */
  dropPrivileges(inode: Inode): void {
    const mode = withoutSetId(inode.mode);
    if (mode !== inode.mode) {
      this.fs.setAttributes(inode, { mode });
      // No mode is in the answer to a write: the kernel would go on running the file by the one that it remembers.
      this.expire(inode);
    }
    this.dropCapabilities(inode);
  }

  /**
   * As the kernel does before it lets somebody change a file in a way of which it tells us no more: everybody's change ends
   * capabilities, and all but root's the set-id bits.
   */
  dropPrivilegesUnseen(context: Context, inode: Inode): void {
    if (context.uid === 0) this.dropCapabilities(inode);
    else this.dropPrivileges(inode);
  }

  dropCapabilities(inode: Inode): void {
    if (inode.noXattrs || this.fs.getXattr(inode, CAPABILITIES) === undefined) return;
    this.fs.removeXattr(inode, CAPABILITIES);
  }

  /** The handlers, one family a file. */
  handlers(): Handlers {
    const reading: Handlers = {
      ...attributeOperations(this),
      ...directoryOperations(this),
      ...fileOperations(this),
      ...xattrOperations(this),
      ...ioctlOperations(this),
      ...iomapOperations(this),
      INIT: (_context, { minor }, out) => {
        this.#agree(minor, out.flags, out.flags2);
        return 0;
      },
    };
    if (!this.writable) return { ...reading, ...refusals() };
    return {
      ...reading,
      ...creationOperations(this),
      ...removalOperations(this),
      ...setattrOperations(this),
      ...fileWritingOperations(this),
      ...xattrWritingOperations(this),
      ...syncOperations(this),
      ...forgetOperations(this),
    };
  }

  /** What INIT settled. */
  #agree(minor: number, flags: number, flags2: number): void {
    this.#onlyWritersAsk = minor >= HANDLES_MEAN_WRITES;
    const { iomap } = this.#options;
    const agreed = ((flags2 >>> (InitFlag.IOMAP - 32)) & 1) === 1;
    this.outside = agreed && iomap !== undefined ? new OutsideHost(this.fs, iomap) : undefined;
    const cachesWrites = this.writable && ((flags >>> InitFlag.WRITEBACK_CACHE) & 1) === 1;
    this.kernelKeepsTimes = cachesWrites || this.outside !== undefined;
    this.#modesAreFinal = this.outside !== undefined && ((flags >>> InitFlag.POSIX_ACL) & 1) === 1;
  }

  /** What to ask of the kernel at INIT. @param posixAcl whether the kernel shall evaluate ACLs, and with them all permissions */
  sessionOptions(posixAcl: boolean, log: (message: string, error?: unknown) => void): SessionOptions {
    return sessionOptions(this.fs, this.#options, posixAcl, (error) => this.toErrno(error), log);
  }

  /** The one place where the engine's errors become errnos; what is wrong with image or device is put on record on the way. */
  toErrno(error: unknown): number {
    if (error instanceof CorruptionError || error instanceof DeviceError) this.fs.recordError(error);
    const number = errnoOf(error);
    return number === 0 ? errno.EIO : number;
  }
}
