import { flag, type MountOption } from "../mount-option.js";
import { parseCount } from "../quantity.js";
import type { IomapOption } from "../settings.js";
import { UsageError } from "../usage-error.js";

/** What the kernel does by itself, and what becomes of a mount whose server dies. */
export const kernelOptions: readonly MountOption[] = [
  flag(
    "writeback_cache",
    { writebackCache: true },
    "The kernel collects what programs write and hands it over in large pieces. The default. Of a full disk then fsync(2) and close(2) tell, as on NFS, not write(2), and the mount shows a file as long as what was written to it, whether that found a place or not. SEEK_HOLE and SEEK_DATA show no holes; with nowriteback_cache or ro they do.",
    ["delalloc"],
  ),
  flag(
    "nowriteback_cache",
    { writebackCache: false },
    "The kernel hands over what programs write at once: errors, as of a full disk, show in write(2) itself.",
    ["nodelalloc"],
  ),
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
  flag("iomap_cache", { iomapCache: true }, "With iomap, the kernel remembers where files lie. The default."),
  flag("noiomap_cache", { iomapCache: false }, "With iomap, the kernel asks each time."),
  {
    name: "restarts",
    value: "N",
    description:
      "When the server dies, another one goes on with the mount, and nobody notices but for a pause: this often within a minute, 10 times by default; then the mount answers ENOTCONN. Needs Linux 6.9. Not with --uncontained, nor with mount.safe(8), which leave no keeper behind; not with iomap, where the kernel would have to be asked for what it has under way.",
    apply(settings, value) {
      settings.restarts = parseCount(value, "restarts=");
    },
  },
  flag("norestart", { restarts: 0 }, "When the server dies, the mount answers ENOTCONN. The same as restarts=0."),
];

const iomapChoices: ReadonlyMap<string, IomapOption> = new Map([
  ["0", "never"],
  ["1", "required"],
  ["default", "default"],
]);
