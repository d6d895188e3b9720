/**
 * Walk equality without a mount. Oracle: the kernel's walk of a read-only loop mount. Every variant of the zoo is in the long
 * test; these are of each kind of file data, and what does not open.
 */
import { describe, test } from "node:test";
import { withoutLoopMounts } from "../facilities.js";
import { VARIANTS } from "../images/variants.js";
import { assertEqualWithoutMount } from "./equality.js";

const KINDS = ["ext3-1k", "inline-data", "in-gpt", "encrypt"];

describe("walk equality without a mount", { skip: withoutLoopMounts() }, () => {
  for (const variant of VARIANTS.filter(({ name }) => KINDS.includes(name))) {
    test(`${variant.name}: ${variant.about}`, () => assertEqualWithoutMount(variant));
  }
});
