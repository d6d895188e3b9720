import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WriteFlag } from "@bulkhead/fuse";
import { StaleAttributes } from "../src/stale-attributes.js";
import { cannotMakeImages, pattern } from "./image.js";
import { Writer } from "./writer.js";

/** A server between whose requests time passes step by step. */
class Stage {
  waiting = false;
  readonly told: number[] = [];
  readonly #timers: (() => void)[] = [];
  readonly stale = new StaleAttributes(
    (ino) => this.told.push(ino),
    (_milliseconds, run) => void this.#timers.push(run),
    () => this.waiting,
  );

  /** @returns whether there was something to be done */
  pass(): boolean {
    const run = this.#timers.shift();
    run?.();
    return run !== undefined;
  }
}

describe("attributes that the kernel's cache changed", () => {
  it("expire once, a while after the first change, in the order of changes", () => {
    const on = new Stage();
    for (const ino of [12, 13, 12]) on.stale.add(ino);
    assert.deepEqual(on.told, []);
    assert.ok(on.pass());
    assert.deepEqual(on.told, [12, 13]);
    assert.ok(!on.pass());
    on.stale.add(12);
    on.stale.tellNow(12);
    assert.ok(on.pass());
    assert.deepEqual(on.told, [12, 13, 12]);
  });

  it("do not expire where the kernel has asked for them since", () => {
    const on = new Stage();
    for (const ino of [12, 13, 14]) on.stale.add(ino);
    on.stale.asked(13);
    on.pass();
    assert.deepEqual(on.told, [12, 14]);
  });

  it("do not expire under a request that waits for its answer, but some time they do", () => {
    const on = new Stage();
    for (const ino of [12, 13]) on.stale.add(ino);
    on.waiting = true;
    for (let n = 0; n < 100; n++) assert.ok(on.pass());
    assert.deepEqual(on.told, []);
    on.stale.asked(12);
    on.waiting = false;
    on.pass();
    assert.deepEqual(on.told, [13]);
    on.waiting = true;
    on.stale.add(14);
    for (let n = 0; n < 1000 && on.pass(); n++);
    assert.deepEqual(on.told, [13, 14]);
  });

  it("are those of files that the kernel has not asked for", { skip: cannotMakeImages }, () => {
    const timers: (() => void)[] = [];
    const told: number[] = [];
    const client = new Writer(
      {},
      { after: (_milliseconds, run) => void timers.push(run), expire: (nodeid) => void told.push(nodeid) },
    );
    const [first, second] = [client.make("first"), client.make("second")];
    for (const node of [first, second]) assert.equal(client.write(node, 0, pattern(5000), WriteFlag.CACHE), 5000);
    client.attributes(second);
    for (const run of timers.splice(0)) run();
    assert.deepEqual(told, [first]);
    client.closed();
  });
});
