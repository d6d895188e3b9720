// Oracle: the kernel's ext4 on a loop mount, for directories of many names.
import * as fs from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { makeFolder } from "./images.js";
import { compareWithKernel, ordinary, skip, type Variant } from "./kernel-comparison.js";

const variants: Variant[] = [
  {
    title: "4 KiB blocks, metadata_csum, 50,000 names",
    options: ["-b", "4096", "-N", "20000"],
    mebibytes: 96,
    directories: { ...ordinary, huge: [50_000, "a-file-%d"] },
    hashed: true,
  },
  {
    title: "1 KiB blocks, two levels below the root, 110,000 names",
    options: ["-b", "1024", "-N", "8000"],
    mebibytes: 64,
    directories: { ...ordinary, huge: [110_000, "%d"] },
    hashed: true,
    levels: 1,
  },
  {
    title: "large_dir, three levels of index",
    options: ["-b", "1024", "-O", "large_dir,^has_journal", "-N", "4000"],
    mebibytes: 96,
    directories: { huge: [75_000, `%d${"n".repeat(236)}`] },
    hashed: true,
    levels: 2,
  },
];

describe("big directories that the kernel wrote", { skip }, () => {
  let folder = "";
  before(() => {
    folder = makeFolder();
  });
  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  for (const [index, variant] of variants.entries()) {
    it(`are listed and searched as by the kernel: ${variant.title}`, () => {
      compareWithKernel(join(folder, `${index}.img`), variant);
    });
  }
});
