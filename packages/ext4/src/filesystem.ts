import type { BlockDevice } from "./device/device.js";
import { type DirectoryVisitor, readDirectory } from "./dir/directory.js";
import { type Environment, systemEnvironment } from "./environment.js";
import { CorruptionError, FileSystemError, isEngineError } from "./errors.js";
import { incompatFeature } from "./format/features.js";
import { InodeFlag, ReservedInode } from "./format/inode.js";
import type { SuperblockView } from "./format/superblock.js";
import { cachedInode } from "./inode/cached-inode.js";
import type { Inode } from "./inode/inode.js";
import { readLink } from "./inode/symlink.js";
import { type IomapMapping, mapBytes } from "./iomap/begin.js";
import { type IomapConfig, iomapConfig } from "./iomap/config.js";
import { WRITING } from "./iomap/flags.js";
import { ioend } from "./iomap/ioend.js";
import { mapForOutside } from "./iomap/outside.js";
import { clearBehindEnd, journalsData, ownsData, readJournalled, writeJournalled } from "./journal/file-data.js";
import type { ReplayReport } from "./journal/replay.js";
import { inlineData } from "./map/inline-data.js";
import { mapBlocks } from "./map/map-blocks.js";
import type { BlockMapping } from "./map/mapping.js";
import { mountReadOnly } from "./mount/mount-read-only.js";
import { mountReadWrite } from "./mount/mount-read-write.js";
import { type ErrorsOption, errorsOf, type MountOptions } from "./mount/options.js";
import type { WritableMount } from "./mount/writable-mount.js";
import {
  type AttributeChanges,
  changeXattr,
  setAccessTime,
  setAttributes,
  setFlags,
  setGeneration,
  setModificationTime,
  setProject,
} from "./namespace/attributes.js";
import { type Creation, create, mkdir, symlink, tmpfile } from "./namespace/create.js";
import { beginWrite, checkWritable, endOfWrite, resize, writeInline } from "./namespace/data.js";
import { discardFree } from "./namespace/discard.js";
import { entryInode, lookupEntry } from "./namespace/entry.js";
import { checkFallocate, fallocate } from "./namespace/fallocate.js";
import { link, rmdir, unlink } from "./namespace/link.js";
import { deleteInode, endGrowth, truncateOrphan } from "./namespace/release.js";
import { type Renaming, rename } from "./namespace/rename.js";
import { cleanOrphans } from "./orphan/clean.js";
import { projectStatistics } from "./quota/project-statistics.js";
import { enableQuota } from "./quota/quota.js";
import { ErrorRecord } from "./superblock/error-record.js";
import { setLabel } from "./superblock/label.js";
import { type FileSystemStatistics, statistics } from "./superblock/statfs.js";
import type { KeptChanges } from "./survival/kept-changes.js";
import type { Features, Geometry, Volume } from "./volume.js";
import { getXattr, listXattrs } from "./xattr/xattrs.js";

export type { ErrorsOption, MountOptions, SurvivalOptions } from "./mount/options.js";

/**
 * A mounted file system: the one door of the engine. Every operation is by inode; paths are the business of `Ext4`.
 *
 * Operations throw CorruptionError (EUCLEAN) where the image breaks a rule of the format, FileSystemError where the caller asks
 * for what cannot be, DeviceError where the device fails; `errnoOf` makes an errno of each. Who catches a CorruptionError last
 * hands it to `recordError`.
 */
export class FileSystem {
  /** What to do after an error: the option, or else what the superblock says. */
  readonly errors: ErrorsOption;
  /** What the replay of the journal found, when there was one. */
  readonly replay: ReplayReport | undefined;
  /** What another process needs to go on when this one dies; whoever answers requests has it kept before each answer. */
  readonly kept: KeptChanges | undefined;
  /** The number that mappings name the device by; a host with several devices sets it. */
  deviceId = 1;
  /** Whether the device writes a block wholly or not at all; who knows sets it. */
  atomicWrites = false;
  readonly #volume: Volume;
  readonly #record: ErrorRecord;
  readonly #minixDf: boolean;
  readonly #onPanic: ((error: unknown) => void) | undefined;
  readonly #mount: WritableMount | undefined;
  #enforcesLimits = false;

