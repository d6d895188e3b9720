/** What crashes are tried on, and who works there. */
import { FEATURES } from "../model/variants.js";

export const IMAGES = [
  { name: "4 KiB blocks", mke2fs: ["-O", FEATURES, "-b", "4096", "-J", "size=16"], journal: true },
  { name: "the smallest journal", mke2fs: ["-O", FEATURES, "-b", "1024", "-J", "size=1"], journal: true },
  { name: "no journal", mke2fs: ["-O", `${FEATURES},^has_journal`, "-b", "4096"], journal: false },
] as const;
export const FILES = ["files", "log", "replace", "slots"];
export const DATABASES = ["sqlite-delete", "sqlite-wal"];

/**
 * Whether others may work on the mount who sync nothing. The kernel's ext4 without a journal gives synced blocks to others as
 * well then: they reach the device before what says to whom they belong.
 */
export function mayBeNoisy(subject: string, image: { readonly journal: boolean }): boolean {
  return image.journal || subject !== "kernel";
}
