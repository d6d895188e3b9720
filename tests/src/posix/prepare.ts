/**
 * What is on an image before the first case: a tree for a read-only mount, and inodes whose link counts are at their
 * limit, which debugfs writes (65,000 system calls take too long) and takes back before e2fsck counts.
 */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lsetxattr, mknod } from "@bulkhead/linux";
import { run } from "../system/process.js";
import { S } from "./calls.js";

/** No ext4 inode has more links, directories of dir_nlink aside. */
export const MOST_LINKS = 65_000;

const FOLDER = "prepared";
const COUNTED = { linked: 1, parent: 2, indexed: 2 } as const;

/** A regular file one link short of the limit. */
export const linkedFile = (mountPoint: string): string => join(mountPoint, FOLDER, "linked");
/** A linear directory one subdirectory short of the limit. */
export const fullParent = (mountPoint: string): string => join(mountPoint, FOLDER, "parent");
/** The same with a hash tree. */
export const indexedParent = (mountPoint: string): string => join(mountPoint, FOLDER, "indexed");
/** A directory with `file`, `folder`, `link` and `fifo`, for a mount that can make none. */
export const stillLife = (mountPoint: string): string => join(mountPoint, FOLDER, "still");

/** Makes the tree that mke2fs copies into an image. */
export function makeTree(directory: string): void {
  mkdirSync(join(directory, FOLDER));
  writeFileSync(linkedFile(directory), "");
  mkdirSync(fullParent(directory));
  mkdirSync(indexedParent(directory));
  // More than one block of entries, or e2fsck -D has nothing to index.
  for (let i = 0; i < 60; i++) writeFileSync(join(indexedParent(directory), `${"n".repeat(240)}${i}`), "");
  const still = stillLife(directory);
  mkdirSync(still);
  writeFileSync(join(still, "file"), "contents");
  lsetxattr(join(still, "file"), "user.a", Buffer.from("value"));
  mkdirSync(join(still, "folder"));
  symlinkSync("file", join(still, "link"));
  mknod(join(still, "fifo"), S.FIFO | 0o644);
}

/** Builds the hash trees and sets the counts one below the limit. */
export function prepareImage(image: string): void {
  run("e2fsck", ["-fyD", image], { accept: [1] });
  setCounts(image, () => MOST_LINKS - 1);
}

/** Puts the counts right again; cases have removed whatever they added. */
export function restoreImage(image: string): void {
  setCounts(image, (name) => COUNTED[name]);
}

function setCounts(image: string, count: (name: keyof typeof COUNTED) => number): void {
  const names = Object.keys(COUNTED) as (keyof typeof COUNTED)[];
  const requests = names.map((name) => `sif /${FOLDER}/${name} links_count ${count(name)}`);
  run("debugfs", ["-w", "-f", "-", image], { input: `${requests.join("\n")}\n` });
}
