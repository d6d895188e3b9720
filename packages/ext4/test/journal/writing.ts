/** What tests of the writing journal share: a mount, files with contents, and what a file system holds. */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import type { BlockDevice } from "../../src/device/device.js";
import { FileDevice } from "../../src/device/file.js";
import { MemoryDevice } from "../../src/device/memory.js";
import { FileSystem, type MountOptions } from "../../src/filesystem.js";
import type { Inode } from "../../src/inode/inode.js";
import type { IomapMapping } from "../../src/iomap/begin.js";
import { Ext4 } from "../../src/library/ext4.js";
import { TestEnvironment } from "../images.js";

const OP_WRITE = 1;

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Mounts a device for writing, in a world whose clock only the test moves: nothing is committed but by request or for room. */
export function mountForWriting(
  device: BlockDevice,
  options: MountOptions = {},
  environment: TestEnvironment = new TestEnvironment(),
): FileSystem {
  return FileSystem.mount(device, { wait: () => {}, ...options, writable: true }, environment);
}

/** Mounts an image file for writing while `work` runs, and unmounts it. */
export function withWritable<T>(image: string, work: (fs: FileSystem) => T, options: MountOptions = {}): T {
  const mounted = mountForWriting(openForWriting(image), options);
  try {
    const result = work(mounted);
    mounted.unmount();
    return result;
  } finally {
    mounted.close();
  }
}

export function openForWriting(image: string): FileDevice {
  return new FileDevice(fs, fs.openSync(image, "r+"), { readOnly: false });
}

/** Makes a regular file with contents, which go straight to the device. */
export function writeFile(mounted: FileSystem, dir: Inode, name: string, contents: Uint8Array): Inode {
  const inode = mounted.create(dir, bytesOf(name), { mode: 0o100644, uid: 0, gid: 0 });
  overwrite(mounted, inode, contents);
  return inode;
}

/** Writes `contents` from the start of a file on, as a host does. */
export function overwrite(mounted: FileSystem, inode: Inode, contents: Uint8Array): void {
  const { blockSize } = mounted.geometry;
  const mapping: IomapMapping = { type: 0, flags: 0, offset: 0, length: 0, addr: 0, dev: 0 };
  const padded = new Uint8Array(Math.ceil(contents.length / blockSize) * blockSize);
  padded.set(contents);
  for (let pos = 0; pos < contents.length; ) {
    mounted.iomapBegin(inode, pos, contents.length - pos, OP_WRITE, mapping);
    const count = Math.min(contents.length, mapping.offset + mapping.length) - pos;
    const whole = Math.ceil(count / blockSize) * blockSize;
    let written = 0;
    try {
      mounted.device.write(mapping.addr + pos - mapping.offset, padded.subarray(pos, pos + whole));
      written = count;
    } finally {
      mounted.iomapEnd(inode, pos, count, written, OP_WRITE, mapping);
    }
    pos += count;
  }
}

/** Removes a file, and deletes it, as nobody has it open. */
export function remove(mounted: FileSystem, dir: Inode, name: string): void {
  const ino = mounted.lookup(dir, bytesOf(name));
  mounted.unlink(dir, bytesOf(name));
  mounted.release(ino);
}

/** Everything that a file system holds, as lines that can be compared: paths, kinds, sizes, hashes of contents. */
export function contentsOf(device: BlockDevice, options: MountOptions = {}): string[] {
  const ext4 = Ext4.open(device, options, new TestEnvironment());
  const lines: string[] = [];
  const walk = (path: string): void => {
    for (const entry of ext4.readDirectory(path)) {
      const below = `${path === "/" ? "" : path}/${entry.name}`;
      if (below === "/lost+found") continue;
      const { kind } = entry;
      if (kind === "file") lines.push(`${below} ${hash(ext4.readFile(below))}`);
      else if (kind === "symlink") lines.push(`${below} -> ${hash(ext4.readLinkBytes(below))}`);
      else lines.push(`${below} ${kind}`);
      if (kind === "directory") walk(below);
    }
  };
  walk("/");
  ext4.close();
  return lines.sort();
}

/** The same of a directory that the kernel shows. */
export function contentsOfMount(root: string): string[] {
  const lines: string[] = [];
  const walk = (path: string): void => {
    for (const entry of fs.readdirSync(`${root}${path}`, { withFileTypes: true })) {
      const below = `${path}/${entry.name}`;
      if (below === "/lost+found") continue;
      if (entry.isFile()) lines.push(`${below} ${hash(fs.readFileSync(root + below))}`);
      else if (entry.isSymbolicLink()) lines.push(`${below} -> ${hash(fs.readlinkSync(root + below, "buffer"))}`);
      else lines.push(`${below} directory`);
      if (entry.isDirectory()) walk(below);
    }
  };
  walk("");
  return lines.sort();
}

export function hash(bytes: Uint8Array): string {
  return `${bytes.length} ${createHash("sha256").update(bytes).digest("hex").slice(0, 16)}`;
}

export function memoryOf(image: string): MemoryDevice {
  return new MemoryDevice(new Uint8Array(fs.readFileSync(image)));
}
