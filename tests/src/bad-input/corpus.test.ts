// Oracle: the rule that each image was made to break. Every kind of corruption has its image, and is found by its own name.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type CorruptionKind, corruptionKinds, MemoryDevice } from "@bulkhead/ext4";
import { withoutLoopMounts } from "../facilities.js";
import { change } from "./change.js";
import { type Base, baseImage, corpus, damagedImage, isForWriters } from "./corpus.js";
import { explore, type Findings } from "./explore.js";

const skip = withoutLoopMounts();
const bases: readonly Base[] = [
  "plain",
  "checksums",
  "pointers",
  "journal",
  "journal with checksums",
  "groups with checksums",
  "quota",
  "two writers",
];

/** All that is found by somebody who reads the image, or changes it where only that comes upon the damage. */
function findings(base: Base, image: Uint8Array): Findings {
  const device = new MemoryDevice(image, { readOnly: true });
  return isForWriters({ base }) ? change(device, { errors: "remount-ro", mount: { wait() {} } }) : explore(device);
}

describe("the corpus of bad input", { skip }, () => {
  it("has an image for every kind of corruption", () => {
    const covered = new Set<CorruptionKind>(corpus.map(({ kind }) => kind));
    const missing = Object.keys(corruptionKinds).filter((kind) => !covered.has(kind as CorruptionKind));
    assert.deepEqual(missing, []);
  });

  for (const base of bases) {
    it(`starts from an image that is right: ${base}`, () => {
      const { kinds, opened, inodes } = findings(base, baseImage(base));
      assert.deepEqual([...kinds], []);
      assert.ok(opened && inodes > 5);
    });
  }

  for (const damage of corpus) {
    it(`${damage.kind}: ${damage.what}`, () => {
      const { kinds, errors } = findings(damage.base, damagedImage(damage));
      assert.deepEqual([...kinds], [damage.kind], errors[0]?.message ?? "nothing was noticed");
      for (const { evidence, location, message, kind } of errors) {
        assert.ok(evidence.length > 5, message);
        if (!kind.startsWith("superblock-")) assert.ok(Object.keys(location).length > 0, `no place: ${message}`);
        for (const place of Object.values(location)) assert.ok(Number.isSafeInteger(place) && place >= 0, message);
        assert.doesNotMatch(message, /undefined|NaN|\[object/);
      }
    });
  }
});
