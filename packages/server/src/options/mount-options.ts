import type { MountOption } from "./mount-option.js";
import { defaultSettings, type MountSettings } from "./settings.js";
import { suggestion } from "./suggestion.js";
import { accessOptions } from "./table/access.js";
import { durabilityOptions } from "./table/durability.js";
import { imageOptions } from "./table/image.js";
import { kernelOptions } from "./table/kernel.js";
import { quotaOptions } from "./table/quota.js";
import { timeOptions } from "./table/times.js";
import { UsageError } from "./usage-error.js";

/** All options that `-o` takes, as the man page lists them. */
export const mountOptions: readonly MountOption[] = [
  ...imageOptions,
  ...accessOptions,
  ...timeOptions,
  ...durabilityOptions,
  ...quotaOptions,
  ...kernelOptions,
];

/** Options that mount(8) and fstab(5) pass to every file system and that mean nothing to us. */
export const ignoredMountOptions: readonly string[] = [
  ...["defaults", "auto", "noauto", "user", "nouser", "users", "owner", "group", "nofail", "_netdev"],
  ...["norelatime", "mand", "nomand", "iversion", "i_version", "noiversion", "silent", "loud"],
  ...["acl", "user_xattr"],
  // An image needs no loop device here.
  "loop",
];

/**
 * Options of ext4 that tune how the kernel's works, and promise nothing, or what is always so (auto_da_alloc: what is closed has its data
 * on its way): they are taken and have no effect. With a value, only that one.
 */
export const kernelTuningOptions: readonly string[] = [
  ...[
    "auto_da_alloc",
    "noauto_da_alloc",
    "data_err=ignore",
    "nojournal_checksum",
    "stripe",
    "init_itable",
    "noinit_itable",
  ],
  ...["inode_readahead_blks", "dioread_lock", "dioread_nolock", "nombcache", "no_mbcache", "journal_ioprio"],
  ...["min_batch_time", "max_batch_time", "mb_optimize_scan", "prefetch_block_bitmaps", "no_prefetch_block_bitmaps"],
  ...[
    "bh",
    "nobh",
    "orlov",
    "oldalloc",
    "reservation",
    "noreservation",
    "mblk_io_submit",
    "nomblk_io_submit",
    "nocheck",
  ],
];

/** Where the superblock itself is, in units of 1 KiB. */
const PRIMARY = 1;

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
  const settings: MountSettings = { ...defaultSettings };
  for (const item of lists.flatMap((list) => list.split(","))) {
    if (item !== "") applyOption(settings, item);
  }
  if (settings.offset !== undefined && settings.partition !== undefined) {
    throw new UsageError("offset= and partition= exclude each other");
  }
  if (onlyReads(settings) !== undefined) settings.access = "read-only";
  return settings;
}

/** An option with which a file system must not be written to, and how it is read then. */
export function onlyReads({ noLoad, superblock = PRIMARY }: MountSettings): [option: string, how: string] | undefined {
  if (noLoad) return ["noload", "without its journal"];
  return superblock === PRIMARY ? undefined : ["sb=", "through a copy of the superblock"];
}

/** Whether a word of `-o` is one of ours, or one that means nothing to us: mount(8)'s `-s` leaves out the others. */
export function isMountOption(word: string): boolean {
  return isIgnored(word) || byName.has(nameOf(word));
}

function nameOf(word: string): string {
  return word.replace(/=.*/s, "");
}

function isIgnored(word: string): boolean {
  const name = nameOf(word);
  if (kernelTuningOptions.includes(name) || kernelTuningOptions.includes(word)) return true;
  return ignoredMountOptions.includes(name) || /^[xX]-/.test(name) || name === "comment";
}

function applyOption(settings: MountSettings, item: string): void {
  const equals = item.indexOf("=");
  const name = nameOf(item);
  const value = equals === -1 ? undefined : item.slice(equals + 1);
  if (isIgnored(item)) return;
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
