/**
 * What is on an image before the first case: a tree for a read-only mount, and inodes whose link counts are at their
 * limit, which debugfs writes (65,000 system calls take too long) and takes back before e2fsck counts.
 */
import assert from "node:assert/strict";
import {
  chownSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { lsetxattr, mknod } from "@bulkhead/linux";
import { run } from "../system/process.js";
import { withScratch } from "../system/scratch.js";
import { S } from "./calls.js";
import { LIMITED, LIMITED_GROUP } from "./identities.js";

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
  const theirs = join(directory, FOLDER, "limited");
  writeFileSync(theirs, "");
  chownSync(theirs, LIMITED.uid, LIMITED_GROUP);
}

/** Builds the hash trees and sets the counts one below the limit. */
export function prepareImage(image: string): void {
  run("e2fsck", ["-fyD", image], { accept: [1] });
  setCounts(image, () => MOST_LINKS - 1);
}

/** What the limited user, and the limited group, may have. */
export const LIMITS = { inodes: 12, kibibytes: 256 } as const;

/** Gives those who have the tree's `limited` file, and whose accounts e2fsck has opened for it, hard limits. */
export function limitOwners(image: string): void {
  const USER_QUOTA = 3;
  const GROUP_QUOTA = 4;
  limit(image, USER_QUOTA, LIMITED.uid);
  limit(image, GROUP_QUOTA, LIMITED_GROUP);
}

/** Writes limits into an account of a quota file: nothing in e2fsprogs does. Its blocks are 1 KiB, an account's entry 72 bytes. */
function limit(image: string, quotaInode: number, id: number): void {
  const BLOCK = 1024;
  const HEADER = 16;
  const ENTRY = 72;
  const file = withScratch("quota", (directory) => {
    const copy = join(directory, "file");
    run("debugfs", ["-R", `dump <${quotaInode}> ${copy}`, image]);
    return readFileSync(copy);
  });
  const places: number[] = [];
  for (let block = 2 * BLOCK; block < file.length; block += BLOCK) {
    for (let at = block + HEADER; at + ENTRY <= block + BLOCK; at += ENTRY) {
      if (file.readUInt32LE(at) === id && file.readUInt32LE(at + 24) === 1) places.push(at);
    }
  }
  const [place] = places;
  assert.ok(place !== undefined && places.length === 1, `accounts of ${id}: ${places.join(" ")}`);
  const entry = Buffer.from(file.subarray(place, place + ENTRY));
  entry.writeBigUInt64LE(BigInt(LIMITS.inodes), 8);
  entry.writeBigUInt64LE(BigInt(LIMITS.kibibytes), 32);
  const blocks = run("debugfs", ["-R", `blocks <${quotaInode}>`, image])
    .stdout.toString("latin1")
    .trim()
    .split(/\s+/);
  const FS_BLOCK = 4096;
  const fd = openSync(image, "r+");
  try {
    writeSync(fd, entry, 0, ENTRY, Number(blocks[Math.floor(place / FS_BLOCK)]) * FS_BLOCK + (place % FS_BLOCK));
  } finally {
    closeSync(fd);
  }
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
