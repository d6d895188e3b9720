import type { BlockDevice } from "./device/device.js";
import { type DirectoryVisitor, lookup, readDirectory } from "./dir/directory.js";
import { type Environment, systemEnvironment } from "./environment.js";
import { CorruptionError, FileSystemError, isEngineError, UnsupportedFeatureError } from "./errors.js";
import { incompatFeature } from "./format/features.js";
import { InodeFlag, ReservedInode } from "./format/inode.js";
import { ErrorsBehaviour, SuperblockState, type SuperblockView } from "./format/superblock.js";
import { cachedInode } from "./inode/cached-inode.js";
import type { Inode } from "./inode/inode.js";
import { readInode } from "./inode/inode-table.js";
import { readLink } from "./inode/symlink.js";
import { type IomapMapping, mapBytes } from "./iomap/begin.js";
import { applyFastCommits } from "./journal/fast-commit-directory.js";
import { protectJournal } from "./journal/protect-journal.js";
import { journalHasTransactions, type ReplayReport, replayJournal } from "./journal/replay.js";
import { inlineData } from "./map/inline-data.js";
import { mapBlocks } from "./map/map-blocks.js";
import type { BlockMapping } from "./map/mapping.js";
import { ErrorRecord } from "./superblock/error-record.js";
import { openVolume } from "./superblock/open-volume.js";
import { type FileSystemStatistics, statistics } from "./superblock/statfs.js";
import type { Features, Geometry, Volume } from "./volume.js";
import { getXattr, listXattrs } from "./xattr/xattrs.js";

export type ErrorsOption = "continue" | "remount-ro" | "panic";

export interface MountOptions {
  /** Place of the superblock to use instead of the primary one: mount's `sb=`, in units of 1 KiB. */
  readonly superblock?: number;
  /** Whether to replay a journal that needs recovery (into memory; the device is not written). Default true; mount's `noload` is false. */
  readonly loadJournal?: boolean;
  /** Bound of the cache of metadata blocks, in bytes. Default 32 MiB. */
  readonly cacheBytes?: number;
  /** Bound of the cache of inodes. Default 16,384; fewer when inodes are large or `cacheBytes` is small: their bytes stay below 16 MiB and half of it. */
  readonly inodeCacheEntries?: number;
  /** Whether files may not map the file system's own metadata: mount's `block_validity`. Default true. */
  readonly blockValidity?: boolean;
  /** What to do when the image turns out to be corrupt. Default: what its superblock says. */
  readonly errors?: ErrorsOption;
  /** Whether statfs counts the file system's own blocks (mount's `minixdf`). Default false. */
  readonly minixDf?: boolean;
  /** Called for a recorded error under errors=panic: whoever serves the file system ends there. */
  readonly onPanic?: (error: unknown) => void;
}

