import { flag, type MountOption } from "../mount-option.js";

/** When reads and times are noted. */
export const timeOptions: readonly MountOption[] = [
  flag(
    "relatime",
    { noAtime: false },
    "Note when a file was read, if it was changed since the last time or that is a day ago. The default. Reads that the kernel answers from its page cache do not count.",
    ["atime"],
  ),
  flag("noatime", { noAtime: true }, "Do not note when files were read."),
  flag("nodiratime", { noDirAtime: true }, "Do not note when directories were read."),
  flag("diratime", { noDirAtime: false }, "Note when directories were read, as for files. The default."),
  flag(
    "strictatime",
    { strictAtime: true },
    "Note every read. Without iomap, the mount fails: the kernel does not tell of reads that its page cache answers.",
  ),
  flag("nostrictatime", { strictAtime: false }, "Note reads as relatime does. The default."),
  flag(
    "lazytime",
    { lazyTime: true },
    "Write times only with other changes of a file, by fsync, or once a day. Without iomap, the mount fails.",
  ),
  flag("nolazytime", { lazyTime: false }, "Do not. The default."),
];
