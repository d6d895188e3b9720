/** What the fast and the long test of walk equality have in common. */
import assert from "node:assert/strict";
import { checkImage } from "../images/build.js";
import { assertClaims } from "../images/claims.js";
import type { ImageVariant } from "../images/variant.js";
import { withZooImage } from "../zoo.js";
import { compareWalks } from "./compare.js";
import { libraryWalk, servedWalk, truthOf } from "./truth.js";

/** Whoever reads an image of the zoo, by the library or our mount, sees what Linux's ext4 sees. */
export async function assertEqual(variant: ImageVariant): Promise<void> {
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
}
