/** What the fast and the long test of walk equality without a mount have in common. */
import assert from "node:assert/strict";
import { checkImage } from "../images/build.js";
import type { ImageVariant } from "../images/variant.js";
import { compareWalks } from "../walk/compare.js";
import { truthOf } from "../walk/truth.js";
import { withZooImage } from "../zoo.js";
import { imageWalk } from "./image-walk.js";

/** Whoever opens an image of the zoo without a mount sees what Linux sees, whoever moves the data. */
export async function assertEqualWithoutMount(variant: ImageVariant): Promise<void> {
  await withZooImage(variant, async (image) => {
    const truth = await truthOf(image);
    assert.ok(truth.records.size > 100, "the fill is there");
    for (const dataThrough of ["image", "server"] as const) {
      const walk = await imageWalk(image.path, { offset: image.offset, dataThrough });
      assert.deepEqual(compareWalks(truth, walk), [], `data through the ${dataThrough}`);
    }
    checkImage(image.path, image.offset);
  });
}
