// Oracle: a device that knows which of its blocks a mapping has given, to read or to write; bounds on what is asked and answered.
import { test } from "node:test";
import { fuzz } from "./fuzz.js";

test("whatever a server answers, the host stays inside the device and the mappings, and comes to an end", (t) => {
  const start = 1;
  const episodes = 1500;
  let mappings = 0;
  for (let n = 0; n < episodes; n++) mappings += fuzz(start + n * 7919, 40);
  t.diagnostic(`${mappings} mappings, seeds ${start} + n * 7919 for n < ${episodes}`);
});
