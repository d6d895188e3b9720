/** The kernel's own ext4 on an image file, through a loop device that clears itself on unmount. */
import { run } from "./process.js";
import { removeScratch, scratchDirectory, withScratch } from "./scratch.js";

export interface LoopOptions {
  /** Options of mount(8), beside `loop`. */
  readonly options?: readonly string[];
  /** Byte offset of the filesystem in the image file. */
  readonly offset?: number;
}

/**
 * Mounts `image` at `directory`; throws what mount(8) said when the kernel refuses it. A loop device of its own each time:
 * mount's own `-o loop` would take a read-only one over from a mount of the same file that is just going away.
 */
export function mountLoop(image: string, directory: string, options: LoopOptions = {}): void {
  const given = options.options ?? [];
  const readOnly = given.includes("ro") ? ["--read-only"] : [];
  const offset = ["--offset", String(options.offset ?? 0)];
  const device = run("losetup", ["--find", "--show", ...readOnly, ...offset, image])
    .stdout.toString("latin1")
    .trim();
  try {
    run("mount", ["-t", "ext4", ...(given.length === 0 ? [] : ["-o", given.join(",")]), device, directory]);
  } finally {
    run("losetup", ["--detach", device]); // while it is mounted, this means: when it no longer is
  }
}

/** Unmounts `directory`, lazily when it is busy, so that nothing of a failed test stays behind. */
export function unmount(directory: string): void {
  const result = run("umount", [directory], { accept: [1, 32] });
  if (result.code !== 0) run("umount", ["-l", directory], { accept: [1, 32] });
}

/** Mounts `image`, hands the mount point to `work`, and unmounts it whatever happens. */
export function withLoopMount<T>(image: string, options: LoopOptions, work: (mountPoint: string) => T): T {
  return withScratch("mount", (directory) => {
    mountLoop(image, directory, options);
    try {
      return work(directory);
    } finally {
      unmount(directory);
    }
  });
}

/** `withLoopMount` for work that is asynchronous. */
export async function withLoopMountAsync<T>(
  image: string,
  options: LoopOptions,
  work: (mountPoint: string) => Promise<T>,
): Promise<T> {
  const directory = scratchDirectory("mount");
  try {
    mountLoop(image, directory, options);
    try {
      return await work(directory);
    } finally {
      unmount(directory);
    }
  } finally {
    removeScratch(directory);
  }
}

/** Whether this kernel mounts the image; the reason of a refusal is mount(8)'s. */
export function kernelMounts(image: string, options: LoopOptions = {}): boolean {
  const probe = { ...options, options: [...(options.options ?? []), "ro", "noload"] };
  try {
    return withLoopMount(image, probe, () => true);
  } catch {
    return false;
  }
}
