/**
 * What somebody can do who has taken over a server, and that the attempts are attempts. Oracle: the kernel's answers; it lets them
 * through where nothing is locked down.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { attackAll } from "./attacks.js";
import { groups } from "./attempts/index.js";

const skip = process.getuid?.() === 0 ? false : "what the attempts do without a wall takes root";

describe("a server that has locked itself down, in the hands of an attacker", { skip }, () => {
  test("fails in every attempt, as the documentation says", async () => {
    const outcomes = await attackAll(groups, "locked");
    assert.ok(outcomes.size >= 100);
    const surprises = [...outcomes].filter(([{ outcome }, found]) => outcome !== found);
    assert.deepEqual(
      surprises.map(([{ name, outcome }, found]) => `${name}: ${found} instead of ${outcome}`),
      [],
    );
  });
});

describe("without lock-down", { skip }, () => {
  test("the attempts succeed, or the kernel itself has to refuse", async () => {
    const outcomes = await attackAll(groups, "free");
    const stopped = [...outcomes].filter(
      ([{ without }, found]) => found === "SIGSYS" || (without === undefined && found !== "done"),
    );
    assert.deepEqual(
      stopped.map(([{ name }, found]) => `${name}: ${found}`),
      [],
    );
  });
});
