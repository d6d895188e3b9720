import { ErrorsBehaviour, type SuperblockView } from "../format/superblock.js";

export type ErrorsOption = "continue" | "remount-ro" | "panic";

export interface MountOptions {
  /** Whether to mount for writing. Default false: the device is not written. */
  readonly writable?: boolean;
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
