/** Walk equality of the images that are like others of the zoo. Oracle: as in the fast test. */
import { describe, test } from "node:test";
import { withoutFuse, withoutLoopMounts } from "./facilities.js";
import { VARIANTS } from "./images/variants.js";
import { assertEqual } from "./walk/equality.js";

describe("walk equality, of the rest of the zoo", {
  skip: withoutLoopMounts() || withoutFuse(),
  concurrency: 2,
}, () => {
  for (const variant of VARIANTS.filter(({ like }) => like !== undefined)) {
    test(`${variant.name}: ${variant.about}`, () => assertEqual(variant));
  }
});
