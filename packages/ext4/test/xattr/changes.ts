/** Images whose attributes are changed by the engine, with what the kernel, e2fsck or the engine itself then find. */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { lookup } from "../../src/dir/directory.js";
import { ReservedInode } from "../../src/format/inode.js";
import { cachedInode } from "../../src/inode/cached-inode.js";
import type { Inode } from "../../src/inode/inode.js";
import type { Volume } from "../../src/volume.js";
import { getXattr, listXattrs } from "../../src/xattr/xattrs.js";
import { type ImageDirectory, run } from "../images.js";

/** Attributes by full name, both as bytes written as chars. */
export type Attributes = Map<string, string>;

/** An image with empty files `f0`, `f1`, … that belong to user and group 1000 + n, and a directory `d`. */
export function imageWithFiles(images: ImageDirectory, name: string, size: string, options: readonly string[]): string {
  const from = images.file(`${name}.files`);
  fs.mkdirSync(`${from}/d`, { recursive: true });
  for (let n = 0; n < FILES; n++) {
    fs.writeFileSync(`${from}/f${n}`, "");
    if (process.getuid?.() === 0) fs.chownSync(`${from}/f${n}`, 1000 + (n >> 1), 1000 + n);
  }
  const image = images.make(name, size, ["-t", "ext4", "-d", from, ...options]);
  // mke2fs counts quota before it copies files.
  if (options.some((option) => option.includes("quota"))) spawnSync("e2fsck", ["-fy", image]);
  return image;
}

export const FILES = 6;

/** The inode of a name in the root. */
export function inodeOf(volume: Volume, name: string): Inode {
  return cachedInode(volume, lookup(volume, cachedInode(volume, ReservedInode.root), new TextEncoder().encode(name)));
}

/** What the engine reads. */
export function attributesOf(volume: Volume, inode: Inode): Attributes {
  const found: Attributes = new Map();
  for (const name of listXattrs(volume, inode)) {
    const value = getXattr(volume, inode, name);
    if (value === undefined) throw new Error(`${name} is listed and not there`);
    found.set(name, Buffer.from(value).toString("latin1"));
  }
  return found;
}

const ASK = `
import json, os, sys
out = {}
for name in sorted(os.listdir(sys.argv[1])):
    path = os.fsencode(os.path.join(sys.argv[1], name))
    names = os.listxattr(path, follow_symlinks=False)
    out[name] = [os.lstat(path).st_mode, [[os.fsencode(n).decode("latin1"), os.getxattr(path, n, follow_symlinks=False).decode("latin1")] for n in names]]
print(json.dumps(out))
`;

/** What the kernel reads: mode and attributes by file of the root. */
export function askKernel(
  images: ImageDirectory,
  image: string,
): Map<string, { mode: number; attributes: Attributes }> {
  const text = images.mounted(image, "ro,noload", (root) => run("python3", ["-c", ASK, root]));
  const answer = JSON.parse(text) as Record<string, [number, [string, string][]]>;
  return new Map(
    Object.entries(answer).map(([name, [mode, attributes]]) => [name, { mode, attributes: new Map(attributes) }]),
  );
}

/** A value as bytes. */
export function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** The attributes in an order of their own, to compare. */
export function sorted(attributes: Attributes): [string, string][] {
  return [...attributes].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Small pseudo-random numbers that a seed decides. */
export function randomNumbers(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}