  private constructor(
    volume: Volume,
    options: MountOptions,
    replay: ReplayReport | undefined,
    mount: WritableMount | undefined,
    kept: KeptChanges | undefined,
  ) {
    this.kept = kept;
    this.#volume = volume;
    this.#mount = mount;
    this.#record = new ErrorRecord(volume);
    this.#minixDf = options.minixDf ?? false;
    this.#onPanic = options.onPanic;
    this.errors = options.errors ?? errorsOf(volume.superblock);
    this.replay = replay;
  }

  /**
   * Mounts, read-only unless `options.writable` says otherwise. The device is not closed by a failure, and a read-only mount never
   * writes it.
   *
   * A mount for writing replays a journal onto the device and ends what a crash left unfinished. Read-only, a journal that needs
   * recovery is replayed into memory, and what is seen is the state after the replay and before the clean-up of orphans that a
   * mount for writing makes: see orphan/orphans.ts.
   *
   * @throws CorruptionError superblock-*, journal-*, inode-* (of the root) and what else is needed to reach the root
   * @throws UnsupportedFeatureError for an incompatible feature that cannot be read, an external journal that is needed; to mount
   *   for writing, for what can only be read
   * @throws FileSystemError EROFS, EBUSY for a mount for writing that cannot be
   * @throws DeviceError
   */
  static mount(
    device: BlockDevice,
    options: MountOptions = {},
    environment: Environment = systemEnvironment,
  ): FileSystem {
    if (options.writable !== true) {
      const { volume, replay } = mountReadOnly(device, options, environment);
      return new FileSystem(volume, options, replay, undefined, undefined);
    }
    const { volume, replay, mount, kept, goesOn } = mountReadWrite(device, options, environment);
    const fs = new FileSystem(volume, options, replay, mount, kept);
    volume.report = (error) => fs.recordError(error);
    try {
      if (options.quota !== undefined) fs.#enforcesLimits = enableQuota(volume, options.quota);
      const ends = {
        remove: (inode: Inode) => deleteInode(volume, inode),
        truncate: (inode: Inode) => truncateOrphan(volume, inode),
      };
      cleanOrphans(volume, ends, goesOn ? options.survival?.isInUse : undefined);
      kept?.keep();
    } catch (error) {
      // Nothing says that it is clean: the next mount, or e2fsck, finds what this one could not deal with.
      volume.transactions?.abort(new FileSystemError("EROFS", "the mount failed"));
      mount.close();
      throw error;
    }
    return fs;
  }

