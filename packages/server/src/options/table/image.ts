import { flag, type MountOption } from "../mount-option.js";
import { parseBytes, parseCount } from "../quantity.js";
import { errorsOptions } from "../settings.js";
import { UsageError } from "../usage-error.js";

/** Where the file system is, and how its structures are taken. */
export const imageOptions: readonly MountOption[] = [
  flag(
    "rw",
    { access: "read-write" },
    "Mount for reading and writing, and fail if SOURCE is write-protected. Without rw and ro, such a SOURCE is mounted read-only, with a warning.",
  ),
  flag(
    "ro",
    { access: "read-only" },
    "Mount read-only. SOURCE is not changed: a journal that needs recovery is replayed into memory.",
  ),
  {
    name: "offset",
    value: "BYTES",
    description: "The file system starts at this byte of SOURCE; K, M and G are understood, as in 1M.",
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
      "Use the copy of the superblock at N KiB instead of the primary one, and mount read-only; mke2fs printed where they are (for blocks of 4 KiB, N is four times the block).",
    apply(settings, value) {
      settings.superblock = parseCount(value, "sb=", 1);
    },
  },
  flag("noload", { noLoad: true }, "Do not replay the journal. Mounts read-only: what is seen may be inconsistent.", [
    "norecovery",
  ]),
  {
    name: "cache_size",
    value: "BYTES",
    description:
      "Cache at most this many bytes of metadata blocks, and 64 blocks at least; K, M and G are understood. Default 32M, and 64M where it is written. Inodes take up to 16M more.",
    apply(settings, value) {
      settings.cacheBytes = parseBytes(value, "cache_size=");
    },
  },
  {
    name: "errors",
    value: "ACTION",
    choices: errorsOptions,
    description:
      "What to do when the file system turns out to be damaged: continue, remount-ro or panic (nobody serves any more: ENOTCONN, until it is unmounted). Default: what the superblock says.",
    apply(settings, value) {
      const found = errorsOptions.find((option) => option === value);
      if (found === undefined) {
        throw new UsageError(`errors= is one of ${errorsOptions.join(", ")}, not ${value}`);
      }
      settings.errors = found;
    },
  },
  flag("bsddf", { minixDf: false }, "statfs leaves out the blocks that the file system itself takes. The default."),
  flag("minixdf", { minixDf: true }, "statfs counts all blocks of the file system."),
  flag(
    "block_validity",
    { blockValidity: true },
    "Refuse files that claim blocks of the file system's own metadata. The default.",
  ),
  flag("noblock_validity", { blockValidity: false }, "Do not check for that."),
];
