/**
 * Walk equality: whoever reads an image of the zoo sees what Linux's ext4 sees. Every variant is made by mke2fs and
 * filled by the kernel; some that are like others are in the long test. Oracle: the kernel's walk of a read-only loop mount; debugfs
 * where the kernel here cannot mount.
 */
import { describe, test } from "node:test";
import { withoutFuse, withoutLoopMounts } from "./facilities.js";
import { VARIANTS } from "./images/variants.js";
import { assertEqual } from "./walk/equality.js";

describe("walk equality", { skip: withoutLoopMounts() || withoutFuse(), concurrency: 2 }, () => {
  for (const variant of VARIANTS.filter(({ like }) => like === undefined)) {
    test(`${variant.name}: ${variant.about}`, () => assertEqual(variant));
  }
});
