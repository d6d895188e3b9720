/**
 * What fsync(2) promises where fast commits are written, when the server is killed in the middle of work: our replay, e2fsck's and the
 * kernel's each have to give it all. Oracles: the notes of what was synced, e2fsck, the kernel's ext4; sqlite judges its own.
 */
import { describe, test } from "node:test";
import { DATABASES } from "../durability/images.js";
import { standApart } from "../durability/trial.js";
import { withoutFuse, withoutLoopMounts, withoutTools } from "../facilities.js";
import { seedOf } from "../model/generate.js";

const missing = withoutLoopMounts() || withoutFuse() || withoutTools("sqlite3", "python3");
const FEATURES = "fast_commit,^orphan_file";
const IMAGES = {
  "4 KiB blocks": ["-O", FEATURES, "-b", "4096", "-J", "size=16"],
  "1 KiB blocks": ["-O", FEATURES, "-b", "1024", "-J", "size=4"],
};

describe("what was synced by fast commits survives the end of the server", { skip: missing }, () => {
  const seed = seedOf(process.env);
  const [large, small] = [IMAGES["4 KiB blocks"], IMAGES["1 KiB blocks"]];
  for (const [name, mke2fs, recorders, noise] of [
    ["files", large, ["files", "log", "replace", "slots"], false],
    ["files, while others work", small, ["files", "log", "replace", "slots"], true],
    ["databases", large, DATABASES, false],
  ] as const) {
    test(`${name} (seed ${seed})`, () =>
      standApart({ subject: "served", mke2fs, journal: true, recorders, seed, notes: 100, noise }));
  }
});
