/**
 * Oracles: e2fsck -fn, and the kernel's ext4 through a loop mount, which reads what the fake kernel wrote; and what a crash leaves,
 * after the engine's own recovery, by e2fsck and by what was synced. Blocks that no file ever wrote hold a pattern that nobody
 * may see.
 */
import { describe, it } from "node:test";
import { withoutLoopMounts, withoutTools } from "../facilities.js";
import { variants } from "./images.js";
import { crashAndRecover, playAndCompare } from "./trials.js";

const { SEED } = process.env;
const seed = SEED === undefined ? Date.now() % 1_000_000 : Number(SEED);

/** The others are in faults.long.test.ts. */
const some = ["ext4, 4 KiB blocks", "ext3, block pointers", "inline data"];

describe(`a kernel that does the file I/O itself, seed ${seed}`, () => {
  for (const variant of variants.filter(({ name }) => some.includes(name))) {
    const trial = { variant, cacheMappings: variant.blockSize === 4096, seed };
    it(`finds what it wrote, whatever becomes of its ioends: ${variant.name}`, { skip: withoutLoopMounts() }, () => {
      playAndCompare(trial, 70);
    });
    it(`shows zeros or what was written after a crash: ${variant.name}`, {
      skip: withoutTools("mke2fs", "e2fsck"),
    }, () => {
      crashAndRecover(trial, 4);
    });
  }
});
