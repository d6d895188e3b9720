/** Oracles and what is asked: see faults.test.ts; of all kinds of file systems, and for longer. */
import { describe, it } from "node:test";
import { withoutLoopMounts } from "../facilities.js";
import { variants } from "./images.js";
import { crashAndRecover, playAndCompare } from "./trials.js";

const { SEED } = process.env;
const seed = SEED === undefined ? Date.now() % 1_000_000 : Number(SEED);

describe(`a kernel that does the file I/O itself, seed ${seed}`, { skip: withoutLoopMounts() }, () => {
  for (const variant of variants) {
    for (const cacheMappings of [false, true]) {
      const trial = { variant, cacheMappings, seed };
      const name = `${variant.name}, ${cacheMappings ? "caching" : "asking for"} mappings`;
      it(`finds what it wrote, whatever becomes of its ioends: ${name}`, () => playAndCompare(trial, 400));
      // Without a journal, a crash leaves what e2fsck has to repair.
      const skip = variant.name === "no journal" ? "a crash without a journal is e2fsck's" : false;
      it(`shows zeros or what was written after a crash: ${name}`, { skip }, () => crashAndRecover(trial, 15));
    }
  }
});
