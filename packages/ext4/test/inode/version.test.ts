// Oracles: debugfs, e2fsck.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { ImageDirectory, missingTool, run } from "../images.js";
import { bytesOf, overwrite, withWritable } from "../journal/writing.js";
import { checkImage } from "../writable.js";

const images = new ImageDirectory();
after(() => images.remove());

function versionOf(image: string, path: string): bigint {
  const [, high, low] = /Version: 0x(\w+)(?::(\w+))?/.exec(run("debugfs", ["-R", `stat ${path}`, image]))!;
  return BigInt(`0x${high}${low ?? ""}`);
}

describe("i_version", { skip: missingTool("mke2fs", "debugfs", "e2fsck") ?? false }, () => {
  for (const inodeSize of [128, 256]) {
    it(`grows with each change, also beyond 32 bits where there is room: ${inodeSize}`, () => {
      const image = images.make("image", "16M", ["-t", "ext4", "-I", `${inodeSize}`, "-O", "^metadata_csum"]);
      run("debugfs", ["-w", "-R", "write /dev/null file", image]);
      const seen: bigint[][] = [];
      const see = () => void seen.push(["/", "file"].map((path) => versionOf(image, path)));
      const change = (name: string) =>
        withWritable(image, (mounted) => {
          const file = mounted.inode(mounted.lookup(mounted.root, bytesOf("file")));
          mounted.link(file, mounted.root, bytesOf(name));
          overwrite(mounted, file, bytesOf(name));
          mounted.setAttributes(file, { mode: 0o600 });
        });
      see();
      change("first");
      see();
      run("debugfs", ["-w", "-R", "set_inode_field file version 0xffffffff", image]);
      change("second");
      checkImage(image);
      see();
      const [before, between, end] = seen.map(([root, file]) => ({ root: root!, file: file! }));
      assert.ok(before!.root < between!.root && between!.root < end!.root, String(seen));
      assert.ok(before!.file < between!.file, String(seen));
      assert.equal(end!.file >> 32n, inodeSize === 128 ? 0n : 1n);
      assert.ok((end!.file & 0xffff_ffffn) < 10n, String(seen));
    });
  }
});
