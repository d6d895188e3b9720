import type { BlockDevice } from "../device/device.js";
import { DefaultMountOption, ErrorsBehaviour, type SuperblockView } from "../format/superblock.js";
import type { QuotaEnforcement } from "../quota/quota.js";
import type { SurvivalRegion } from "../survival/region.js";

export type ErrorsOption = "continue" | "remount-ro" | "panic";

/** `ordered` and `writeback` write file data to its place, before the metadata that leads to it; `journal` logs it first. */
export type DataMode = "ordered" | "writeback" | "journal";

/** What a file system needs so that the death of its process is not the end of its mount. */
export interface SurvivalOptions {
  /** At first all zeros. When a process has died that had the file system mounted with it, the mount goes on where that one ended. */
  readonly region: SurvivalRegion;
  /** Whether an inode without a name is still in use; asked when a mount goes on. */
  readonly isInUse: (ino: number) => boolean;
}

export interface MountOptions {
  /** Whether to mount for writing. Default false: the device is not written. */
  readonly writable?: boolean;
  /** Place of the superblock to use instead of the primary one: mount's `sb=`, in units of 1 KiB. Not for writing: EROFS. */
  readonly superblock?: number;
  /** Whether to replay a journal that needs recovery, into memory unless it is mounted for writing. Default true; mount's `noload` is false, and not for writing: EROFS. */
  readonly loadJournal?: boolean;
  /** The device of a journal that is not in the file system: mount's `journal_path=`. The caller closes it. */
  readonly journalDevice?: BlockDevice;
  /** Seconds after which a change is committed at the latest: mount's `commit=`. Default 0, which means 5. */
  readonly commitInterval?: number;
  /** What becomes of file data: mount's `data=`. Default: what the superblock says, or else `ordered`. */
  readonly data?: DataMode;
  /** Whether writes are flushed in the order that a crash needs: mount's `barrier`. Default true. */
  readonly barrier?: boolean;
  /** Whether a commit block may be written before the blocks that it commits: mount's `journal_async_commit`. Default false. */
  readonly asyncCommit?: boolean;
  /** Whose limits are enforced: mount's `usrquota`, `grpquota`, `prjquota`. Default nobody's; usage is counted in any case. */
  readonly quota?: QuotaEnforcement;
  /** Where the file system is mounted, for the superblock's record; a byte a char. */
  readonly mountPoint?: string;
  /** Waits so many seconds, for multi-mount protection. Default: blocks the thread. */
  readonly wait?: (seconds: number) => void;
  /** Names of this machine and of the device, for multi-mount protection. */
  readonly nodeName?: string;
  readonly deviceName?: string;
  /** Bound of the cache of metadata blocks, in bytes. Default 32 MiB, for writing 64 MiB. */
  readonly cacheBytes?: number;
  /** Bound of the cache of inodes, 16 at least. Default 16,384; fewer when inodes are large or `cacheBytes` is small: their bytes stay below 16 MiB and half of it. */
  readonly inodeCacheEntries?: number;
  /** Whether new inodes get their directory's group: mount's `grpid`, and `nogrpid`. Default: what the superblock says. */
  readonly directoryGroups?: boolean;
  /** Whether files may not map the file system's own metadata: mount's `block_validity`. Default true. */
  readonly blockValidity?: boolean;
  /** What to do when the image turns out to be corrupt. Default: what its superblock says. */
  readonly errors?: ErrorsOption;
  /** Whether statfs counts the file system's own blocks (mount's `minixdf`). Default false. */
  readonly minixDf?: boolean;
  /** For mounts for writing: what is changed is kept so that another process can go on. */
  readonly survival?: SurvivalOptions;
  /** Called for a recorded error under errors=panic: whoever serves the file system ends there. */
  readonly onPanic?: (error: unknown) => void;
}

/** What the superblock says to do after an error. */
export function errorsOf(superblock: SuperblockView): ErrorsOption {
  switch (superblock.errors) {
    case ErrorsBehaviour.panic:
      return "panic";
    case ErrorsBehaviour.remountReadOnly:
      return "remount-ro";
    default:
      return "continue";
  }
}

/** What the superblock says of file data. */
export function dataModeOf(superblock: SuperblockView): DataMode {
  const mode = superblock.defaultMountOptions & DefaultMountOption.dataMode;
  return mode === DefaultMountOption.dataJournal ? "journal" : "ordered";
}
