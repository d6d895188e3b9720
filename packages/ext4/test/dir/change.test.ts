// Oracles: a Map, e2fsck -fn (which knows the order of hashes, record lengths and checksums), the kernel's ext4 on a loop mount.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, before, describe, it } from "node:test";
import { changeImage } from "../writable.js";
import { Bench, checkWithKernel, makeImage, randomName } from "./changing.js";
import { makeFolder, seededRandom, skipWithout } from "./images.js";

interface Variant {
  readonly title: string;
  readonly options: readonly string[];
  readonly size?: string;
  /** The kernel here mounts it. */
  readonly kernel?: boolean;
}

const base = "^has_journal,^resize_inode";
const variants: Variant[] = [
  { title: "1 KiB blocks", options: ["-b", "1024", "-O", base], kernel: true },
  { title: "2 KiB blocks, no checksums", options: ["-b", "2048", "-O", `${base},^metadata_csum`], kernel: true },
  { title: "4 KiB blocks", options: ["-b", "4096", "-O", base], kernel: true },
  { title: "64 KiB blocks", options: ["-b", "65536", "-O", base], size: "32m" },
  { title: "64 KiB blocks, no checksums", options: ["-b", "65536", "-O", `${base},^metadata_csum`], size: "32m" },
  { title: "no index", options: ["-b", "1024", "-O", `${base},^dir_index`], kernel: true },
  { title: "no file types", options: ["-b", "1024", "-O", `${base},^filetype`], kernel: true },
  { title: "inline directories", options: ["-b", "1024", "-I", "256", "-O", `${base},inline_data`], kernel: true },
  {
    title: "inline, no index",
    options: ["-b", "4096", "-I", "1024", "-O", `${base},inline_data,^dir_index`],
    kernel: true,
  },
  { title: "indirect blocks", options: ["-b", "1024", "-O", `${base},^extents,^64bit`], kernel: true },
];

const skip = skipWithout("mke2fs", "e2fsck");
const skipKernel = skipWithout("root", "loop", "python3");

describe("changing directories", { skip }, () => {
  let folder = "";
  before(() => {
    folder = makeFolder();
  });
  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  for (const { title, options, size, kernel } of variants) {
    it(`agrees with a model: ${title}`, () => {
      const seed = Date.now() & 0x7fff_ffff;
      const image = makeImage(folder, "image", size ?? "16m", options);
      const model = changeImage(image, (volume) => {
        const bench = new Bench(volume);
        churn(bench, seed, 2500);
        return bench.model;
      });
      if (kernel === true && skipKernel === false) checkWithKernel(image, model);
    });
  }
});

/** Random additions, removals and replacements: mostly growing, then shrinking, then growing again. */
function churn(bench: Bench, seed: number, steps: number): void {
  const random = seededRandom(seed);
  const names = [...bench.model.keys()];
  try {
    for (let step = 0; step < steps; step++) {
      const shrinking = step % 1000 > 650;
      const dice = random(10);
      if (names.length > 0 && dice < (shrinking ? 8 : 2)) {
        const [name] = names.splice(random(names.length), 1);
        bench.remove(name!);
      } else if (names.length > 0 && dice === 9) {
        bench.replace(names[random(names.length)]!, random(100));
      } else {
        const name = randomName(random, random(4) === 0 ? 1 + random(255) : 1 + random(30));
        if (bench.model.has(name)) {
          assert.throws(() => bench.add(name, step), { code: "EEXIST" });
          continue;
        }
        bench.add(name, random(100));
        names.push(name);
      }
      if (step < 100 || step % 500 === 499) bench.check();
    }
    assert.throws(() => bench.remove("not there"), { code: "ENOENT" });
    bench.check();
  } catch (error) {
    throw new Error(`seed ${seed}`, { cause: error });
  }
}
