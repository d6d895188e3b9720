/** Makes an image of the zoo: mke2fs, the kernel's fill through a loop mount, and e2fsck's word that it is sound. */
import { closeSync, ftruncateSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { kernelMounts, withLoopMount } from "../system/loop.js";
import { run } from "../system/process.js";
import { fillExtra } from "./extra.js";
import { type FillProfile, fillTree } from "./fill/index.js";
import { PARTITION_OFFSET, PARTITION_TAIL, writePartitionTable } from "./partition.js";
import { DEFAULT_FILL, type ImageVariant } from "./variant.js";

export interface BuiltImage {
  readonly name: string;
  readonly path: string;
  /** Byte offset of the filesystem in the file. */
  readonly offset: number;
  readonly blockSize: number;
  /** Whether the kernel here mounts it; debugfs tells the truth about the others. */
  readonly mountable: boolean;
  /** Requests to debugfs that make a copy of it one that the kernel walks. */
  readonly truth: readonly string[];
  /** Whether names may hash otherwise for the kernel that walks that copy, so that its indexes have to be rebuilt. */
  readonly rehashed: boolean;
  /** Steps of the fill that the filesystem has no means for, with the errno each got. */
  readonly refused: Readonly<Record<string, string>>;
}

const UUID = "01234567-89ab-4cde-8f01-23456789abcd";
const HASH_SEED = "fedcba98-7654-4321-8fed-cba987654321";
const SEED = 0xb01ead;
const SOURCE_SIZE = 256 << 20;
const SOURCE_BLOCK_SIZE = 4096;

/** Builds `variant` as a file in `directory`, with what is known about it beside it (`NAME.json`). */
export function buildImage(variant: ImageVariant, directory: string): BuiltImage {
  const path = join(directory, `${variant.name}.img`);
  const offset = variant.partition === undefined ? 0 : PARTITION_OFFSET;
  makeEmpty(variant, path, offset);
  const blockSize = readBlockSize(path, offset);
  const mountable = kernelMounts(path, { offset });
  const profile = { ...DEFAULT_FILL, ...variant.fill };
  let refused = new Map<string, string>();
  if (mountable) {
    withLoopMount(path, { offset, options: variant.mountOptions ?? [] }, (mountPoint) => {
      refused = fillTree(mountPoint, blockSize, SEED, profile);
      fillExtra(variant, mountPoint);
    });
  } else if (variant.partition === undefined) {
    fillFromTree(variant, path, sourcePath(directory, variant.name), { ...profile, plainNames: true });
  }
  if (variant.after !== undefined) debugfs(path, offset, variant.after);
  if (variant.tune2fsAfter !== undefined) run("tune2fs", [...variant.tune2fsAfter, deviceName(path, offset)]);
  if (variant.rehash === true) run("e2fsck", ["-fyD", deviceName(path, offset)], { accept: [1] });
  checkImage(path, offset);
  const built: BuiltImage = {
    name: variant.name,
    path,
    offset,
    blockSize,
    mountable,
    truth: variant.truth ?? [],
    rehashed: variant.rehash === true,
    refused: Object.fromEntries(refused),
  };
  writeFileSync(join(directory, `${variant.name}.json`), JSON.stringify(built));
  return built;
}

/** Where the tree lies that filled an image which the kernel could not fill; an image of its own. */
export function sourcePath(directory: string, name: string): string {
  return join(directory, `${name}.source.img`);
}

/** Fills an image that this kernel cannot mount: the tree is made on one that it can, and mke2fs -d copies it. */
function fillFromTree(variant: ImageVariant, path: string, source: string, profile: FillProfile): void {
  const fd = openSync(source, "w");
  ftruncateSync(fd, SOURCE_SIZE);
  closeSync(fd);
  run("mke2fs", ["-q", "-F", "-t", "ext4", "-b", "4096", "-I", "256", "-O", "extent,dir_nlink,extra_isize", source]);
  withLoopMount(source, {}, (mountPoint) => {
    fillTree(mountPoint, SOURCE_BLOCK_SIZE, SEED, profile);
  });
  withLoopMount(source, { options: ["ro"] }, (mountPoint) => makeFileSystem(variant, path, 0, ["-d", mountPoint]));
}

/** Reads what `buildImage` left beside an image, made by another process. */
export function readBuilt(directory: string, name: string): BuiltImage {
  return JSON.parse(readFileSync(join(directory, `${name}.json`), "utf8")) as BuiltImage;
}

function makeEmpty(variant: ImageVariant, path: string, offset: number): void {
  const fd = openSync(path, "w");
  ftruncateSync(fd, variant.size + (offset === 0 ? 0 : offset + PARTITION_TAIL));
  closeSync(fd);
  if (variant.partition !== undefined) writePartitionTable(path, variant.partition, variant.size);
  makeFileSystem(variant, path, offset, []);
  if (variant.tune2fs !== undefined) run("tune2fs", [...variant.tune2fs, deviceName(path, offset)]);
  if (variant.before !== undefined) debugfs(path, offset, variant.before);
}

function makeFileSystem(variant: ImageVariant, path: string, offset: number, more: readonly string[]): void {
  const blockSize = Number(variant.mke2fs[variant.mke2fs.indexOf("-b") + 1]);
  const blocks = String(variant.size / blockSize);
  run("mke2fs", ["-q", "-F", "-U", UUID, ...mke2fsArguments(variant, offset), ...more, path, blocks]);
}

/** Extended options come as one `-E`: the variant's own, the hash seed and the offset. */
function mke2fsArguments(variant: ImageVariant, offset: number): string[] {
  const extended = [`hash_seed=${HASH_SEED}`, ...(offset === 0 ? [] : [`offset=${offset}`])];
  const rest: string[] = [];
  for (let i = 0; i < variant.mke2fs.length; i++) {
    if (variant.mke2fs[i] === "-E") extended.push(variant.mke2fs[++i]!);
    else rest.push(variant.mke2fs[i]!);
  }
  return [...rest, "-E", extended.join(",")];
}

/** The name by which e2fsprogs finds a filesystem inside a file. */
function deviceName(path: string, offset: number): string {
  return offset === 0 ? path : `${path}?offset=${offset}`;
}

function readBlockSize(path: string, offset: number): number {
  const header = run("dumpe2fs", ["-h", deviceName(path, offset)]).stdout.toString("utf8");
  return Number(/^Block size:\s+(\d+)/m.exec(header)?.[1]);
}

/**
 * Sends requests to debugfs; an error that it reports is thrown, although debugfs itself exits with 0. For reading it is told
 * not to load the bitmaps (-c), which on an image with a dirty journal need not match their checksums.
 */
export function debugfs(path: string, offset: number, requests: readonly string[], write = true): Buffer {
  const result = run("debugfs", [write ? "-w" : "-c", "-f", "-", deviceName(path, offset)], {
    input: `${requests.join("\n")}\n`,
  });
  const complaints = result.stderr.split("\n").filter((line) => line !== "" && !line.startsWith("debugfs 1."));
  if (complaints.length > 0) throw new Error(`debugfs ${path}: ${complaints.join("\n")}`);
  return result.stdout;
}

/** e2fsck's full check without changing anything; throws with what it found. */
export function checkImage(path: string, offset = 0): void {
  run("e2fsck", ["-fn", deviceName(path, offset)], { timeout: 120_000 });
}

/** Removes an image and its description. */
export function removeImage(image: BuiltImage): void {
  rmSync(image.path, { force: true });
  rmSync(image.path.replace(/\.img$/, ".json"), { force: true });
}
