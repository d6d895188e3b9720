import { UsageError } from "../command-line/errors.js";
import { parseBytes, parseCount } from "../command-line/quantity.js";
import { suggestion } from "../command-line/suggest.js";

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
  noAtime: boolean;
}

const errorsOptions = ["continue", "remount-ro", "panic"] as const;
export type ErrorsOption = (typeof errorsOptions)[number];

/** An option that `-o` takes, declared once: parsing, man page and completion come from here. */
export interface MountOption {
  readonly name: string;
  /** Other names for the same. */
  readonly aliases?: readonly string[];
  /** What stands for the value; absent when it takes none. */
  readonly value?: string;
  readonly choices?: readonly string[];
  readonly description: string;
  apply(settings: MountSettings, value: string): void;
}

export const mountOptions: readonly MountOption[] = [
  {
    name: "ro",
    description: "Mount read-only. This version always does.",
    apply() {},
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
    description:
      "Do not replay the journal. Without this, what the journal holds is replayed into memory; SOURCE is never changed.",
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
      "Let the kernel check permissions by mode, owner and ACL, as on any other file system. Always on when root mounts, and with allow_other.",
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
    name: "noatime",
    description: "Mark the mount so; access times never change on a read-only mount.",
    apply(settings) {
      settings.noAtime = true;
    },
  },
];

/** Options that mount(8) and fstab(5) pass to every file system and that mean nothing to a read-only one, or to us. */
export const ignoredMountOptions: readonly string[] = [
  ...["defaults", "auto", "noauto", "user", "nouser", "users", "owner", "group", "nofail", "_netdev"],
  ...["atime", "relatime", "norelatime", "strictatime", "nostrictatime", "lazytime", "nolazytime", "diratime"],
  ...["nodiratime", "async", "sync", "dirsync", "mand", "nomand", "iversion", "noiversion", "silent", "loud"],
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
    noAtime: false,
  };
  for (const item of lists.flatMap((list) => list.split(","))) {
    if (item !== "") applyOption(settings, item);
  }
  if (settings.offset !== undefined && settings.partition !== undefined) {
    throw new UsageError("offset= and partition= exclude each other");
  }
  return settings;
}

function applyOption(settings: MountSettings, item: string): void {
  const equals = item.indexOf("=");
  const name = equals === -1 ? item : item.slice(0, equals);
  const value = equals === -1 ? undefined : item.slice(equals + 1);
  if (ignoredMountOptions.includes(name) || name.startsWith("x-") || name.startsWith("X-") || name === "comment")
    return;
  if (name === "rw") {
    throw new UsageError("mount option rw: this version mounts read-only; leave it out, or say ro");
  }
  const option = byName.get(name);
  if (option === undefined) {
    throw new UsageError(`unknown mount option ${name}${suggestion(name, [...byName.keys(), ...ignoredMountOptions])}`);
  }
  if (option.value !== undefined && (value === undefined || value === "")) {
    throw new UsageError(`mount option ${name} needs a value: ${name}=${option.value}`);
  }
  if (option.value === undefined && value !== undefined) throw new UsageError(`mount option ${name} takes no value`);
  option.apply(settings, value ?? "");
}
