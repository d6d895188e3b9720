import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MemoryDevice } from "../../src/device/memory.js";
import type { Inode } from "../../src/inode/inode.js";
import { readInode } from "../../src/inode/inode-table.js";
import { type BlockMapping, MAX_FILE_BLOCKS, MappingType } from "../../src/map/mapping.js";
import { forEachMapping } from "../../src/map/walk.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import type { Volume } from "../../src/volume.js";
import { withMount } from "../images.js";

/** Reason to skip what needs mke2fs and debugfs, or false. */
export const noTools = ["/usr/sbin/mke2fs", "/usr/sbin/debugfs"].every((tool) => existsSync(tool))
  ? false
  : "needs e2fsprogs";

/** Reason to skip what needs the kernel's ext4 on a loop device, or false. */
export const noLoop =
  noTools || (process.getuid?.() === 0 && existsSync("/dev/loop-control") ? false : "needs root and loop devices");

export function run(command: string, ...args: string[]): string {
  const path = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map((folder) => `${folder}/${command}`).find(existsSync);
  return execFileSync(path ?? command, args, {
    encoding: "utf8",
    timeout: 60_000,
    maxBuffer: 2 ** 28,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, LC_ALL: "C" },
  });
}

/** A directory that is gone when `use` returns. */
export function withScratch<T>(use: (directory: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), "bulkhead-map-"));
  try {
    return use(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Mounts the image with the kernel's ext4 while `use` runs. */
export function withLoopMount<T>(image: string, use: (mountpoint: string) => T): T {
  const mountpoint = `${image}.mnt`;
  mkdirSync(mountpoint, { recursive: true });
  return withMount(image, mountpoint, "rw", use);
}

/** What maps to the device: neighbours that continue each other are one run. */
export interface Run {
  fileBlock: number;
  length: number;
  block: number;
  unwritten: boolean;
}

function append(runs: Run[], next: Run): void {
  const last = runs.at(-1);
  if (
    last !== undefined &&
    last.fileBlock + last.length === next.fileBlock &&
    last.block + last.length === next.block &&
    last.unwritten === next.unwritten
  ) {
    last.length += next.length;
  } else {
    runs.push({ ...next });
  }
}

/** The mapping as the kernel tells it (FIEMAP). */
export function kernelRuns(path: string, blockSize: number): Run[] {
  const runs: Run[] = [];
  const line = /^\s*\d+:\s+(\d+)\.\.\s*(\d+):\s+(\d+)\.\.\s*\d+:\s+\d+:\s*(?:\d+:)?\s*(\S*)/;
  for (const text of run("filefrag", "-s", "-v", `-b${blockSize}`, path).split("\n")) {
    const match = line.exec(text);
    if (match === null) continue;
    const fileBlock = Number(match[1]);
    const length = Number(match[2]) - fileBlock + 1;
    append(runs, { fileBlock, length, block: Number(match[3]), unwritten: match[4]!.includes("unwritten") });
  }
  return runs;
}

/** The mapping as debugfs tells it. */
export function debugfsRuns(image: string, path: string): Run[] {
  const runs: Run[] = [];
  const text = run("debugfs", "-R", `stat ${path}`, image);
  const part = text.slice(text.search(/^(EXTENTS|BLOCKS):/m));
  for (const match of part.matchAll(/\((\d+)(?:-(\d+))?(\[u\])?\):(\d+)/g)) {
    const fileBlock = Number(match[1]);
    const length = match[2] === undefined ? 1 : Number(match[2]) - fileBlock + 1;
    append(runs, { fileBlock, length, block: Number(match[4]), unwritten: match[3] !== undefined });
  }
  return runs;
}

/** The mapping as the engine tells it. */
export function engineRuns(volume: Volume, inode: Inode): Run[] {
  const runs: Run[] = [];
  let next = 0;
  forEachMapping(volume, inode, 0, MAX_FILE_BLOCKS, (mapping) => {
    if (mapping.fileBlock !== next || mapping.length < 1) throw new Error(`gap before ${mapping.fileBlock}`);
    next = mapping.fileBlock + mapping.length;
    const { type, fileBlock, length, block } = mapping;
    if (type !== MappingType.hole) runs.push({ fileBlock, length, block, unwritten: type === MappingType.unwritten });
    return true;
  });
  if (next !== MAX_FILE_BLOCKS) throw new Error(`the walk ends at ${next}`);
  return runs;
}

/** State of one block: what a mapping that starts there must say. */
export function expectedAt(runs: readonly Run[], fileBlock: number, out: BlockMapping): void {
  let low = 0;
  let high = runs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (runs[middle]!.fileBlock + runs[middle]!.length <= fileBlock) low = middle + 1;
    else high = middle;
  }
  const found = runs[low];
  if (found === undefined || found.fileBlock > fileBlock) {
    out.set(MappingType.hole, fileBlock, (found?.fileBlock ?? MAX_FILE_BLOCKS) - fileBlock, 0);
    return;
  }
  const into = fileBlock - found.fileBlock;
  const type = found.unwritten ? MappingType.unwritten : MappingType.mapped;
  out.set(type, fileBlock, found.length - into, found.block + into);
}

/** The whole image in memory. */
export function loadVolume(image: string): { volume: Volume; bytes: Uint8Array } {
  const bytes = new Uint8Array(readFileSync(image));
  return { volume: openVolume(new MemoryDevice(bytes)), bytes };
}

export function inodeNumber(image: string, path: string): number {
  const match = /Inode: (\d+)/.exec(run("debugfs", "-R", `stat ${path}`, image));
  if (match === null) throw new Error(`debugfs has no ${path}`);
  return Number(match[1]);
}

export function inodeAt(volume: Volume, image: string, path: string): Inode {
  return readInode(volume, inodeNumber(image, path));
}

/** Reproducible numbers (mulberry32). */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}
