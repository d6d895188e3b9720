import { parseBytes, parseCount } from "./quantity.js";
import { suggestion } from "./suggestion.js";
import { UsageError } from "./usage-error.js";

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
  /** Whether blocks that files claim are checked against the file system's own metadata. */
  blockValidity: boolean;
  debug: boolean;
  allowOther: boolean;
  defaultPermissions: boolean;
  noSuid: boolean;
  noDev: boolean;
  noExec: boolean;
  access: AccessOption;
  noAtime: boolean;
  noDirAtime: boolean;
  /** Seconds between commits; 0 stands for the default. */
  commitSeconds?: number;
  data?: (typeof dataOptions)[number];
  /** Path of an external journal's device, as it was given. */
  journalPath?: string;
  asyncCommit: boolean;
  discard: boolean;
  /** Whether the device's cache is flushed around commits. */
  barrier: boolean;
  /** Which quotas to enforce; absent: what the superblock says. */
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

const dataOptions = ["ordered", "writeback", "journal"] as const;

export type QuotaOption = "user" | "group" | "project";

const errorsOptions = ["continue", "remount-ro", "panic"] as const;
export type ErrorsOption = (typeof errorsOptions)[number];

const DEFAULT_RESTARTS = 10;

/** An option that `-o` takes, declared once: parsing, man page and completion come from here. */
export interface MountOption {
  readonly name: string;
  /** Other names for the same. */
  readonly aliases?: readonly string[];
  /** What stands for the value; absent when it takes none. */
  readonly value?: string;
  /** Whether the value may be left out. */
  readonly optionalValue?: boolean;
  readonly choices?: readonly string[];
  readonly description: string;
  apply(settings: MountSettings, value: string): void;
}

