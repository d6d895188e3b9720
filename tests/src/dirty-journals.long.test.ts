/** Dirty journals that differ in little from those of the fast test. Oracles: as there. */
import { describe, test } from "node:test";
import { CAPTURES } from "./dirty/captures.js";
import { assertReplays } from "./dirty/replays.js";
import { withoutLoopMounts } from "./facilities.js";

describe("dirty journals, the others", { skip: withoutLoopMounts(), concurrency: 2 }, () => {
  for (const capture of CAPTURES.filter(({ like }) => like !== undefined)) {
    test(`${capture.name}: ${capture.about}`, () => assertReplays(capture));
  }
});
