// Oracle: e2fsck, which counts what each user, group and project has, and compares.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { lookup } from "../../src/dir/directory.js";
import { FileSystemError } from "../../src/errors.js";
import { FileType, InodeFlag, ReservedInode } from "../../src/format/inode.js";
import { cachedInode } from "../../src/inode/cached-inode.js";
import type { Inode } from "../../src/inode/inode.js";
import { changeXattr, setAttributes, setProject } from "../../src/namespace/attributes.js";
import { create, mkdir, symlink } from "../../src/namespace/create.js";
import { resize } from "../../src/namespace/data.js";
import { FallocateMode, fallocate } from "../../src/namespace/fallocate.js";
import { rmdir, unlink } from "../../src/namespace/link.js";
import { deleteInode } from "../../src/namespace/release.js";
import type { Volume } from "../../src/volume.js";
import { ImageDirectory, missingTool } from "../images.js";
import { changeImage } from "../writable.js";
import { bytes, randomNumbers } from "../xattr/changes.js";

const OWNERS = 20;
const STEPS = 500;

describe("what owners have, through operations at random", { skip: missingTool("mke2fs", "e2fsck") ?? false }, () => {
  const images = new ImageDirectory();
  after(() => images.remove());

  for (const [at, [title, size, options]] of (
    [
      ["1 KiB blocks", "32M", ["-b", "1024", "-O", "quota,project"]],
      ["4 KiB blocks, ea_inode, inline_data", "32M", ["-b", "4096", "-O", "quota,project,ea_inode,inline_data"]],
      ["bigalloc", "64M", ["-b", "1024", "-O", "quota,bigalloc", "-C", "8192"]],
      ["block pointers", "32M", ["-b", "1024", "-O", "quota,^extents,^64bit"]],
      ["a disk that gets full", "600K", ["-b", "1024", "-N", "64", "-O", "quota,project,ea_inode,^has_journal"]],
    ] as const
  ).entries()) {
    it(`is what e2fsck counts: ${title}`, () => {
      const image = images.make(`${at}.img`, size, ["-t", "ext4", ...options]);
      const seed = 0x90 + at;
      const random = randomNumbers(seed);
      let refused = 0;
      const names = new Set<string>();
      for (let part = 0; part < 3; part++) {
        changeImage(image, (volume) => {
          for (let step = 0; step < STEPS; step++) {
            try {
              randomOperation(volume, random, names);
            } catch (error) {
              if (!(error instanceof FileSystemError))
                throw new Error(`step ${step} of seed ${seed}`, { cause: error });
              refused++;
            }
          }
        });
      }
      assert.ok(refused < 2 * STEPS, `${refused} operations were refused`);
      assert.ok(at !== 4 || refused > 50, `${refused} operations were refused`);
    });
  }
});

function randomOperation(volume: Volume, random: (bound: number) => number, names: Set<string>): void {
  const root = cachedInode(volume, ReservedInode.root);
  const owners = { uid: random(OWNERS) * 700, gid: random(OWNERS) * 90_000, mode: FileType.regular | 0o644 };
  const kind = random(12);
  if (kind < 3) {
    const name = `n${random(1000)}`;
    if (names.has(name)) return;
    if (kind === 0) mkdir(volume, root, bytes(name), owners);
    else if (kind === 1 && random(3) === 0)
      symlink(volume, root, bytes(name), bytes("t".repeat(1 + random(300))), owners);
    else create(volume, root, bytes(name), owners);
    names.add(name);
    return;
  }
  const name = [...names][random(names.size)];
  if (name === undefined) return;
  const inode = byName(volume, root, name);
  if (kind < 5) remove(volume, root, name, inode, names);
  else if (kind === 5) setAttributes(volume, inode, { uid: owners.uid });
  else if (kind === 6) setAttributes(volume, inode, { uid: owners.uid, gid: owners.gid });
  else if (kind === 7) setProject(volume, inode, random(OWNERS));
  else if (kind === 8) changeXattr(volume, inode, "trusted.x", bytes("v".repeat(random(2000))), 0);
  else if (!inode.isRegular) return;
  else if (kind === 9) resize(volume, inode, random(50_000));
  else if (inode.has(InodeFlag.extents)) {
    const mode = kind === 10 ? FallocateMode.punchHole | FallocateMode.keepSize : FallocateMode.keepSize;
    fallocate(volume, inode, mode, random(40_000), 1 + random(20_000), true);
  }
}

function byName(volume: Volume, root: Inode, name: string): Inode {
  return cachedInode(volume, lookup(volume, root, bytes(name)));
}

function remove(volume: Volume, root: Inode, name: string, inode: Inode, names: Set<string>): void {
  if (inode.isDirectory) rmdir(volume, root, bytes(name));
  else unlink(volume, root, bytes(name));
  names.delete(name);
  deleteInode(volume, inode);
}
