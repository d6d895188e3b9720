/** The truth about an image of the zoo: the kernel's walk wherever the kernel can be brought to walk it. */
import { rmSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { type BuiltImage, debugfs, sourcePath } from "../images/build.js";
import { runApart } from "../system/apart.js";
import { run } from "../system/process.js";
import { debugfsTruth } from "./debugfs.js";
import type { LibraryOptions } from "./library.js";
import { readWalk, type Walk } from "./record.js";

const WALK = fileURLToPath(new URL("./main.js", import.meta.url));
const WALK_TIMEOUT = 60_000;

export interface KernelOptions {
  readonly offset?: number;
  /** Options of the mount beside `ro` and `loop`. */
  readonly options?: readonly string[];
}

/** The kernel's walk of a read-only loop mount, in a process and a mount namespace of its own. */
export async function kernelWalk(image: string, options: KernelOptions = {}): Promise<Walk> {
  const out = `${image}.kernel-walk`;
  const args = ["kernel", image, String(options.offset ?? 0), (options.options ?? []).join(","), out];
  return readAndRemove(runApart(WALK, args, WALK_TIMEOUT), out);
}

/** The walk of an image that our own command serves, in a process group of its own, killed when the mount hangs. */
export async function servedWalk(image: string, options: KernelOptions = {}): Promise<Walk> {
  const out = `${image}.served-walk`;
  const args = ["served", image, String(options.offset ?? 0), (options.options ?? []).join(","), out];
  return readAndRemove(runApart(WALK, args, WALK_TIMEOUT), out);
}

/** The library's walk, in a process of its own, killed when it does not end. */
export async function libraryWalk(image: string, options: LibraryOptions = {}): Promise<Walk> {
  const out = `${image}.library-walk`;
  return readAndRemove(runApart(WALK, ["library", image, JSON.stringify(options), out], WALK_TIMEOUT), out);
}

async function readAndRemove(finished: Promise<void>, out: string): Promise<Walk> {
  try {
    await finished;
    return await readWalk(out);
  } finally {
    rmSync(out, { force: true });
  }
}

/**
 * What a walk of `image` must equal. Where it has a feature that this kernel refuses, the kernel walks a copy without
 * that feature's flag: everything else in it is the same. Where it cannot be mounted at all, debugfs tells.
 */
export async function truthOf(image: BuiltImage): Promise<Walk> {
  if (!image.mountable) {
    const source = sourcePath(dirname(image.path), image.name);
    return debugfsTruth(image.path, image.offset, await kernelWalk(source));
  }
  if (image.truth.length === 0) return kernelWalk(image.path, { offset: image.offset });
  const copy = `${image.path}.truth`;
  try {
    copySparse(image.path, copy);
    debugfs(copy, image.offset, image.truth);
    if (image.rehashed) run("e2fsck", ["-fyD", copy], { accept: [1] });
    return await kernelWalk(copy, { offset: image.offset });
  } finally {
    rmSync(copy, { force: true });
  }
}

/** Copies an image, holes as holes. */
export function copySparse(from: string, to: string): void {
  run("cp", ["--sparse=always", from, to]);
}
