/** posix.test.ts of the host without a mount, on all configurations, and of our mount on those that are not in it. */
import { describe, test } from "node:test";
import { withoutFuse, withoutLoopMounts } from "./facilities.js";
import { CONFIGURATIONS } from "./posix/images.js";
import { mustHold } from "./posix/judge.js";

describe("POSIX, of the host without a mount", { skip: withoutLoopMounts() || withoutFuse() }, () => {
  for (const configuration of CONFIGURATIONS) {
    test(configuration.name, async () => {
      await mustHold(configuration, "bridged");
    });
  }
});

describe("POSIX, of our mount, elsewhere", { skip: withoutLoopMounts() || withoutFuse(), concurrency: 2 }, () => {
  for (const configuration of CONFIGURATIONS.filter(({ long }) => long === true)) {
    test(configuration.name, async () => {
      await mustHold(configuration, "bulkhead");
    });
  }
});
