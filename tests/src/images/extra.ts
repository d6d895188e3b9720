/** Steps of the fill that belong to one variant. */
import { closeSync, linkSync, mkdirSync, openSync, symlinkSync, writeFileSync } from "node:fs";
import { ioctl } from "../system/calls.js";
import type { ImageVariant } from "./variant.js";

export function fillExtra(variant: ImageVariant, mountPoint: string): void {
  switch (variant.extra) {
    case "encryption":
      fillEncrypted(mountPoint);
      break;
    case "verity":
      fillVerity(mountPoint);
      break;
    case "casefold":
      fillFolded(mountPoint);
      break;
    case "far":
      fillFar(mountPoint);
      break;
    case undefined:
      break;
  }
}

/** <linux/fscrypt.h>: FS_IOC_ADD_ENCRYPTION_KEY of an 80-byte argument plus the key, and a version 2 policy. */
const FS_IOC_ADD_ENCRYPTION_KEY = 0xc0506617;
const FS_IOC_SET_ENCRYPTION_POLICY = 0x800c6613;
const KEY_SPEC_TYPE_IDENTIFIER = 2;
const KEY_SIZE = 64;
const AES_256_XTS = 1;
const AES_256_CTS = 4;
const PAD_32 = 3;

/** A directory under a policy whose key goes away with this mount. */
function fillEncrypted(mountPoint: string): void {
  const argument = Buffer.alloc(80 + KEY_SIZE);
  argument.writeUInt32LE(KEY_SPEC_TYPE_IDENTIFIER, 0);
  argument.writeUInt32LE(KEY_SIZE, 40);
  for (let i = 0; i < KEY_SIZE; i++) argument[80 + i] = i * 3 + 1;
  onDescriptor(mountPoint, (fd) => ioctl(fd, FS_IOC_ADD_ENCRYPTION_KEY, argument));
  const policy = Buffer.alloc(24);
  policy.set([2, AES_256_XTS, AES_256_CTS, PAD_32], 0);
  argument.copy(policy, 8, 8, 24);
  const root = `${mountPoint}/encrypted`;
  mkdirSync(root);
  onDescriptor(root, (fd) => ioctl(fd, FS_IOC_SET_ENCRYPTION_POLICY, policy));
  mkdirSync(`${root}/directory`);
  for (const size of [0, 1, 100, 4096, 70_000]) writeFileSync(`${root}/file-${size}`, Buffer.alloc(size, "secret "));
  for (let i = 0; i < 300; i++) writeFileSync(`${root}/directory/name-${i}-${"n".repeat(i % 200)}`, "");
  linkSync(`${root}/file-100`, `${root}/directory/link`);
  symlinkSync("a short target", `${root}/short-link`);
  symlinkSync(`a long target ${"t".repeat(300)}`, `${root}/long-link`);
}

/** A directory whose name hashes, by the zoo's seed, to a group of blocks beyond 32 bits. */
function fillFar(mountPoint: string): void {
  mkdirSync(`${mountPoint}/far-2`);
  writeFileSync(`${mountPoint}/far-2/file`, Buffer.alloc(100_000, "far away "));
}

/** The data of a file that `after` puts under verity; behind its end lies what stands for its tree. */
function fillVerity(mountPoint: string): void {
  mkdirSync(`${mountPoint}/verity`);
  for (const [name, size] of Object.entries(VERITY_FILES)) {
    const contents = Buffer.alloc(Math.ceil(size / 65_536) * 65_536 + 8192, "verity and its tree, ");
    writeFileSync(`${mountPoint}/verity/${name}`, contents);
  }
}

/** Names and true sizes of the files under verity. */
export const VERITY_FILES = { small: 5000, big: 200_000 } as const;

/** Directories that become case-insensitive afterwards; the big one needs an htree. */
function fillFolded(mountPoint: string): void {
  mkdirSync(`${mountPoint}/folded`);
  for (const name of ["ReadMe", "STRASSE", "Ωμέγα", "ÄÖÜ", "plain"]) {
    writeFileSync(`${mountPoint}/folded/${name}`, `contents of ${name}\n`);
  }
  mkdirSync(`${mountPoint}/folded-big`);
  for (let i = 0; i < 500; i++) writeFileSync(`${mountPoint}/folded-big/Name-${i}-ÄbC`, "");
}

function onDescriptor(path: string, work: (fd: number) => void): void {
  const fd = openSync(path, "r");
  try {
    work(fd);
  } finally {
    closeSync(fd);
  }
}
