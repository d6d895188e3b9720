/** What crashes are tried on, and who works there. */
import { FEATURES } from "../model/variants.js";

export const IMAGES = [
  { name: "4 KiB blocks", mke2fs: ["-O", FEATURES, "-b", "4096", "-J", "size=16"], journal: true },
  { name: "the smallest journal", mke2fs: ["-O", FEATURES, "-b", "1024", "-J", "size=1"], journal: true },
  { name: "no journal", mke2fs: ["-O", `${FEATURES},^has_journal`, "-b", "4096"], journal: false },
] as const;
const FILES = ["files", "log", "replace", "slots"];
export const DATABASES = ["sqlite-delete", "sqlite-wal"];

/**
 * The kernel's ext4 without a journal gives the blocks of a file that is deleted to another one before it is on disk that the
 * first has them no more: after a crash both claim them, whatever was synced. There, only who deletes nothing can be judged.
 */
function givesBlocksTwice(subject: string, image: { readonly journal: boolean }): boolean {
  return subject === "kernel" && !image.journal;
}

/** Who can be held to what was synced. */
export function filesFor(subject: string, image: { readonly journal: boolean }): readonly string[] {
  return givesBlocksTwice(subject, image) ? ["log", "slots"] : FILES;
}

/** Whether others may work on the mount who sync nothing. */
export function mayBeNoisy(subject: string, image: { readonly journal: boolean }): boolean {
  return !givesBlocksTwice(subject, image);
}
