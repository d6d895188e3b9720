/** What the options of a mount add up to. */
export interface MountSettings {
  offset?: number;
  partition?: number;
  /** Place of the superblock in units of 1 KiB. */
  superblock?: number;
  noLoad: boolean;
  cacheBytes?: number;
  errors?: ErrorsOption;
  minixDf: boolean;
  /** Whether new files get their directory's group; absent: what the superblock says. */
  directoryGroups?: boolean;
  /** Whether blocks that files claim are checked against the file system's own metadata. */
  blockValidity: boolean;
  debug: boolean;
  allowOther: boolean;
  defaultPermissions: boolean;
  noSuid: boolean;
  noDev: boolean;
  noExec: boolean;
  noSymFollow: boolean;
  access: AccessOption;
  noAtime: boolean;
  noDirAtime: boolean;
  /** Seconds between commits; 0 stands for the default. */
  commitSeconds?: number;
  data?: (typeof dataOptions)[number];
  /** Path of an external journal's device, as it was given. */
  journalPath?: string;
  asyncCommit: boolean;
  /** Absent: what the superblock says. */
  discard?: boolean;
  /** Whether the device's cache is flushed around commits. */
  barrier: boolean;
  /** Which quotas to enforce; absent: none. */
  quota?: QuotaOption[];
  reservedUid?: number;
  reservedGid?: number;
  sync: boolean;
  dirSync: boolean;
  writebackCache: boolean;
  /** Whether the kernel does the file I/O itself. */
  iomap: IomapOption;
  iomapCache: boolean;
  /** Servers that may die within a minute, and the mount goes on with another one. */
  restarts: number;
  strictAtime: boolean;
  lazyTime: boolean;
}

/** Whether the kernel does the file I/O itself: never, where it can, or the mount fails. */
export type IomapOption = "never" | "default" | "required";

/** Read-only by a write-protected source, if not said otherwise. */
export type AccessOption = "read-only" | "read-write" | "read-write if possible";

export const dataOptions = ["ordered", "writeback", "journal"] as const;

export type QuotaOption = "user" | "group" | "project";

export const errorsOptions = ["continue", "remount-ro", "panic"] as const;
export type ErrorsOption = (typeof errorsOptions)[number];

const DEFAULT_RESTARTS = 10;

/** Without any option. */
export const defaultSettings: Readonly<MountSettings> = {
  noLoad: false,
  minixDf: false,
  blockValidity: true,
  debug: false,
  allowOther: false,
  defaultPermissions: false,
  noSuid: true,
  noDev: true,
  noExec: false,
  noSymFollow: false,
  access: "read-write if possible",
  noAtime: false,
  noDirAtime: false,
  asyncCommit: false,
  barrier: true,
  sync: false,
  dirSync: false,
  writebackCache: true,
  iomap: "default",
  iomapCache: true,
  restarts: DEFAULT_RESTARTS,
  strictAtime: false,
  lazyTime: false,
};
