/**
 * Walk equality: whoever reads an image of the zoo sees what Linux's ext4 sees. Every variant is made by mke2fs and
 * filled by the kernel. Oracle: the kernel's walk of a read-only loop mount; debugfs where the kernel here cannot mount.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { withoutFuse, withoutLoopMounts } from "./facilities.js";
import { checkImage } from "./images/build.js";
import { assertClaims } from "./images/claims.js";
import { VARIANTS } from "./images/variants.js";
import { compareWalks } from "./walk/compare.js";
import { libraryWalk, servedWalk, truthOf } from "./walk/truth.js";
import { withZooImage } from "./zoo.js";

describe("walk equality", { skip: withoutLoopMounts() || withoutFuse(), concurrency: 2 }, () => {
  for (const variant of VARIANTS) {
    test(`${variant.name}: ${variant.about}`, async () => {
      await withZooImage(variant, async (image) => {
        assertClaims(image);
        const truth = await truthOf(image);
        assert.ok(truth.records.size > 1000, "the fill is there");
        const library = await libraryWalk(image.path, { offset: image.offset });
        assert.deepEqual(compareWalks(truth, library), [], "the library");
        const served = await servedWalk(image.path, { offset: image.offset });
        assert.deepEqual(compareWalks(truth, served), [], "our mount");
        checkImage(image.path, image.offset);
      });
    });
  }
});
