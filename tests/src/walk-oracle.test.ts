/**
 * The oracle judged first: the kernel's walk of an image equals the kernel's second walk of it, and a single change
 * made behind its back by debugfs is noticed. Oracle: Linux's ext4 on a loop device, debugfs.
 */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { withoutLoopMounts } from "./facilities.js";
import { type BuiltImage, buildImage, debugfs } from "./images/build.js";
import type { ImageVariant } from "./images/variant.js";
import { findVariant } from "./images/variants.js";
import { removeScratch, scratchDirectory } from "./system/scratch.js";
import { compareWalks } from "./walk/compare.js";
import type { Walk } from "./walk/record.js";
import { copySparse, kernelWalk } from "./walk/truth.js";

const VARIANT: ImageVariant = {
  ...findVariant("ext4-2k"),
  fill: { names: 100, extents: 50 },
};

/** A change by debugfs, and what the comparison must say of it. */
const MUTATIONS: readonly (readonly [name: string, request: string | string[], expected: RegExp])[] = [
  ["a second of mtime", "set_inode_field /types/fifo mtime @1000000001", /\/types\/fifo.*mtime/],
  ["a mode bit", "set_inode_field /types/fifo mode 010621", /\/types\/fifo.*mode/],
  ["an owner", "set_inode_field /types/fifo uid 7", /\/types\/fifo.*uid/],
  ["a size", "set_inode_field /sizes/s4097 size 4098", /\/sizes\/s4097.*size/],
  ["a link count", "set_inode_field /sizes/s4097 links_count 2", /\/sizes\/s4097.*nlink/],
  ["an xattr's value", 'ea_set /sizes/s4097 user.x "1"', /\/sizes\/s4097: xattr user\.x: none, not 31/],
  ["a removed xattr", "ea_rm /xattrs/every-namespace user.comment", /every-namespace: xattr user\.comment/],
  ["a new name", "ln /sizes/s4097 /sizes/another", /\/sizes\/another: not in the truth/],
  ["a name gone", "unlink /sizes/s4097", /\/sizes\/s4097: missing/],
  ["free blocks", ["set_block_group 0 free_blocks_count 17", "set_block_group 0 checksum calc"], /statfs/],
  ["a hole in the data", "punch /sizes/s100000 3 4", /\/sizes\/s100000.*content/],
];

describe("the kernel's walk as an oracle", { skip: withoutLoopMounts() }, () => {
  let directory = "";
  let image: BuiltImage;
  let truth: Walk;

  before(async () => {
    directory = scratchDirectory("oracle");
    image = buildImage(VARIANT, directory);
    truth = await kernelWalk(image.path);
  });
  after(() => removeScratch(directory));

  test("two walks of one image are equal", async () => {
    assert.deepEqual(compareWalks(truth, await kernelWalk(image.path)), []);
  });

  test("the walk saw every type, contents, holes, links and xattrs of every namespace", () => {
    const records = [...truth.records.values()];
    const types = new Set(records.map((record) => record.type));
    assert.deepEqual([...types].sort(), ["block", "character", "directory", "fifo", "file", "socket", "symlink"]);
    const namespaces = new Set(
      records.flatMap((record) => Object.keys(record.xattrs).map((name) => name.split(".")[0])),
    );
    assert.deepEqual([...namespaces].sort(), ["security", "system", "trusted", "user"]);
    assert.ok(records.some((record) => (record.layout?.length ?? 0) > 100));
    assert.ok(records.some((record) => record.size > 2 ** 42));
    assert.ok(records.some((record) => record.mtime.startsWith("-")));
    assert.deepEqual(
      records.filter((record) => record.error !== undefined),
      [],
    );
  });

  for (const [name, request, expected] of MUTATIONS) {
    test(`${name} changed on disk is noticed`, async () => {
      const copy = `${image.path}.mutated`;
      try {
        copySparse(image.path, copy);
        debugfs(copy, 0, [request].flat());
        const differences = compareWalks(truth, await kernelWalk(copy), { limit: 100 });
        assert.ok(
          differences.some((difference) => expected.test(difference)),
          `differences: ${differences.join("\n")}`,
        );
      } finally {
        rmSync(copy, { force: true });
      }
    });
  }
});
