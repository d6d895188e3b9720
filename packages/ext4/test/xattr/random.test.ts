// Oracles: a Map, e2fsck, and the kernel's ext4 on a loop mount, asked with listxattr and getxattr (by Python).
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { FileSystemError } from "../../src/errors.js";
import type { Handle } from "../../src/journal/handle.js";
import { transact } from "../../src/journal/transactions.js";
import { removeAllXattrs } from "../../src/xattr/remove-all.js";
import { removeXattr, setXattr, XATTR_CREATE, XATTR_CREDITS, XATTR_REPLACE } from "../../src/xattr/set-xattr.js";
import { ImageDirectory, missingLoopMount, missingTool } from "../images.js";
import { changeImage } from "../writable.js";
import {
  type Attributes,
  askKernel,
  attributesOf,
  bytes,
  FILES,
  imageWithFiles,
  inodeOf,
  randomNumbers,
  sorted,
} from "./changes.js";

const variants: [name: string, size: string, options: string[]][] = [
  ["4 KiB blocks", "8M", ["-b", "4096"]],
  ["1 KiB blocks, inodes of 128 bytes", "8M", ["-b", "1024", "-I", "128"]],
  ["1 KiB blocks, inodes of 1 KiB", "8M", ["-b", "1024", "-I", "1024"]],
  ["4 KiB blocks, ea_inode", "16M", ["-b", "4096", "-O", "ea_inode"]],
  ["1 KiB blocks, ea_inode, no checksums", "16M", ["-b", "1024", "-O", "ea_inode,^metadata_csum"]],
  ["64 KiB blocks", "64M", ["-b", "65536", "-O", "^has_journal"]],
  ["ext3", "8M", ["-b", "1024", "-O", "^extents,^64bit,^metadata_csum,^flex_bg"]],
  ["bigalloc, ea_inode", "64M", ["-b", "4096", "-O", "bigalloc,ea_inode", "-C", "16384"]],
  ["bigalloc, quota, ea_inode", "64M", ["-b", "1024", "-O", "bigalloc,ea_inode,quota", "-C", "16384"]],
  ["quota, project, ea_inode", "16M", ["-b", "1024", "-O", "quota,project,ea_inode"]],
];

const SEED = 0x5eed;
const STEPS = 300;

/** Thrown to have a step undone. */
class Undone extends Error {}

describe("attributes that are set and removed at random", { skip: missingTool("mke2fs", "e2fsck") ?? false }, () => {
  const images = new ImageDirectory();
  after(() => images.remove());
  let kernel = false;
  before(() => {
    kernel = (missingLoopMount() ?? missingTool("python3")) === undefined;
  });

  for (const [at, [title, size, options]] of variants.entries()) {
    it(`are those of a Map: ${title}`, (context) => {
      const image = imageWithFiles(images, `${at}.img`, size, options);
      const random = randomNumbers(SEED + at);
      const model: Attributes[] = Array.from({ length: FILES }, () => new Map<string, string>());
      changeImage(image, (volume) => {
        for (let step = 0; step < STEPS; step++) {
          const where = `step ${step} of seed ${SEED + at}`;
          const n = random(FILES);
          const inode = inodeOf(volume, `f${n}`);
          const expected = model[n]!;
          const { change, after: next, error } = randomChange(random, expected, volume.features.eaInode);
          const apply = (handle: Handle) => change(handle, inode);

          assert.throws(
            () =>
              transact(volume, XATTR_CREDITS, (handle) => {
                apply(handle);
                throw new Undone();
              }),
            (thrown) => thrown instanceof Undone || codeOf(thrown) === error || codeOf(thrown) === "ENOSPC",
          );
          assert.deepEqual(sorted(attributesOf(volume, inode)), sorted(expected), `undone: ${where}`);

          let code: string | undefined;
          try {
            transact(volume, XATTR_CREDITS, apply);
          } catch (thrown) {
            code = codeOf(thrown);
            if (code === undefined) throw new Error(where, { cause: thrown });
          }
          if (code === "ENOSPC" && error === undefined) {
            assert.deepEqual(sorted(attributesOf(volume, inode)), sorted(expected), `without room: ${where}`);
          } else {
            assert.equal(code, error, where);
            if (code === undefined) model[n] = next;
            assert.deepEqual(sorted(attributesOf(volume, inode)), sorted(model[n]!), where);
          }
          if (step % 50 === 49) volume.transactions.commit();
        }
      });
      if (kernel && images.kernelAccepts(image)) {
        const answer = askKernel(images, image);
        for (let n = 0; n < FILES; n++) {
          assert.deepEqual(sorted(answer.get(`f${n}`)!.attributes), sorted(model[n]!), `f${n} as the kernel sees it`);
        }
      } else context.diagnostic("the kernel cannot be asked here");
      changeImage(image, (volume) => {
        for (let n = 0; n < FILES; n++) {
          const inode = inodeOf(volume, `f${n}`);
          transact(volume, XATTR_CREDITS, (handle) => removeAllXattrs(handle, inode));
          assert.equal(inode.blocks, 0, "blocks of a file without attributes");
          assert.equal(inode.fileAcl, 0);
        }
      });
    });
  }
});

function codeOf(error: unknown): string | undefined {
  return error instanceof FileSystemError ? error.code : undefined;
}

interface Change {
  readonly change: (handle: Handle, inode: Parameters<typeof setXattr>[1]) => void;
  readonly after: Attributes;
  readonly error: string | undefined;
}

const PREFIXES = ["user.", "trusted.", "security.", "user.long-enough-to-matter-"];

/** Few names, so that they meet again, and few values, so that blocks and value inodes are shared. */
function randomChange(random: (bound: number) => number, now: Attributes, eaInode: boolean): Change {
  const name = PREFIXES[random(PREFIXES.length)]! + ["a", "bb", "c\xe9\xff"][random(3)]!;
  const has = now.has(name);
  if (random(4) === 0) {
    const after = new Map(now);
    after.delete(name);
    return { change: (handle, inode) => removeXattr(handle, inode, name), after, error: has ? undefined : "ENODATA" };
  }
  const sizes = eaInode ? [0, 3, 40, 300, 900, 5000, 20_000] : [0, 1, 3, 17, 40, 150, 300, 900];
  const size = sizes[random(sizes.length)]!;
  const value = String.fromCharCode(97 + random(2)).repeat(size);
  const flags = random(6) === 0 ? [XATTR_CREATE, XATTR_REPLACE][random(2)]! : 0;
  return {
    change: (handle, inode) => setXattr(handle, inode, name, bytes(value), flags),
    after: new Map(now).set(name, value),
    error: flags === XATTR_CREATE && has ? "EEXIST" : flags === XATTR_REPLACE && !has ? "ENODATA" : undefined,
  };
}
