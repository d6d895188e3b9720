import { Errno, LinuxError } from "@bulkhead/linux";
import { splitOptions } from "../protocol/index.js";

/** An option for the kernel's FUSE: a key alone, or with a value. */
export type FuseOption = readonly [key: string, value?: string];

/**
 * Keys that a server may set, and how their values look; labels (contexts), as the caller set them. What identifies the mount (fd, ids,
 * root mode) is the helper's.
 */
const allowed: Readonly<Record<string, RegExp | undefined>> = {
  allow_other: undefined,
  default_permissions: undefined,
  max_read: /^[0-9]{1,10}$/,
  blksize: /^[0-9]{1,6}$/,
  context: /^/,
  fscontext: /^/,
  defcontext: /^/,
  rootcontext: /^/,
};
const LABEL = /^(?:fs|def|root)?context$/;

export interface OptionRules {
  readonly allowOther: boolean;
  readonly fuseblk: boolean;
  /** The caller's own words. */
  readonly own: readonly string[];
}

/**
 * The options in a server's list. @throws {LinuxError} EPERM: they let others in, which the caller may not; EINVAL: they are none
 * that a server may set
 */
export function checkFuseOptions(list: string, { allowOther, fuseblk, own }: OptionRules): FuseOption[] {
  const words = splitOptions(list);
  // As a word of the bare list, too, whatever quotes say: who reads it differently must not find it.
  if (!allowOther && list.split(",").some((word) => word === "allow_other" || word === "allow_root")) {
    throw new LinuxError("mount", Errno.EPERM, "allow_other: user_allow_other is not set in fuse.conf");
  }
  return words.map((word) => {
    const equals = word.indexOf("=");
    const key = equals < 0 ? word : word.slice(0, equals);
    const refusal = new LinuxError("mount", Errno.EINVAL, word);
    if (!Object.hasOwn(allowed, key) || (key === "blksize" && !fuseblk)) throw refusal;
    // A label decides what others may do with the files, to begin with run them.
    if (LABEL.test(key) && !own.includes(word)) throw refusal;
    const form = allowed[key];
    if (form === undefined) {
      if (equals >= 0) throw refusal;
      return [key];
    }
    const given = equals < 0 ? undefined : word.slice(equals + 1);
    // Backslashes and half quotes read differently in mount(2) than in the mount API.
    const value = /^(?:"([^"\\]*)"|([^"\\]*))$/.exec(given ?? "\\");
    const bare = value?.[1] ?? value?.[2];
    if (bare === undefined || !form.test(bare)) throw refusal;
    return [key, bare];
  });
}

/** Options as mount(2) takes them. */
export function joinOptions(options: readonly FuseOption[]): string {
  return options
    .map(([key, value]) => (value === undefined ? key : `${key}=${value.includes(",") ? `"${value}"` : value}`))
    .join(",");
}

/**
 * The words that the mount table may show besides: `x-…`, and of the others those that are the caller's own. Undefined if the table
 * is not to be changed (`-n`).
 *
 * @throws {LinuxError} EINVAL for any other
 */
export function checkTableOptions(list: string, own: readonly string[]): string[] | undefined {
  const words = splitOptions(list).filter((word) => word !== "");
  for (const word of words) {
    const harmless = /^x-[\w.-]+(=[^"\\]*)?$/.test(word) || word === "-n";
    if (!harmless && !(word.startsWith("user=") && own.includes(word)))
      throw new LinuxError("mount", Errno.EINVAL, word);
  }
  return words.includes("-n") ? undefined : words;
}