  /** The device as it is read: under a replayed journal, the overlay. Addresses in mappings belong to it. */
  get device(): BlockDevice {
    return this.#volume.device;
  }
  get geometry(): Geometry {
    return this.#volume.geometry;
  }
  get features(): Features {
    return this.#volume.features;
  }
  /** The superblock in memory; its record of errors grows with `recordError`. */
  get superblock(): SuperblockView {
    return this.#volume.superblock;
  }
  /** For the rooms of the engine that have no operation here: tools that look inside. */
  get volume(): Volume {
    return this.#volume;
  }
  /** Whether files may be encrypted, so that opening one can fail. */
  get hasEncryption(): boolean {
    return (this.#volume.features.incompat & incompatFeature.encrypt) !== 0;
  }
  /** Whether limits of users, groups or projects are enforced. */
  get enforcesLimits(): boolean {
    return this.#enforcesLimits;
  }
  /** Who may use the reserved blocks besides root (s_def_resuid). */
  get reservedUid(): number {
    return this.#volume.superblock.defaultResuid;
  }
  /** Whose members may (s_def_resgid); 0: nobody's. */
  get reservedGid(): number {
    return this.#volume.superblock.defaultResgid;
  }
  get root(): Inode {
    return this.inode(ReservedInode.root);
  }

  /**
   * An inode by number. The object is shared and stays as it is until it is evicted.
   *
   * @param ino any number, reserved ones included
   * @throws FileSystemError ESTALE when it is not in use; CorruptionError
   */
  inode(ino: number): Inode {
    return cachedInode(this.#volume, ino);
  }

  /**
   * The inode number of a name in a directory, 0 when there is none. `.` and `..` are answered as well. The inode is checked as
   * the kernel checks what a look-up finds: in use, not reserved, no attribute's value.
   *
   * @throws FileSystemError ENOTDIR, ENAMETOOLONG; CorruptionError inode-deleted, inode-number, directory-*, htree-*
   */
  lookup(directory: Inode, name: Uint8Array): number {
    return lookupEntry(this.#volume, directory, name);
  }

  /**
   * The inode that an entry of a directory names, with the checks of a look-up.
   *
   * @throws CorruptionError inode-deleted, inode-number, inode-type
   */
  entryInode(directory: Inode, ino: number): Inode {
    return entryInode(this.#volume, directory, ino);
  }

  /**
   * Visits the entries of a directory, `.` and `..` included, from a cookie on; (0, 0) is the start.
   *
   * @param visit see DirectoryVisitor; false stops, and the entry counts as not seen
   */
  readDirectory(directory: Inode, cookieHigh: number, cookieLow: number, visit: DirectoryVisitor): void {
    readDirectory(this.#volume, directory, cookieHigh, cookieLow, visit);
  }

  /** The target of a symbolic link; of an encrypted one, what the kernel shows without the key. Not to be changed. */
  readLink(inode: Inode): Uint8Array {
    return readLink(this.#volume, inode);
  }

  /** Where a file's blocks from `fileBlock` on lie. */
  mapBlocks(inode: Inode, fileBlock: number, out: BlockMapping): void {
    mapBlocks(this.#volume, inode, fileBlock, out);
  }

  /**
   * Answers where the bytes of a file lie: fuse-iomap's IOMAP_BEGIN. See `mapBytes`, and for writing `beginWrite`.
   *
   * @param operation fuse-iomap operation flags
   * @param read the mapping: of what is there, or for operations that write, of what to write to until `iomapEnd`
   * @param privileged whether the blocks reserved for the superuser may be used
   * @param host `inside`: who asks is in this process, writes at once and calls `iomapEnd`. No transaction commits in between, so
   *   that fresh blocks can be mapped as NEW, which spares each write a change of the extent tree (9 µs instead of 21 for 128 KiB,
   *   6 instead of 11 for 1 MiB). `outside`: what is a hole becomes unwritten until `ioend`; see iomap/outside.ts
   * @throws FileSystemError ENOKEY for an encrypted file; for those that write ENOSPC, EDQUOT, EFBIG, EPERM, EROFS
   */
  iomapBegin(
    inode: Inode,
    pos: number,
    count: number,
    operation: number,
    read: IomapMapping,
    privileged = false,
    host: "inside" | "outside" = "inside",
  ): void {
    if (host === "outside") {
      const { atomicWrites, deviceId } = this;
      mapForOutside(this.#volume, inode, pos, count, operation, { dev: deviceId, atomicWrites, privileged }, read);
      return;
    }
    if ((operation & WRITING) !== 0) {
      beginWrite(this.#volume, inode, pos, count, operation, this.deviceId, read, privileged);
      return;
    }
    if (inode.has(InodeFlag.encrypt)) this.checkReadable(inode);
    mapBytes(this.#volume, inode, pos, count, this.deviceId, read);
  }

  /** Refuses what cannot be opened: encrypted files. @throws FileSystemError ENOKEY */
  checkReadable(inode: Inode): void {
    if (inode.isRegular && inode.has(InodeFlag.encrypt)) {
      throw new FileSystemError("ENOKEY", `inode ${inode.ino} is encrypted, and there is no key`);
    }
  }

  /** The contents of an inode with inline data, `inode.size` bytes. Not to be changed. */
  inlineData(inode: Inode): Uint8Array {
    return inlineData(this.#volume, inode);
  }

  /** The value of an extended attribute, undefined when it is not there; see xattr/xattrs.ts. Not to be changed. */
  getXattr(inode: Inode, name: string): Uint8Array | undefined {
    return getXattr(this.#volume, inode, name);
  }

  /** The names of the extended attributes, a byte a char. */
  listXattrs(inode: Inode): string[] {
    return listXattrs(this.#volume, inode);
  }

  // What changes the file system. Each is one step: it happens as a whole or, when it throws, not at all.

  /** Makes a file of the type that `creation.mode` names. @throws FileSystemError EEXIST, ENOSPC, EDQUOT, EPERM, EROFS, … */
  create(dir: Inode, name: Uint8Array, creation: Creation): Inode {
    return create(this.#volume, dir, name, creation);
  }

  /** @throws FileSystemError as create, and EMLINK */
  mkdir(dir: Inode, name: Uint8Array, creation: Creation): Inode {
    return mkdir(this.#volume, dir, name, creation);
  }

  /** @param target 1 to blockSize - 1 bytes, 4,095 at most */
  symlink(dir: Inode, name: Uint8Array, target: Uint8Array, creation: Omit<Creation, "mode">): Inode {
    return symlink(this.#volume, dir, name, target, creation);
  }

  /** A regular file without a name; `link` gives it one, or `release` deletes it. */
  tmpfile(dir: Inode, creation: Creation): Inode {
    return tmpfile(this.#volume, dir, creation);
  }

  /** @throws FileSystemError EEXIST, EPERM, EMLINK, EXDEV, ENOSPC */
  link(inode: Inode, dir: Inode, name: Uint8Array, privileged = false): void {
    link(this.#volume, inode, dir, name, privileged);
  }

  /** Takes a name away. An inode that has none left stays usable until `release`. @throws FileSystemError ENOENT, EISDIR, EPERM */
  unlink(dir: Inode, name: Uint8Array): void {
    unlink(this.#volume, dir, name);
  }

  /** @throws FileSystemError ENOENT, ENOTDIR, ENOTEMPTY, EPERM */
  rmdir(dir: Inode, name: Uint8Array): void {
    rmdir(this.#volume, dir, name);
  }

  /**
   * Moves or exchanges names, as renameat2(2).
   *
   * @param flags see RenameFlag
   * @param renaming whose the whiteout is, where one is asked for, and whether the reserved blocks may be used
   */
  rename(
    dir: Inode,
    name: Uint8Array,
    newDir: Inode,
    newName: Uint8Array,
    flags = 0,
    renaming: Renaming = { uid: 0, gid: 0 },
  ): void {
    rename(this.#volume, { dir, name }, { dir: newDir, name: newName }, flags, renaming);
  }

  /** Nobody uses an inode any more: without links it is deleted. */
  release(ino: number): void {
    if (this.#volume.transactions === undefined) return;
    const inode = this.#volume.inodes.get(ino);
    if (inode !== undefined && inode.linksCount === 0) deleteInode(this.#volume, inode);
    else if (this.#volume.promises.growing.has(ino)) endGrowth(this.#volume, this.inode(ino));
  }

  /** Changes mode, owners and times; sizes are `resize`'s. @throws FileSystemError EPERM, EDQUOT */
  setAttributes(inode: Inode, changes: AttributeChanges): void {
    setAttributes(this.#volume, inode, changes);
  }

  /** Sets mtime and ctime to now: for writes whose times nobody else keeps. */
  setModificationTime(inode: Inode): void {
    setModificationTime(this.#volume, inode);
  }

  /** Sets atime to now. */
  setAccessTime(inode: Inode): void {
    setAccessTime(this.#volume, inode);
  }

  /** Sets the size; the bytes of the last block that lie behind it are the host's to zero. @throws FileSystemError EFBIG, EPERM, EISDIR */
  resize(inode: Inode, size: number): void {
    if (this.journalsData(inode)) clearBehindEnd(this.#volume, inode, size);
    resize(this.#volume, inode, size);
  }

  /** Refuses what `fallocate` would refuse in any case; to be asked before anything else happens. @throws FileSystemError */
  checkFallocate(inode: Inode, mode: number, offset: number, length: number): void {
    if (this.#volume.transactions === undefined)
      throw new FileSystemError("EROFS", "the file system is mounted read-only");
    checkFallocate(this.#volume, inode, mode, offset, length);
  }

  /** As fallocate(2), in whole blocks: the parts of blocks at the ends of a range are the host's to zero, after. */
  fallocate(inode: Inode, mode: number, offset: number, length: number, privileged = false): void {
    if (this.journalsData(inode)) clearBehindEnd(this.#volume, inode, offset + length);
    fallocate(this.#volume, inode, mode, offset, length, privileged);
  }

  /** @param flags XATTR_CREATE 1, XATTR_REPLACE 2. @throws FileSystemError EEXIST, ENODATA, ENOSPC, EOPNOTSUPP, … */
  setXattr(inode: Inode, name: string, value: Uint8Array, flags = 0, privileged = false): void {
    changeXattr(this.#volume, inode, name, value, flags, privileged);
  }

  /** @throws FileSystemError ENODATA */
  removeXattr(inode: Inode, name: string): void {
    changeXattr(this.#volume, inode, name, undefined, 0);
  }

  /** What FS_IOC_SETFLAGS sets. @throws FileSystemError EOPNOTSUPP, ENOTEMPTY */
  setFlags(inode: Inode, flags: number): void {
    setFlags(this.#volume, inode, flags);
  }

  setProject(inode: Inode, projectId: number, privileged = false): void {
    setProject(this.#volume, inode, projectId, privileged);
  }

  setGeneration(inode: Inode, generation: number): void {
    setGeneration(this.#volume, inode, generation);
  }

  /**
   * The data of a write, whose mapping `iomapBegin` gave, has reached the device as far as `written` says: sets the size, and the
   * times unless the kernel keeps them (WRITEBACK); takes back what was allocated in vain.
   */
  iomapEnd(
    inode: Inode,
    pos: number,
    count: number,
    written: number,
    operation: number,
    mapping: Readonly<IomapMapping>,
  ): void {
    endOfWrite(this.#volume, inode, pos, count, written, operation, mapping);
  }

  /** What a host has to know before it asks for mappings: fuse-iomap's IOMAP_CONFIG. */
  iomapConfig(): IomapConfig {
    return iomapConfig(this.#volume);
  }

  /** The end of a write of a host outside of this process; see iomap/ioend.ts. The size on the device. */
  ioend(inode: Inode, flags: number, error: number, pos: number, written: number): number {
    return ioend(this.#volume, inode, flags, error, pos, written);
  }

  /** Has `taker` told of blocks that may become data of a host outside of this process; see Volume.handOver. */
  onHandOver(taker: (block: number, count: number) => void): void {
    this.#volume.handOver = taker;
  }

  /** Writes into inline data. False: it has moved out to a block, and the write goes on there. */
  writeInline(inode: Inode, pos: number, bytes: Uint8Array, privileged = false): boolean {
    return writeInline(this.#volume, inode, pos, bytes, privileged);
  }

  /** Whether a file's data goes through the journal: it is then read and written by the two below, and never on the device. */
  journalsData(inode: Inode): boolean {
    return journalsData(this.#volume, inode);
  }

  /** Whether a file's data is never a host's: what goes through the journal, and what lies in the inode but would go there. */
  ownsData(inode: Inode): boolean {
    return ownsData(this.#volume, inode);
  }

  /** Writes file data through the journal; see journal/file-data.ts. */
  writeJournalled(inode: Inode, pos: number, bytes: Uint8Array, privileged = false): number {
    checkWritable(inode);
    return writeJournalled(this.#volume, inode, pos, bytes, privileged);
  }

  /** Reads file data that may be in the journal only; the range ends where the file does, or before. */
  readJournalled(inode: Inode, pos: number, target: Uint8Array): void {
    readJournalled(this.#volume, inode, pos, target);
  }

  /** Makes an inode and its data durable, with `dataOnly` only what is needed to read the data. */
  fsync(inode: Inode, dataOnly = false): void {
    this.#volume.transactions?.sync(inode, dataOnly);
  }

  /** Makes all that was changed durable. */
  sync(): void {
    this.#volume.transactions?.commit();
  }

  /**
   * Tells the device which blocks are free (FITRIM).
   *
   * @param start bytes
   * @param length bytes
   * @param minimum bytes: shorter runs are left alone
   * @returns bytes that were discarded
   * @throws FileSystemError EOPNOTSUPP where the device has no use for it
   */
  trim(start: number, length: number, minimum: number): number {
    return discardFree(this.#volume, start, length, minimum);
  }

  /** Does what is due by the clock: commits, MMP. To be called at `nextDeadline` at the latest. */
  tick(): void {
    this.#mount?.tick();
  }

  /** When `tick` has something to do, in milliseconds since 1970; Infinity for never. */
  get deadline(): number {
    return this.#mount?.deadline ?? Number.POSITIVE_INFINITY;
  }

  /** Milliseconds until then, -1 for never. */
  get nextDeadline(): number {
    const { deadline } = this;
    if (deadline === Number.POSITIVE_INFINITY) return -1;
    const { seconds, nanoseconds } = this.#volume.environment.clock.now();
    return Math.max(0, Math.ceil(deadline - seconds * 1000 - nanoseconds / 1_000_000));
  }

  /**
   * Brings everything home and, with `clean`, says so on the device: what is there then is what an unmount would leave. The next
   * change ends it, if `thaw` does not.
   *
   * @param clean false when inodes without a name are in use: only a clean-up at the next mount would free them
   */
  freeze(clean: boolean): void {
    this.#mount?.freeze(clean);
  }

  thaw(): void {
    this.#mount?.thaw();
  }

  /** Gives the file system a name of at most 16 bytes, on the device at once, with the superblock's copies. @throws FileSystemError EINVAL for a longer one */
  setLabel(label: Uint8Array): void {
    setLabel(this.#volume, label);
  }

  /** Ends all changing at once, as EXT4_IOC_SHUTDOWN: 0 commits first, 1 flushes the log, 2 does neither. */
  shutdown(mode: number): void {
    const { transactions } = this.#volume;
    if (transactions === undefined) return;
    if (mode !== 2) transactions.commit();
    transactions.abort(new FileSystemError("EIO", "the file system was shut down"));
  }

  /** Ends writing: deletes what is without links, commits, brings all home and marks the file system as clean. Reading goes on. */
  unmount(): void {
    const volume = this.#volume;
    if (volume.transactions === undefined) return;
    if (volume.transactions.aborted === undefined) {
      for (const ino of [...volume.inodes.kept(), ...volume.promises.growing.keys()]) this.#releaseLast(ino);
    }
    this.#mount?.close();
  }

  /** What cannot be deleted stays an orphan, for the next mount or e2fsck; the unmount goes on. */
  #releaseLast(ino: number): void {
    try {
      this.release(ino);
    } catch (error) {
      if (!isEngineError(error)) throw error;
      if (error instanceof CorruptionError) this.recordError(error);
    }
  }

  /** What statfs(2) answers; in a directory that hands down a project with limits, that of the project. @throws CorruptionError quota-file */
  statfs(inode?: Inode): FileSystemStatistics {
    const whole = statistics(this.#volume, this.#minixDf);
    return inode === undefined ? whole : projectStatistics(this.#volume, inode, whole);
  }

  /**
   * Puts an error on record as ext4 does (s_error_count, s_first_error_*, s_last_error_*; on the device only when mounted for
   * writing), writes a log line, and obeys errors=: `remount-ro` and `panic` end all changing, and `panic` calls onPanic.
   */
  recordError(error: unknown): void {
    this.#record.add(error);
    this.#mount?.noteError(error, this.errors);
    if (this.errors === "panic") this.#onPanic?.(error);
  }

  /** Logs an error that is not on record: as in the kernel, what the device refuses of a file's data is no error of the file system. */
  logError(error: unknown): void {
    this.#record.log(error);
  }

  /** Forgets what is cached and closes the device. */
  close(): void {
    this.#volume.inodes.clear();
    this.#volume.cache.clear();
    this.#volume.descriptors.clear();
    this.#volume.device.close();
  }
}
