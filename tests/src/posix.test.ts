/**
 * The POSIX suite: how a file system answers each system call. Oracle: the kernel's ext4 on a loop device, on which every
 * case holds before it is asked of our mount, and of the host without a mount behind a kernel's FUSE (bridge/); and e2fsck -fn of
 * what the cases leave.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { withoutFuse, withoutLoopMounts } from "./facilities.js";
import { titleOf } from "./posix/case.js";
import { CASES } from "./posix/cases/index.js";
import { exclusionsOf } from "./posix/exclusions.js";
import { CONFIGURATIONS } from "./posix/images.js";
import { mustHold } from "./posix/judge.js";

describe("POSIX, of the kernel's ext4", { skip: withoutLoopMounts() }, () => {
  const asked = new Set<string>();

  for (const configuration of CONFIGURATIONS) {
    const skip = configuration.unproved === undefined ? false : configuration.unproved;
    if (skip !== false) continue;
    test(configuration.name, async () => {
      const outcomes = await mustHold(configuration, "kernel");
      for (const one of outcomes) if (one.skipped === undefined) asked.add(titleOf(one));
    });
  }

  test("every case is asked somewhere", () => {
    const unproved = new Set(CONFIGURATIONS.flatMap((one) => (one.unproved === undefined ? [] : one.features)));
    const never = CASES.filter((one) => !asked.has(titleOf(one)))
      .filter((one) => !one.needs.some((need) => unproved.has(need.name)))
      .map(titleOf);
    assert.deepEqual(never, []);
    assert.equal(new Set(CASES.map(titleOf)).size, CASES.length, "no two cases have the same name");
  });

  test("every exclusion names a case", () => {
    const titles = new Set(CASES.map(titleOf));
    assert.deepEqual(
      Object.keys(exclusionsOf("bridged")).filter((title) => !titles.has(title)),
      [],
    );
  });
});

describe("POSIX, of our mount", { skip: withoutLoopMounts() || withoutFuse(), concurrency: 2 }, () => {
  for (const configuration of CONFIGURATIONS.filter(({ long }) => long !== true)) {
    test(configuration.name, async () => {
      await mustHold(configuration, "bulkhead");
    });
  }
});

// The other configurations are for posix.long.test.ts.
describe("POSIX, of the host without a mount", { skip: withoutLoopMounts() || withoutFuse() }, () => {
  const [configuration] = CONFIGURATIONS;
  test(configuration!.name, async () => {
    await mustHold(configuration!, "bridged");
  });
});
