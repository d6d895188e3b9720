/** What somebody can do who has taken over a server that has locked itself down. Oracle: the kernel's answer to each attempt. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { attackAll } from "./attacks.js";
import { groups } from "./attempts/index.js";
import { DOCUMENT, withAttempts } from "./table.js";

const skip = process.getuid?.() === 0 ? false : "a server that has privileges to lose takes root";

describe("a server that has locked itself down, in the hands of an attacker", { skip }, () => {
  test("fails, as the documentation says, in a part of all attempts", async () => {
    const outcomes = await attackAll(groups, "locked", 12);
    assert.ok(outcomes.size >= 11);
    const surprises = [...outcomes].filter(([{ outcome }, found]) => outcome !== found);
    assert.deepEqual(
      surprises.map(([{ name, outcome }, found]) => `${name}: ${found} instead of ${outcome}`),
      [],
    );
  });
});

test("docs/containment.md shows every attempt, and how it ends", () => {
  const document = readFileSync(DOCUMENT, "utf8");
  assert.equal(withAttempts(document), document, "run node tests/dist/escape/write-table.js");
});
