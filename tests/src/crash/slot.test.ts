// Oracle: the file, read as a whole, while others write to it.
import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { seedOf } from "../model/generate.js";
import { withScratch } from "../system/scratch.js";
import { randomFrom } from "./crash-states.js";
import { Slot } from "./slot.js";
import { TrackedImage } from "./tracked-image.js";

const BLOCK = 1024;
const ROUNDS = 100;
const seed = seedOf(process.env);

describe(`a file for e2fsck (seed ${seed})`, () => {
  it("holds the image that was put there, whatever was in it, and knows what became of it", () => {
    const random = randomFrom(seed);
    const below = (limit: number) => Math.floor(random() * limit);
    const noise = (length: number) => new Uint8Array(length).map(() => below(256));
    withScratch("slot", (directory) => {
      const slot = new Slot(directory, "0");
      const path = join(directory, "0");
      const file = openSync(path, "r+");
      try {
        const images = [300, 200].map((blocks) => new TrackedImage(noise(blocks * BLOCK), BLOCK));
        for (let round = 0; round < ROUNDS; round++) {
          const image = images[below(10) === 0 ? 1 : 0]!;
          for (let n = below(4); n > 0; n--) image.write(below(image.size / BLOCK) * BLOCK, noise(BLOCK));
          slot.put(image);
          assert.ok(readFileSync(path).equals(image.bytes), "the image is there");
          if (below(3) === 0) continue;
          for (let n = below(4); n > 0; n--) writeSync(file, noise(40), 0, 40, below(image.size - 40));
          const now = readFileSync(path);
          const skipped = below(image.size / BLOCK);
          const changed = new TrackedImage(image.base, BLOCK);
          changed.write(0, now);
          const expected = new Map(changed.differences());
          expected.delete(skipped);
          assert.deepEqual(
            slot.scan((block) => block === skipped),
            expected,
          );
          assert.ok(now.equals(slot.bytes));
        }
      } finally {
        closeSync(file);
        slot.close();
      }
    });
  });
});
