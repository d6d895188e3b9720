// Oracles: e2fsck, debugfs, and the kernel, which gives inodes of older kernels the fields of new ones when it changes them.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, describe, it } from "node:test";
import type { FileSystem } from "../../src/filesystem.js";
import type { Inode } from "../../src/inode/inode.js";
import { ImageDirectory, missingLoopMount, run } from "../images.js";
import { bytesOf, withWritable } from "../journal/writing.js";
import { checkImage } from "../writable.js";

const images = new ImageDirectory();
after(() => images.remove());

/** Of ext3's inodes of 256 bytes; of those before Linux 4.5. */
const SIZES = [4, 28];
const SECONDS = 3_000_000_000;
const NANOSECONDS = 123_456_789;

/** Files whose inodes have so small extra parts: without an attribute, with one, and with one that leaves no room. */
function makeOldFiles(options: readonly string[]): string {
  const image = images.make("image", "16M", ["-t", "ext4", ...options]);
  const requests = SIZES.flatMap((size) =>
    Object.entries({ plain: 0, labelled: 20, full: 256 - 128 - size - 4 - 4 - 24 }).flatMap(([name, length]) => [
      `write /dev/null ${name}${size}`,
      `set_inode_field ${name}${size} extra_isize ${size}`,
      ...(length === 0 ? [] : [`ea_set ${name}${size} user.label ${"v".repeat(length)}`]),
    ]),
  );
  const script = images.file("requests");
  fs.writeFileSync(script, requests.join("\n"));
  run("debugfs", ["-w", "-f", script, image]);
  checkImage(image);
  return image;
}

function file(mounted: FileSystem, name: string): Inode {
  return mounted.inode(mounted.lookup(mounted.root, bytesOf(name)));
}

function extraSize(image: string, name: string): number {
  return Number(/Size of extra inode fields: (\d+)/.exec(run("debugfs", ["-R", `stat ${name}`, image]))?.[1]);
}

function timesOf(root: string): string[] {
  return fs
    .readdirSync(root)
    .filter((name) => !name.startsWith("full"))
    .map((name) => `${name} ${fs.statSync(`${root}/${name}`, { bigint: true }).mtimeNs}`);
}

describe("an inode of an older kernel", { skip: missingLoopMount() ?? false }, () => {
  for (const features of ["metadata_csum", "^metadata_csum", "fast_commit"]) {
    it(`gets the fields of a new one when it is changed, as by the kernel: ${features}`, () => {
      const image = makeOldFiles(["-O", features]);
      const kernels = images.file("kernels");
      fs.copyFileSync(image, kernels);
      const names = SIZES.flatMap((size) => [`plain${size}`, `labelled${size}`]);
      images.mounted(kernels, "rw", (root) => {
        // Node's own times have no nanoseconds.
        for (const name of names) run("touch", ["-d", `@${SECONDS}.${NANOSECONDS}`, `${root}/${name}`]);
      });
      withWritable(image, (mounted) => {
        for (const name of names) {
          const inode = file(mounted, name);
          mounted.setAttributes(inode, { mtime: SECONDS, mtimeNanoseconds: NANOSECONDS });
          mounted.fsync(inode);
        }
      });
      checkImage(image);
      let expected: string[] = [];
      images.mounted(kernels, "ro", (root) => {
        expected = timesOf(root);
      });
      assert.ok(expected.includes(`labelled4 ${SECONDS}${NANOSECONDS}`), expected.join());
      images.mounted(image, "ro", (root) => {
        assert.deepEqual(timesOf(root), expected);
        for (const size of SIZES) {
          assert.match(run("getfattr", ["-d", `${root}/labelled${size}`]), /user\.label="v{20}"/);
          assert.match(run("getfattr", ["-d", `${root}/full${size}`]), /user\.label="v+"/);
        }
      });
      for (const name of names) assert.equal(extraSize(image, name), extraSize(kernels, name), name);
    });
  }

  it("takes a project then", () => {
    const image = makeOldFiles([]);
    run("tune2fs", ["-O", "project,quota", image]);
    withWritable(image, (mounted) => {
      for (const size of SIZES) {
        mounted.setProject(file(mounted, `plain${size}`), 7);
        mounted.setProject(file(mounted, `labelled${size}`), 7);
      }
      const full = file(mounted, "full28");
      assert.throws(() => mounted.setProject(full, 7), { code: "EOPNOTSUPP" });
      assert.equal(full.projectId, 0);
      mounted.setAttributes(full, { mode: 0o100600 });
    });
    checkImage(image);
    for (const size of SIZES) assert.match(run("debugfs", ["-R", `stat labelled${size}`, image]), /Project: +7/);
  });

  it("stays as it is where its attributes leave no room, or the change is undone, and shows what it can hold", () => {
    const image = makeOldFiles([]);
    withWritable(image, (mounted) => {
      const full = file(mounted, "full4");
      mounted.setAttributes(full, { mtime: 1_000_000_000, mtimeNanoseconds: NANOSECONDS });
      assert.equal(full.mtimeNanoseconds, 0);
      const labelled = file(mounted, "labelled4");
      assert.throws(() => mounted.setXattr(labelled, "user.big", new Uint8Array(60_000)), /no room/);
      assert.equal(labelled.extraSize, 4);
      assert.equal(labelled.hasCrtime, false);
      assert.equal(mounted.getXattr(labelled, "user.label")?.length, 20);
    });
    checkImage(image);
    assert.equal(extraSize(image, "full4"), 4);
    assert.equal(extraSize(image, "labelled4"), 4);
  });
});
