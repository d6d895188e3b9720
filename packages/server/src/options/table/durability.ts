import { flag, type MountOption } from "../mount-option.js";
import { parseCount } from "../quantity.js";
import { dataOptions } from "../settings.js";
import { UsageError } from "../usage-error.js";

/** As many milliseconds as a timer takes; the kernel's own limit is a 32-bit number of ticks. */
const MOST_SECONDS = Math.floor((2 ** 31 - 1) / 1000);

/** When changes are on the device, and in which order. */
export const durabilityOptions: readonly MountOption[] = [
  {
    name: "commit",
    value: "SECONDS",
    description: "Make changes durable at least every so many seconds; 0 stands for the default, 5.",
    apply(settings, value) {
      settings.commitSeconds = parseCount(value, "commit=", 0, MOST_SECONDS);
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
  flag(
    "journal_async_commit",
    { asyncCommit: true },
    "Write a transaction's commit record without waiting for its blocks first; the journal's checksums tell.",
  ),
  flag(
    "discard",
    { discard: true },
    "Tell SOURCE which blocks are free when it is unmounted: an image gets holes there, a device can reuse them. Default: what the superblock says (tune2fs -o discard).",
  ),
  flag("nodiscard", { discard: false }, "Do not; fstrim(8) tells it when asked."),
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
  flag(
    "nobarrier",
    { barrier: false },
    "Do not: a loss of power may then damage the file system, unless the device's cache survives it.",
  ),
  flag("sync", { sync: true }, "Every change is durable when the call that makes it returns. Slow."),
  flag(
    "async",
    { sync: false },
    "Changes become durable by fsync, by sync where root has mounted a device, or within the time of commit=. The default.",
  ),
  flag("dirsync", { dirSync: true }, "Every change of a name is durable when the call that makes it returns."),
];
