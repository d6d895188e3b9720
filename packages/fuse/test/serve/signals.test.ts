import assert from "node:assert/strict";
import { test } from "node:test";
import { EndingSignals } from "../../src/index.js";

test("many wait for a signal by one listener of the process, which goes with the last", () => {
  const before = process.listenerCount("SIGHUP");
  const all = Array.from({ length: 11 }, () => new EndingSignals());
  assert.equal(process.listenerCount("SIGHUP"), before + 1);
  const [first, second, ...rest] = all;
  first!.release();
  first!.release();
  const told: string[] = [];
  second!.deliverTo((signal) => told.push(signal));
  process.emit("SIGHUP", "SIGHUP");
  assert.deepEqual(told, ["SIGHUP"]);
  assert.deepEqual([first!.first, second!.first, rest[0]!.first], [undefined, "SIGHUP", "SIGHUP"]);
  for (const each of all) each.release();
  assert.equal(process.listenerCount("SIGHUP"), before);
});
