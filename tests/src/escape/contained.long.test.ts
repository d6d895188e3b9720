/**
 * A contained mount whose server an image has taken over, in all the ways there are. Oracle: the mount table and the processes as the
 * outside sees them, the helper's answers, and what attempts come to in a server that nothing but its lock-down contains.
 */
import assert from "node:assert/strict";
import { constants } from "node:os";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { findMount, unmount } from "@bulkhead/fuse";
import { groups } from "./attempts/index.js";
import { ending } from "./hostile-words.js";
import { Takeover, withoutTakeover } from "./takeover.js";

const BY_SIGSYS = 128 + constants.signals.SIGSYS;
/** The attempts that need nothing but the process itself: others lack what the outside does not give them here. */
const attempts = groups
  .filter(({ jitless, start }) => jitless === undefined && start === undefined)
  .flatMap((group) => group.attempts.map((attempt) => ({ group, attempt })))
  .filter(({ attempt }, i) => i % 5 === 0 && (attempt.only === undefined || attempt.only === process.arch));

describe("a contained server that was taken over", { skip: withoutTakeover() }, () => {
  let takeover: Takeover;
  before(() => {
    takeover = new Takeover();
  });
  after(() => takeover.close());

  for (const { group, attempt } of attempts) {
    test(`fails to ${attempt.name} (${attempt.outcome}), and is not mounted`, async () => {
      const attack = await takeover.mount("attempt", group.name, attempt.name);
      const code = await takeover.failed(attack);
      if (attempt.outcome === "SIGSYS") assert.deepEqual([code, attack.said], [BY_SIGSYS, []]);
      else assert.deepEqual(attack.said, [attempt.outcome]);
    });
  }

  for (const words of ending) {
    test(`is ended when it ${words.name}`, async () => {
      const attack = await takeover.mount("say", words.name);
      await takeover.failed(attack);
      // It is killed, and may not come to say so.
      for (const line of attack.said) assert.equal(line, `${words.name}: ${words.answer}`);
    });
  }

  test("is ended when it computes for ever instead of mounting", async () => {
    await takeover.failed(await takeover.mount("spin"));
  });

  test("does not keep its mount from being unmounted when it answers nothing", async () => {
    const attack = await takeover.mount("deaf");
    assert.notEqual(findMount(takeover.mountPoint), undefined);
    for (let waited = 0; attack.said.length === 0 && waited < 5_000; waited += 10) await sleep(10);
    assert.deepEqual(attack.said, ["deaf"]);
    const started = performance.now();
    unmount(takeover.mountPoint, { lazy: true });
    assert.ok(performance.now() - started < 5_000, "unmounting waited for the server");
    assert.equal(findMount(takeover.mountPoint), undefined);
  });
});
