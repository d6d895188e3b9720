/** What crashes are tried on, and who works there. */
import { FEATURES } from "../model/variants.js";

export const IMAGES = [
  { name: "4 KiB blocks", mke2fs: ["-O", FEATURES, "-b", "4096", "-J", "size=16"], journal: true },
  { name: "the smallest journal", mke2fs: ["-O", FEATURES, "-b", "1024", "-J", "size=1"], journal: true },
  { name: "no journal", mke2fs: ["-O", `${FEATURES},^has_journal`, "-b", "4096"], journal: false },
] as const;
export const FILES = ["files", "log", "replace", "slots"];
export const DATABASES = ["sqlite-delete", "sqlite-wal"];
