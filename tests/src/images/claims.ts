/** What each image of the zoo is there for: the structures that the walks are meant to meet. Oracle: debugfs and dumpe2fs. */
import assert from "node:assert/strict";
import { run } from "../system/process.js";
import { type BuiltImage, debugfs } from "./build.js";

/** Requests to debugfs about an image, and what the answer must show. */
export const CLAIMS: readonly (readonly [variant: string, claim: string, request: string, shows: RegExp])[] = [
  ["ext4-4k", "an extent tree of depth 2", "dump_extents /fragmented/alternate", /^ *\d+\/ *2 /m],
  ["deep-extents", "an extent tree of depth 3", "dump_extents /fragmented/alternate", /^ *\d+\/ *3 /m],
  ["ext4-4k", "unwritten extents", "dump_extents /unwritten/written-inside", /Uninit/],
  ["ext4-4k", "an htree of one level of nodes", "htree_dump /many", /Indirect levels: 1/],
  ["ext4-1k", "an htree of two levels of nodes", "htree_dump /many", /Indirect levels: 2/],
  ["hash-legacy", "the legacy hash", "htree_dump /many", /Hash Version: 0/],
  ["hash-tea-unsigned", "the TEA hash", "htree_dump /many", /Hash Version: 2/],
  ["no-dir-index", "no index", "stat /many", /Flags: 0x80000$/m],
  ["ext2-1k", "triple indirect blocks", "stat /sparse/triple", /\(TIND\)/],
  ["ext2-1k", "double indirect blocks", "stat /fragmented/alternate", /\(DIND\)/],
  ["inline-data", "inline files", "stat /inline/i60", /Flags: 0x10000000/],
  ["inline-data", "inline files that need the second part", "ea_list /inline/i120", /system\.data/],
  ["inline-data", "inline directories", "stat /small/d03", /Flags: 0x10000000/],
  ["inline-data", "directories that outgrew their inode", "stat /small/d24", /Flags: 0x80000/],
  ["ea-inode", "values in inodes of their own", "ea_list /xattrs/value-65536", /65536/],
  ["no-extents", "files mapped by blocks", "stat /sizes/s4097", /\(0\)|BLOCKS/],
  ["ext4-4k", "a file mapped by blocks among extents", "stat /flags/no-extents", /\(IND\)/],
  ["quota-project", "a project", "stat /flags/project", /Project: +123456/],
  ["verity", "the flag of verity", "stat /verity/big", /Flags: 0x180000/],
  ["casefold", "the flag of folding", "stat /folded", /Flags: 0x40080000/],
  ["encrypt", "the flag of encryption", "stat /encrypted", /Flags: 0x80800/],
  ["beyond-16t", "block numbers beyond 32 bits", "stat /far-2/file", /\(0-24\):4[3-9]\d{8}/],
  ["beyond-16t", "an inode beyond 32 bits of blocks", "imap /far-2/file", /located at block 4[3-9]\d{8}/],
];

/** @throws AssertionError when an image lacks what it is there for, or the kernel refused a step of its fill that it must not */
export function assertClaims(image: BuiltImage): void {
  for (const [variant, claim, request, shows] of CLAIMS) {
    if (variant !== image.name) continue;
    const answer = debugfs(image.path, image.offset, [request], false).toString("latin1");
    assert.match(answer.slice(0, 20_000), shows, claim);
  }
  // It has every feature that the fill asks for.
  if (image.name === "ea-inode") assert.deepEqual(image.refused, {});
  if (image.name === "ext4-4k") assertDefault(image);
}

/** ext4 by default refuses only xattrs that do not fit into a block. */
function assertDefault(image: BuiltImage): void {
  const steps = Object.keys(image.refused);
  assert.ok(
    steps.every((step) => /^xattr user\.value of (4096|20000|65000|65536)$/.test(step)),
    steps.join(", "),
  );
  const header = run("dumpe2fs", ["-h", image.path]).stdout.toString("latin1");
  assert.match(header, /^Filesystem features:.*has_journal.*dir_index.*extent 64bit.*metadata_csum/m);
}
