/**
 * Dirty journals: an image whose journal holds what its home blocks do not yet hold reads as it does after e2fsck's
 * replay, and reading it leaves it untouched; a mount for writing replays it onto the device. Every image is captured in the
 * middle of a kernel workload.
 * Oracle: e2fsck's replay on a copy (debugfs's or the kernel's where the capture says why), then Linux's ext4 walking it.
 */
import { describe, test } from "node:test";
import { CAPTURES } from "./dirty/captures.js";
import { assertReplays } from "./dirty/replays.js";
import { withoutLoopMounts } from "./facilities.js";

describe("dirty journals", { skip: withoutLoopMounts(), concurrency: 2 }, () => {
  for (const capture of CAPTURES.filter(({ like }) => like === undefined)) {
    test(`${capture.name}: ${capture.about}`, () => assertReplays(capture));
  }
});
