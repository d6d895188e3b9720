import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { mountAndServe } from "@bulkhead/fuse";
import type { Asked, Disk, DiskOptions } from "./disk-model.js";

/** A block device as slow as a disk. */
export interface SlowDevice {
  /** Of the loop device. */
  readonly path: string;
  /** What the disk was asked for until now. */
  asked(): Asked;
  /** Takes it away, and what was written to it. */
  close(): Promise<void>;
}

/** Makes a device with an image's bytes. Nothing is written to the image. */
export async function openSlowDevice(image: string, disk: Disk): Promise<SlowDevice> {
  const mountpoint = mkdtempSync(join(tmpdir(), "bulkhead-bench-disk-"));
  const options: DiskOptions = { image, disk };
  const served = await mountAndServe({
    mountpoint,
    module: new URL("./disk-model.js", import.meta.url),
    data: options,
    mount: { subtype: "disk" },
    signals: false, // who benchmarks takes everything away first that is on it
  });
  let path: string | undefined;
  async function close(): Promise<void> {
    if (path !== undefined) spawnSync("losetup", ["--detach", path], { stdio: "inherit" });
    await served.unmount();
    rmdirSync(mountpoint);
  }
  try {
    const args = ["--find", "--show", "--direct-io=on", join(mountpoint, "disk")];
    path = execFileSync("losetup", args, { encoding: "utf8" }).trim();
    // What a disk has; a loop device takes its own from the greatest request of what it is on.
    writeFileSync(`/sys/class/block/${basename(path)}/queue/read_ahead_kb`, "128");
  } catch (error) {
    await close();
    throw error;
  }
  return { path, asked: () => JSON.parse(readFileSync(join(mountpoint, "asked"), "utf8")) as Asked, close };
}
