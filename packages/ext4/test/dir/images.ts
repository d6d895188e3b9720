import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MemoryDevice } from "../../src/device/memory.js";
import { readDirectory } from "../../src/dir/directory.js";
import type { Inode } from "../../src/inode/inode.js";
import { readInode } from "../../src/inode/inode-table.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import type { Volume } from "../../src/volume.js";
import { withMount } from "../images.js";

/** Why a test with these needs cannot run here, or false. */
export function skipWithout(...needs: ("root" | "loop" | "mke2fs" | "debugfs" | "python3" | "e2fsck" | "perl")[]) {
  for (const need of needs) {
    if (need === "root") {
      if (process.getuid?.() !== 0) return "mounting an image takes root";
    } else if (need === "loop") {
      if (!fs.existsSync("/dev/loop-control")) return "there are no loop devices";
    } else if (spawnSync("sh", ["-c", `command -v ${need}`]).status !== 0) return `${need} is not installed`;
  }
  return false;
}

/** A folder for the images of a test file; the caller removes it. */
export function makeFolder(): string {
  return fs.mkdtempSync(join(tmpdir(), "bulkhead-dir-"));
}

/** Runs a command that has to succeed and returns what it prints, a byte a character. */
export function run(command: string, args: readonly string[], input?: string): string {
  const options = { encoding: "latin1", timeout: 120_000, maxBuffer: 2 ** 28, input: input ?? "" } as const;
  const result = spawnSync(command, args, options);
  if (result.status !== 0) {
    throw new Error(`${command} ${args.join(" ").slice(0, 500)}: ${result.status ?? result.signal}: ${result.stderr}`);
  }
  return result.stdout;
}

export function mke2fs(image: string, mebibytes: number, ...options: readonly string[]): string {
  fs.rmSync(image, { force: true });
  run("mke2fs", ["-q", "-F", "-t", "ext4", ...options, image, `${mebibytes}m`]);
  return image;
}

/** Runs debugfs commands, one a line, on an image (or none). */
export function debugfs(image: string | undefined, commands: readonly string[]): string {
  const file = join(fs.mkdtempSync(join(tmpdir(), "bulkhead-debugfs-")), "commands");
  try {
    fs.writeFileSync(file, `${commands.join("\n")}\n`, "latin1");
    return run("debugfs", ["-w", "-f", file, ...(image === undefined ? [] : [image])]);
  } finally {
    fs.rmSync(join(file, ".."), { recursive: true, force: true });
  }
}

/** Mounts an image with the kernel's ext4 and runs a Python program with the mount point as its first argument. */
export function inKernelMount(image: string, program: string, ...args: readonly string[]): string {
  const mountPoint = fs.mkdtempSync(join(tmpdir(), "bulkhead-mount-"));
  return withMount(image, mountPoint, "rw", (root) => run("python3", ["-c", program, root, ...args]));
}

/** The volume of an image, all of it in memory: what a test changes there does not reach the file. */
export function openImage(image: string): Volume & { readonly device: MemoryDevice } {
  const device = new MemoryDevice(fs.readFileSync(image));
  return { ...openVolume(device), device };
}

export interface Listed {
  /** A byte a character. */
  readonly name: string;
  readonly ino: number;
  readonly type: number;
}

/** A listing that starts anew, from the cookie reached, after every `perCall` entries. `between` runs before each restart. */
export function list(volume: Volume, dir: Inode, perCall = Number.POSITIVE_INFINITY, between?: (n: number) => void) {
  const listed: Listed[] = [];
  let high = 0;
  let low = 0;
  for (;;) {
    let taken = 0;
    readDirectory(volume, dir, high, low, (ino, type, bytes, start, length, nextHigh, nextLow) => {
      if (taken === perCall) return false;
      taken++;
      listed.push({ name: Buffer.from(bytes.subarray(start, start + length)).toString("latin1"), ino, type });
      if (!(nextHigh <= 0x7fff_ffff && (nextHigh > high || (nextHigh === high && nextLow > low)))) {
        throw new Error(`cookie ${nextHigh}:${nextLow} after ${high}:${low}`);
      }
      high = nextHigh;
      low = nextLow;
      return true;
    });
    if (taken < perCall) return listed;
    between?.(listed.length);
  }
}

/** The directory at a path of names, from the root. */
export function directoryAt(volume: Volume, ino = 2): Inode {
  return readInode(volume, ino);
}

export function bytesOf(name: string): Uint8Array {
  return new Uint8Array(Buffer.from(name, "latin1"));
}

/** Random numbers with a seed (xorshift32): `next(n)` is 0 to n-1. */
export function seededRandom(seed: number): (below: number) => number {
  let state = seed || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
