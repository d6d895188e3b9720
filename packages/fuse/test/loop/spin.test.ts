import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Spin } from "../../src/loop/spin.js";

/** Looks in vain once. */
function inVain(spin: Spin): void {
  while (spin.goesOn());
}

/** Sleeps without a look until the next one begins. */
function skipped(spin: Spin): number {
  let count = 0;
  while (!spin.begins()) count++;
  return count;
}

describe("a thread that looks for messages before it sleeps", () => {
  it("looks each time, as long as there are some", () => {
    const spin = new Spin(1);
    for (let n = 0; n < 100; n++) {
      assert.ok(spin.begins());
      spin.found();
    }
  });

  it("does so half as often after each time in vain, and never stops to try", () => {
    const spin = new Spin(1);
    const pauses: number[] = [];
    for (let n = 0; n < 9; n++) {
      pauses.push(skipped(spin));
      inVain(spin);
    }
    assert.deepEqual(pauses, [0, 1, 3, 7, 15, 31, 63, 63, 63]);
    skipped(spin);
    spin.found();
    assert.ok(spin.begins(), "there was one again");
    inVain(spin);
    assert.equal(skipped(spin), 1);
  });

  it("looks for as long as it was told", () => {
    const spin = new Spin(2000);
    const start = performance.now();
    assert.ok(spin.begins());
    inVain(spin);
    assert.ok(performance.now() - start >= 2);
  });

  it("does not look at all when it is to sleep at once", () => {
    assert.equal(new Spin(0).begins(), false);
  });
});
