/** Puts the difference of two images into the journal of the first, through debugfs's journal_write. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { debugfs } from "../images/build.js";
import { run } from "../system/process.js";

/**
 * Makes `path` an image whose replay gives `after`'s contents, block 0 aside. Four transactions: the first writes
 * garbage to what the second writes rightly, and to a block that the third revokes; the fourth has no commit block.
 */
export function writeJournal(path: string, after: string, journalOpen: string): void {
  const blockSize = Number(/^Block size:\s+(\d+)/m.exec(run("dumpe2fs", ["-h", path]).stdout.toString("latin1"))?.[1]);
  const old = readFileSync(path);
  const wanted = readFileSync(after);
  const journal = new Set(blocksOf(path, "<8>"));
  const changed: number[] = [];
  for (let block = 1024 / blockSize + 1; (block + 1) * blockSize <= old.length; block++) {
    const at = Math.floor(block) * blockSize;
    if (journal.has(at / blockSize)) continue;
    if (!old.subarray(at, at + blockSize).equals(wanted.subarray(at, at + blockSize))) changed.push(at / blockSize);
  }
  const revoked = blocksOf(path, "/settled/fragmented").find((block) => !changed.includes(block));
  if (revoked === undefined) throw new Error("the workload left no block of the fragmented file alone");
  const first = changed.slice(0, Math.ceil(changed.length / 2));
  const garbage = Buffer.alloc(Math.max(first.length + 1, changed.length) * blockSize, 0xa5);
  const right = Buffer.concat(changed.map((block) => wanted.subarray(block * blockSize, (block + 1) * blockSize)));
  const files = { garbage: `${path}.garbage`, right: `${path}.right` };
  try {
    writeFileSync(files.garbage, garbage);
    writeFileSync(files.right, right);
    debugfs(path, 0, [
      `journal_open ${journalOpen}`,
      `journal_write -b ${[...first, revoked].join(",")} ${files.garbage}`,
      `journal_write -b ${changed.join(",")} ${files.right}`,
      `journal_write -r ${revoked}`,
      `journal_write -c -b ${changed.join(",")} ${files.garbage}`,
      "journal_close",
    ]);
  } finally {
    for (const file of Object.values(files)) rmSync(file, { force: true });
  }
}

/** Every block of an inode, its tree's own included. */
function blocksOf(path: string, inode: string): number[] {
  const listed = debugfs(path, 0, [`blocks ${inode}`], false).toString("latin1");
  return [...listed.replace(/^debugfs:.*$/gm, "").matchAll(/\d+/g)].map((match) => Number(match[0]));
}
