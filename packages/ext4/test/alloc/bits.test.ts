// Oracle: an array of booleans.
import assert from "node:assert/strict";
import { it } from "node:test";
import { clearBits, countClear, findClear, findSet, setBits } from "../../src/alloc/bits.js";
import { SeededRandom } from "./random.js";

const BITS = 256;

it("words and single bits agree", (context) => {
  const random = new SeededRandom(Date.now());
  context.diagnostic(`seed ${random.seed}`);
  for (let round = 0; round < 300; round++) {
    const view = new DataView(new ArrayBuffer(BITS / 8));
    const model = new Array<boolean>(BITS).fill(false);
    for (let n = 0; n < 12; n++) {
      const from = random.below(BITS + 1);
      const end = from + random.below(BITS + 1 - from);
      const set = random.below(2) === 0;
      (set ? setBits : clearBits)(view, from, end);
      model.fill(set, from, end);
      for (let probe = 0; probe < 8; probe++) {
        const first = random.below(BITS + 1);
        const past = first + random.below(BITS + 1 - first);
        const expected = (value: boolean) => {
          const found = model.indexOf(value, first);
          return found < 0 || found > past ? past : found;
        };
        const where = `seed ${random.seed}: [${first}, ${past})`;
        assert.equal(findClear(view, first, past), expected(false), where);
        assert.equal(findSet(view, first, past), expected(true), where);
        assert.equal(countClear(view, past), model.slice(0, past).filter((bit) => !bit).length, where);
      }
    }
    for (let bit = 0; bit < BITS; bit++) {
      assert.equal((view.getUint8(bit >> 3) >> (bit & 7)) & 1, model[bit] ? 1 : 0, "the order of bits on disk");
    }
  }
});
