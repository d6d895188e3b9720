import { flag, type MountOption } from "../mount-option.js";
import { parseCount } from "../quantity.js";
import type { MountSettings, QuotaOption } from "../settings.js";

/** Who may use how much. */
export const quotaOptions: readonly MountOption[] = [
  {
    name: "usrquota",
    aliases: ["quota"],
    description:
      "Enforce limits of users. Usage is kept true in any case, where the quota feature is on. Where any limits are enforced, those of a file's owner, group and project bind whatever the kernel's cache writes to it, whoever wrote that, root too; fsync(2) says EDQUOT, close(2) EIO. Cached writes to root's files are free. With nowriteback_cache, who writes counts, and write(2) says it.",
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
  flag("noquota", { quota: [] }, "Enforce no limits."),
  {
    name: "resuid",
    value: "UID",
    description:
      "This user may use the reserved blocks, as root may. Default: what the superblock says. What programs have written into the kernel's cache may use them too, whoever wrote it, rather than be lost; not so where limits are enforced, or with nowriteback_cache.",
    apply(settings, value) {
      settings.reservedUid = parseCount(value, "resuid=", 0);
    },
  },
  {
    name: "resgid",
    value: "GID",
    description: "This group may use the reserved blocks; see resuid=. Default: what the superblock says.",
    apply(settings, value) {
      settings.reservedGid = parseCount(value, "resgid=", 0);
    },
  },
];

function addQuota(settings: MountSettings, kind: QuotaOption): void {
  settings.quota = [...(settings.quota ?? []).filter((other) => other !== kind), kind];
}