export const mountOptions: readonly MountOption[] = [
  {
    name: "rw",
    description:
      "Mount for reading and writing, and fail if SOURCE is write-protected. Without rw and ro, such a SOURCE is mounted read-only, with a warning.",
    apply(settings) {
      settings.access = "read-write";
    },
  },
  {
    name: "ro",
    description: "Mount read-only. SOURCE is not changed: a journal that needs recovery is replayed into memory.",
    apply(settings) {
      settings.access = "read-only";
    },
  },
  {
    name: "offset",
    value: "BYTES",
    description: "The file system starts at this byte of SOURCE.",
    apply(settings, value) {
      settings.offset = parseBytes(value, "offset=");
    },
  },
  {
    name: "partition",
    value: "N",
    description: "The file system is in partition N of SOURCE's GPT or MBR partition table.",
    apply(settings, value) {
      settings.partition = parseCount(value, "partition=", 1);
    },
  },
  {
    name: "sb",
    value: "N",
    description:
      "Use the copy of the superblock at N KiB instead of the primary one; mke2fs printed where they are (for blocks of 4 KiB, N is four times the block).",
    apply(settings, value) {
      settings.superblock = parseCount(value, "sb=", 1);
    },
  },
  {
    name: "noload",
    aliases: ["norecovery"],
    description: "Do not replay the journal. Mounts read-only: what is seen may be inconsistent.",
    apply(settings) {
      settings.noLoad = true;
    },
  },
  {
    name: "cache_size",
    value: "BYTES",
    description:
      "Cache at most this many bytes of metadata blocks, and 64 blocks at least; K, M and G are understood. Default 32M. Inodes take up to 16M more.",
    apply(settings, value) {
      settings.cacheBytes = parseBytes(value, "cache_size=");
    },
  },
  {
    name: "errors",
    value: "ACTION",
    choices: errorsOptions,
    description:
      "What to do when the file system turns out to be damaged: continue, remount-ro or panic (end the mount). Default: what the superblock says.",
    apply(settings, value) {
      const found = errorsOptions.find((option) => option === value);
      if (found === undefined) {
        throw new UsageError(`errors= is one of ${errorsOptions.join(", ")}, not ${value}`);
      }
      settings.errors = found;
    },
  },
  {
    name: "bsddf",
    description: "statfs leaves out the blocks that the file system itself takes. The default.",
    apply(settings) {
      settings.minixDf = false;
    },
  },
  {
    name: "minixdf",
    description: "statfs counts all blocks of the file system.",
    apply(settings) {
      settings.minixDf = true;
    },
  },
  {
    name: "block_validity",
    description: "Refuse files that claim blocks of the file system's own metadata. The default.",
    apply(settings) {
      settings.blockValidity = true;
    },
  },
  {
    name: "noblock_validity",
    description: "Do not check for that.",
    apply(settings) {
      settings.blockValidity = false;
    },
  },
  {
    name: "allow_other",
    description:
      "Let other users in as well as the one who mounts. Needs user_allow_other in /etc/fuse.conf unless root mounts.",
    apply(settings) {
      settings.allowOther = true;
    },
  },
  {
    name: "default_permissions",
    description:
      "Let the kernel check permissions by mode, owner and ACL, as on any other file system. Always on with allow_other; without, only who mounts gets in, root too.",
    apply(settings) {
      settings.defaultPermissions = true;
    },
  },
  {
    name: "debug",
    description: "Log a line for each request.",
    apply(settings) {
      settings.debug = true;
    },
  },
  {
    name: "nosuid",
    description: "Ignore set-user-id bits and file capabilities. The default; suid turns it off and needs root.",
    apply(settings) {
      settings.noSuid = true;
    },
  },
  {
    name: "suid",
    description: "Honour set-user-id bits.",
    apply(settings) {
      settings.noSuid = false;
    },
  },
  {
    name: "nodev",
    description: "Make device files unusable. The default; dev turns it off and needs root.",
    apply(settings) {
      settings.noDev = true;
    },
  },
  {
    name: "dev",
    description: "Make device files usable.",
    apply(settings) {
      settings.noDev = false;
    },
  },
  {
    name: "noexec",
    description: "Refuse to run programs.",
    apply(settings) {
      settings.noExec = true;
    },
  },
  {
    name: "exec",
    description: "Allow programs to be run. The default.",
    apply(settings) {
      settings.noExec = false;
    },
  },
  {
    name: "relatime",
    aliases: ["atime"],
    description:
      "Note when a file was read, if it was changed since the last time or that is a day ago. The default. Reads that the kernel answers from its page cache do not count.",
    apply(settings) {
      settings.noAtime = false;
    },
  },
  {
    name: "noatime",
    description: "Do not note when files were read.",
    apply(settings) {
      settings.noAtime = true;
    },
  },
  {
    name: "nodiratime",
    description: "Do not note when directories were read.",
    apply(settings) {
      settings.noDirAtime = true;
    },
  },
  {
    name: "diratime",
    description: "Note when directories were read, as for files. The default.",
    apply(settings) {
      settings.noDirAtime = false;
    },
  },
  {
    name: "commit",
    value: "SECONDS",
    description: "Make changes durable at least every so many seconds; 0 stands for the default, 5.",
    apply(settings, value) {
      settings.commitSeconds = parseCount(value, "commit=", 0);
    },
  },
  {
    name: "data",
    value: "MODE",
    choices: dataOptions,
    description:
      "What becomes of file data. ordered: it is on the device before what makes it visible; the default, unless the superblock says otherwise. writeback: in no order. journal: it goes through the journal.",
    apply(settings, value) {
      const mode = dataOptions.find((option) => option === value);
      if (mode === undefined) throw new UsageError(`data= is ${dataOptions.join(", ")}, not ${value}`);
      settings.data = mode;
    },
  },
  {
    name: "journal_path",
    value: "PATH",
    description: "The device or file that holds the journal, for a file system with an external one.",
    apply(settings, value) {
      settings.journalPath = value;
    },
  },
  {
    name: "journal_async_commit",
    description:
      "Write a transaction's commit record without waiting for its blocks first; the journal's checksums tell.",
    apply(settings) {
      settings.asyncCommit = true;
    },
  },
  {
    name: "discard",
    description:
      "Tell SOURCE which blocks are free when it is unmounted: an image gets holes there, a device can reuse them.",
    apply(settings) {
      settings.discard = true;
    },
  },
  {
    name: "nodiscard",
    description: "Do not; fstrim(8) tells it when asked. The default.",
    apply(settings) {
      settings.discard = false;
    },
  },
  {
    name: "barrier",
    value: "0|1",
    optionalValue: true,
    description: "Flush the device's own cache where the order of writes matters. The default; barrier=0 is nobarrier.",
    apply(settings, value) {
      if (value !== "" && value !== "0" && value !== "1") throw new UsageError(`barrier= is 0 or 1, not ${value}`);
      settings.barrier = value !== "0";
    },
  },
  {
    name: "nobarrier",
    description: "Do not: a loss of power may then damage the file system, unless the device's cache survives it.",
    apply(settings) {
      settings.barrier = false;
    },
  },
  {
    name: "usrquota",
    aliases: ["quota"],
    description: "Enforce limits of users. Usage is kept true in any case, where the quota feature is on.",
    apply: (settings) => addQuota(settings, "user"),
  },
  {
    name: "grpquota",
    description: "Enforce limits of groups.",
    apply: (settings) => addQuota(settings, "group"),
  },
  {
    name: "prjquota",
    description: "Enforce limits of projects.",
    apply: (settings) => addQuota(settings, "project"),
  },
  {
    name: "noquota",
    description: "Enforce no limits.",
    apply(settings) {
      settings.quota = [];
    },
  },
  {
    name: "resuid",
    value: "UID",
    description: "This user may use the reserved blocks, as root may. Default: what the superblock says.",
    apply(settings, value) {
      settings.reservedUid = parseCount(value, "resuid=", 0);
    },
  },
  {
    name: "resgid",
    value: "GID",
    description: "This group may use the reserved blocks. Default: what the superblock says.",
    apply(settings, value) {
      settings.reservedGid = parseCount(value, "resgid=", 0);
    },
  },
  {
    name: "sync",
    description: "Every change is durable when the call that makes it returns. Slow.",
    apply(settings) {
      settings.sync = true;
    },
  },
  {
    name: "async",
    description:
      "Changes become durable by fsync, by sync where root has mounted a device, or within the time of commit=. The default.",
    apply(settings) {
      settings.sync = false;
    },
  },
  {
    name: "dirsync",
    description: "Every change of a name is durable when the call that makes it returns.",
    apply(settings) {
      settings.dirSync = true;
    },
  },
  {
    name: "writeback_cache",
    description: "The kernel collects what programs write and hands it over in large pieces. The default.",
    apply(settings) {
      settings.writebackCache = true;
    },
  },
  {
    name: "nowriteback_cache",
    description:
      "The kernel hands over what programs write at once: errors, as of a full disk, show in write(2) itself.",
    apply(settings) {
      settings.writebackCache = false;
    },
  },
  {
    name: "iomap",
    value: "0|1|default",
    choices: ["0", "1", "default"],
    description:
      "Whether the kernel reads and writes file data itself, straight on the device, and asks only where it lies (fuse-iomap). default: where it can; 1: fail if it cannot; 0: never.",
    apply(settings, value) {
      const choice = iomapChoices.get(value);
      if (choice === undefined) throw new UsageError(`iomap= is 0, 1 or default, not ${value}`);
      settings.iomap = choice;
    },
  },
  {
    name: "iomap_cache",
    description: "With iomap, the kernel remembers where files lie. The default.",
    apply(settings) {
      settings.iomapCache = true;
    },
  },
  {
    name: "noiomap_cache",
    description: "With iomap, the kernel asks each time.",
    apply(settings) {
      settings.iomapCache = false;
    },
  },
  {
    name: "restarts",
    value: "N",
    description:
      "When the server dies, another one goes on with the mount, and nobody notices but for a pause: this often within a minute, 10 times by default; then the mount answers ENOTCONN. Needs Linux 6.9. Not with --uncontained, nor with mount.safe(8), which leave no keeper behind; not with iomap, where the kernel would have to be asked for what it has under way.",
    apply(settings, value) {
      settings.restarts = parseCount(value, "restarts=");
    },
  },
  {
    name: "norestart",
    description: "When the server dies, the mount answers ENOTCONN. The same as restarts=0.",
    apply(settings) {
      settings.restarts = 0;
    },
  },
  {
    name: "strictatime",
    description:
      "Note every read. Only with iomap: otherwise the kernel does not tell of reads that its page cache answers.",
    apply(settings) {
      settings.strictAtime = true;
    },
  },
  {
    name: "nostrictatime",
    description: "Note reads as relatime does. The default.",
    apply(settings) {
      settings.strictAtime = false;
    },
  },
  {
    name: "lazytime",
    description:
      "Write times only with other changes of a file, by fsync, or once a day. Only with iomap: otherwise they go with the next commit.",
    apply(settings) {
      settings.lazyTime = true;
    },
  },
  {
    name: "nolazytime",
    description: "Do not. The default.",
    apply(settings) {
      settings.lazyTime = false;
    },
  },
];

