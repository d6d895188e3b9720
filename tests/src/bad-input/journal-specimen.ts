/** Small images whose journal needs recovery, written by debugfs. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { debugfs } from "../images/build.js";
import { run } from "../system/process.js";
import { withScratch } from "../system/scratch.js";

const BLOCK = 1024;
/** Blocks that the log writes: two of the inode table, one that it revokes. */
const TABLE = 2;

/**
 * An image of 3 MiB with a journal of three transactions: garbage, the same blocks as they are, a revoke record. Replayed, it
 * is what it was.
 *
 * @param checksums whether the journal's blocks have checksums (version 3)
 */
export function makeJournalSpecimen(checksums: boolean): Uint8Array {
  return withScratch("specimen", (directory) => {
    const image = join(directory, "image");
    const root = join(directory, "root");
    execFileSync("sh", [
      "-ec",
      `mkdir -p '${root}/sub'; for n in 1 2 3; do echo $n > '${root}'/sub/$n; done; ln -s 1 '${root}'/sub/link`,
    ]);
    const features = `none,has_journal,extents,filetype,ext_attr,flex_bg,sparse_super,extra_isize${checksums ? ",metadata_csum,64bit" : ""}`;
    const options = ["-q", "-F", "-t", "ext4", "-b", String(BLOCK), "-N", "64", "-I", "256", "-J", "size=1"];
    run("mke2fs", [...options, "-O", features, "-d", root, image, "3M"]);
    const bytes = readFileSync(image);
    const table = bytes.readUInt32LE((1 + 1) * BLOCK + 8);
    const blocks = [table, table + 1];
    writeFileSync(`${image}.garbage`, Buffer.alloc((TABLE + 1) * BLOCK, 0xa5));
    writeFileSync(`${image}.right`, bytes.subarray(table * BLOCK, (table + TABLE) * BLOCK));
    const unused = bytes.length / BLOCK - 2;
    debugfs(image, 0, [
      `journal_open ${checksums ? "-c -v 3" : ""}`,
      `journal_write -b ${[...blocks, unused].join(",")} ${image}.garbage`,
      `journal_write -b ${blocks.join(",")} ${image}.right`,
      `journal_write -r ${unused}`,
      "journal_close",
    ]);
    return new Uint8Array(readFileSync(image));
  });
}
