/** The zoo as a list. That its images are what they claim to be is asked where each is built: see walk-equality.test.ts. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CLAIMS } from "./images/claims.js";
import { VARIANTS } from "./images/variants.js";

describe("the image zoo", () => {
  test("has images of at least thirty kinds, each with a name of its own", () => {
    assert.ok(VARIANTS.filter(({ like }) => like === undefined).length >= 30, "in every run");
    assert.equal(new Set(VARIANTS.map((variant) => variant.name)).size, VARIANTS.length);
  });

  test("has in every run what the others are like", () => {
    const always = new Set(VARIANTS.filter(({ like }) => like === undefined).map(({ name }) => name));
    assert.deepEqual(
      VARIANTS.filter(({ like }) => like !== undefined && !always.has(like)).map(({ name }) => name),
      [],
    );
  });

  test("claims nothing of an image that is not there", () => {
    const names = new Set(VARIANTS.map(({ name }) => name));
    for (const [variant, claim] of CLAIMS) assert.ok(names.has(variant), `${variant}: ${claim}`);
  });
});
