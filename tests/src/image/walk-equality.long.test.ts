/** Walk equality without a mount, for every variant of the zoo. Oracle: as in the fast test. */
import { describe, test } from "node:test";
import { withoutLoopMounts } from "../facilities.js";
import { VARIANTS } from "../images/variants.js";
import { assertEqualWithoutMount } from "./equality.js";

describe("walk equality without a mount, of the whole zoo", { skip: withoutLoopMounts() }, () => {
  for (const variant of VARIANTS) {
    test(`${variant.name}: ${variant.about}`, () => assertEqualWithoutMount(variant));
  }
});