/** The only encoding that casefold knows: UTF-8 by Unicode 12.1. */
const ENCODING_UTF8 = 1;

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
  /** The number that mappings name the device by; a host with several devices sets it. */
  deviceId = 1;
  readonly #volume: Volume;
  readonly #record: ErrorRecord;
  readonly #minixDf: boolean;
  readonly #onPanic: ((error: unknown) => void) | undefined;
  #statistics: FileSystemStatistics | undefined = undefined;

  private constructor(volume: Volume, options: MountOptions, replay: ReplayReport | undefined) {
    this.#volume = volume;
    this.#record = new ErrorRecord(volume);
    this.#minixDf = options.minixDf ?? false;
    this.#onPanic = options.onPanic;
    this.errors = options.errors ?? errorsOf(volume.superblock);
    this.replay = replay;
  }

  /**
   * Mounts read-only. The device is not written and not closed by a failure.
   *
   * A journal that needs recovery is replayed into memory, and what is seen is the state after the replay and before the clean-up
   * of orphans that a mount for writing makes: see orphan/orphans.ts.
   *
   * @throws CorruptionError superblock-*, journal-*, inode-* (of the root) and what else is needed to reach the root
   * @throws UnsupportedFeatureError for an incompatible feature that cannot be read, an external journal that is needed
   * @throws DeviceError
   */
  static mount(
    device: BlockDevice,
    options: MountOptions = {},
    environment: Environment = systemEnvironment,
  ): FileSystem {
    let volume = openVolume(device, options, environment);
    let replay: ReplayReport | undefined;
    if (needsRecovery(volume, options)) {
      if (options.loadJournal === false) {
        environment.log("warning", "the journal is not replayed: what is read may be inconsistent");
      } else {
        const replayed = replayJournal(volume);
        replay = replayed.report;
        volume = openVolume(replayed.device, options, environment);
        volume.superblock.featureIncompat &= ~incompatFeature.needs_recovery;
        applyFastCommits(volume, replayed.fastCommits);
        if (replay.errno !== 0) volume.superblock.state |= SuperblockState.error;
        environment.log(
          "info",
          `journal replayed into memory: ${replay.transactions} transactions, ${replay.blocks} blocks, ${replay.fastCommits} fast commits`,
        );
        if (replay.fastCommitsStopped !== undefined) {
          environment.log(
            "warning",
            `fast commits after number ${replay.fastCommits} are left out, because of ${replay.fastCommitsStopped}: what was ` +
              "synced last may be missing; run e2fsck on a copy of the image to see whether it finds more",
          );
        }
      }
    }
    checkEncoding(volume);
    if (volume.superblock.state & SuperblockState.error) {
      environment.log("warning", "the file system has recorded errors; run e2fsck on the image");
    }
    const root = readInode(volume, ReservedInode.root);
    if (!root.isDirectory || root.size === 0 || root.blocks === 0) {
      throw new CorruptionError("inode-type", { inode: root.ino }, "the root directory is none, or is empty");
    }
    protectJournal(volume);
    return new FileSystem(volume, options, replay);
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
    const ino = lookup(this.#volume, directory, name);
    if (ino === 0 || isDotName(name)) return ino;
    if (ino === directory.ino) {
      throw new CorruptionError("directory-entry", { inode: ino }, "a name in the directory leads to the directory");
    }
    this.entryInode(directory, ino);
    return ino;
  }

  /**
   * The inode that an entry of a directory names, with the checks of a look-up.
   *
   * @throws CorruptionError inode-deleted, inode-number, inode-type
   */
  entryInode(directory: Inode, ino: number): Inode {
    this.#checkEntryNumber(directory, ino);
    let inode: Inode;
    try {
      inode = this.inode(ino);
    } catch (error) {
      if (!(error instanceof FileSystemError && error.code === "ESTALE")) throw error;
      throw new CorruptionError("inode-deleted", { inode: ino }, `directory ${directory.ino} has an entry for it`);
    }
    if (inode.has(InodeFlag.eaInode)) {
      throw new CorruptionError("inode-type", { inode: ino }, "a directory entry leads to an attribute's value");
    }
    return inode;
  }

  #checkEntryNumber(directory: Inode, ino: number): void {
    const { geometry, superblock } = this.#volume;
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
   * Answers where the bytes of a file lie: fuse-iomap's IOMAP_BEGIN for reading and reporting. See `mapBytes`.
   *
   * @param operation fuse-iomap operation flags; those that write are refused
   * @throws FileSystemError ENOKEY for an encrypted file, EROFS
   */
  iomapBegin(inode: Inode, pos: number, count: number, operation: number, read: IomapMapping): void {
    if ((operation & WRITING) !== 0) throw new FileSystemError("EROFS", "the file system is mounted read-only");
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

  /** What statfs(2) answers. */
  statfs(): FileSystemStatistics {
    this.#statistics ??= statistics(this.#volume, this.#minixDf);
    return this.#statistics;
  }

  /**
   * Puts an error on record as ext4 does (s_error_count, s_first_error_*, s_last_error_*; in memory, as the mount is
   * read-only), writes a log line, and obeys errors=: the file system is read-only already, and `panic` calls onPanic.
   */
  recordError(error: unknown): void {
    this.#record.add(error);
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

/** WRITE, ZERO, UNSHARE, WRITEBACK of fuse-iomap's operation flags. */
const WRITING = 0x1 | 0x2 | 0x80 | 0x8000_0000;

function isDotName(name: Uint8Array): boolean {
  return name[0] === 0x2e && (name.length === 1 || (name.length === 2 && name[1] === 0x2e));
}

/**
 * Whether the journal holds what the file system lacks. The kernel sets needs_recovery in the primary superblock before its
 * first transaction and clears it when all is written home, so that the flag decides there, for a journal on another device
 * as well. Copies of the superblock do not follow: for them the journal is asked itself.
 */
function needsRecovery(volume: Volume, options: MountOptions): boolean {
  const { features, superblock, environment } = volume;
  if (!features.hasJournal) return false;
  if ((features.incompat & incompatFeature.needs_recovery) !== 0) return true;
  const primary = options.superblock === undefined || options.superblock === 1;
  if (primary || options.loadJournal === false) return false;
  if (superblock.journalInode === 0) {
    environment.log(
      "warning",
      "a copy of the superblock does not tell whether the journal, on another device, is needed",
    );
    return false;
  }
  try {
    return journalHasTransactions(volume);
  } catch (error) {
    if (!isEngineError(error)) throw error;
    environment.log("warning", `the journal is not looked at: ${String(error)}`);
    return false;
  }
}

function checkEncoding({ features, superblock }: Volume): void {
  if (features.casefold && superblock.encoding !== ENCODING_UTF8) {
    throw new UnsupportedFeatureError(["casefold"], `names are in encoding ${superblock.encoding}, which is unknown`);
  }
}

function errorsOf(superblock: SuperblockView): ErrorsOption {
  switch (superblock.errors) {
    case ErrorsBehaviour.panic:
      return "panic";
    case ErrorsBehaviour.remountReadOnly:
      return "remount-ro";
    default:
      return "continue";
  }
}