const iomapChoices: ReadonlyMap<string, IomapOption> = new Map([
  ["0", "never"],
  ["1", "required"],
  ["default", "default"],
]);

function addQuota(settings: MountSettings, kind: QuotaOption): void {
  settings.quota = [...(settings.quota ?? []).filter((other) => other !== kind), kind];
}

/** Options that mount(8) and fstab(5) pass to every file system and that mean nothing to us. */
export const ignoredMountOptions: readonly string[] = [
  ...["defaults", "auto", "noauto", "user", "nouser", "users", "owner", "group", "nofail", "_netdev"],
  ...["norelatime", "mand", "nomand", "iversion", "noiversion", "silent", "loud"],
  ...["acl", "user_xattr"],
];

const byName = new Map<string, MountOption>();
for (const option of mountOptions) {
  for (const name of [option.name, ...(option.aliases ?? [])]) byName.set(name, option);
}

/**
 * Reads the values of `-o`, in order; the last of several for the same thing counts.
 *
 * @throws UsageError that names the option that is unknown or wrong
 */
export function parseMountOptions(lists: readonly string[]): MountSettings {
  const settings: MountSettings = {
    noLoad: false,
    minixDf: false,
    blockValidity: true,
    debug: false,
    allowOther: false,
    defaultPermissions: false,
    noSuid: true,
    noDev: true,
    noExec: false,
    access: "read-write if possible",
    noAtime: false,
    noDirAtime: false,
    asyncCommit: false,
    discard: false,
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
  for (const item of lists.flatMap((list) => list.split(","))) {
    if (item !== "") applyOption(settings, item);
  }
  if (settings.offset !== undefined && settings.partition !== undefined) {
    throw new UsageError("offset= and partition= exclude each other");
  }
  // A file system whose journal is not looked at must not be written to.
  if (settings.noLoad) settings.access = "read-only";
  return settings;
}

/** Whether a word of `-o` is one of ours, or one that means nothing to us: mount(8)'s `-s` leaves out the others. */
export function isMountOption(word: string): boolean {
  const name = word.replace(/=.*/s, "");
  return isIgnored(name) || byName.has(name);
}

function isIgnored(name: string): boolean {
  return ignoredMountOptions.includes(name) || /^[xX]-/.test(name) || name === "comment";
}

function applyOption(settings: MountSettings, item: string): void {
  const equals = item.indexOf("=");
  const name = equals === -1 ? item : item.slice(0, equals);
  const value = equals === -1 ? undefined : item.slice(equals + 1);
  if (isIgnored(name)) return;
  const option = byName.get(name);
  if (option === undefined) {
    throw new UsageError(`unknown mount option ${name}${suggestion(name, [...byName.keys(), ...ignoredMountOptions])}`);
  }
  if (option.value !== undefined && option.optionalValue !== true && (value === undefined || value === "")) {
    throw new UsageError(`mount option ${name} needs a value: ${name}=${option.value}`);
  }
  if (option.value === undefined && value !== undefined) throw new UsageError(`mount option ${name} takes no value`);
  option.apply(settings, value ?? "");
}
