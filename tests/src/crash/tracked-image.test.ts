// Oracle: copies of the whole image, compared block by block.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { seedOf } from "../model/generate.js";
import { randomFrom } from "./crash-states.js";
import { blocksThatDiffer, nameOf, TrackedImage } from "./tracked-image.js";

const BLOCK = 512;
const BLOCKS = 300;
const ROUNDS = 300;

const seed = seedOf(process.env);

function digests(base: Uint8Array, bytes: Uint8Array): Map<number, string> {
  const found = new Map<number, string>();
  for (let block = 0; block < BLOCKS; block++) {
    const part = bytes.subarray(block * BLOCK, (block + 1) * BLOCK);
    if (Buffer.compare(part, base.subarray(block * BLOCK, (block + 1) * BLOCK)) === 0) continue;
    found.set(block, createHash("sha1").update(part).digest("base64"));
  }
  return found;
}

describe(`a tracked image (seed ${seed})`, () => {
  it("knows in what it differs, and goes back to where it was", () => {
    const random = randomFrom(seed);
    const below = (limit: number) => Math.floor(random() * limit);
    const base = new Uint8Array(BLOCKS * BLOCK).map(() => below(4));
    const image = new TrackedImage(base, BLOCK);
    const marks: { readonly mark: number; readonly bytes: Uint8Array }[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      if (below(3) === 0) marks.push({ mark: image.mark(), bytes: image.bytes.slice() });
      for (let n = below(4); n > 0; n--) {
        const offset = below(base.length);
        const length = Math.min(1 + below(5 * BLOCK), base.length - offset);
        // Now and then what is there, or was.
        const source = [new Uint8Array(length).fill(round), image.bytes.slice(), base][below(3)]!;
        image.write(offset, source.length === length ? source : source.subarray(offset, offset + length));
      }
      if (below(3) === 0) {
        const last = marks.pop();
        if (last !== undefined) {
          image.rollback(last.mark);
          assert.deepEqual(image.bytes, last.bytes);
        }
      }
      if (below(2) === 0) continue;
      const expected = digests(base, image.bytes);
      assert.deepEqual(new Map([...image.differences()].sort(([a], [b]) => a - b)), expected);
      assert.deepEqual(blocksThatDiffer(base, image.bytes, BLOCK), [...expected.keys()]);
    }
  });

  it("has the same name as another one with the same bytes, but for blocks that are left out", () => {
    const base = new Uint8Array(BLOCKS * BLOCK);
    const [one, other] = [new TrackedImage(base, BLOCK), new TrackedImage(base, BLOCK)];
    const byte = new Uint8Array([1]);
    one.write(7 * BLOCK, byte);
    one.write(2 * BLOCK, byte);
    other.write(2 * BLOCK, byte);
    assert.notEqual(nameOf(one.differences()), nameOf(other.differences()));
    assert.equal(
      nameOf(one.differences(), (block) => block === 7),
      nameOf(other.differences()),
    );
    other.write(7 * BLOCK, byte);
    assert.equal(nameOf(one.differences()), nameOf(other.differences()));
    other.write(7 * BLOCK + 9, byte);
    assert.notEqual(nameOf(one.differences()), nameOf(other.differences()));
  });
});
