// Oracle: a device that knows which of its blocks a mapping has given, to read or to write; bounds on what is asked and answered.
import { test } from "node:test";
import { fuzz } from "./fuzz.js";

test("millions of random mappings never move the host outside the device or the mappings", (t) => {
  const start = Date.now() % 2 ** 31;
  t.diagnostic(`seeds ${start} + n * 104729`);
  let mappings = 0;
  let episodes = 0;
  for (; mappings < 5_000_000; episodes++) mappings += fuzz((start + episodes * 104_729) >>> 0, 60);
  t.diagnostic(`${mappings} mappings in ${episodes} episodes`);
});
