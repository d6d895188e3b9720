// Oracle: a Map that counts the same.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LookupCounts } from "../../src/lookups.js";
import { RequestRecord, uniqueOf } from "../../src/survival/request-record.js";
import { countTableBytes, SharedCounts } from "../../src/survival/shared-counts.js";

function areas(slots: number): [Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>] {
  return [new Uint8Array(countTableBytes(slots)), new Uint8Array(countTableBytes(slots))];
}

describe("look-up counts in memory that outlives a process", () => {
  it("are what they were, whoever goes on with them, and however large they grow and shrink", () => {
    const seed = Number(process.env["SURVIVAL_SEED"] ?? Date.now() % 1_000_000);
    let state = seed >>> 0;
    const random = (limit: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * limit);
    };
    const memory = areas(2 ** 14);
    const truth = new Map<number, number>();
    let counts = new LookupCounts(new SharedCounts(memory, () => {}));
    for (let step = 0; step < 60_000; step++) {
      const ino = 1 + random(step < 30_000 ? 9000 : 300);
      if (random(3) > 0 && step < 40_000) {
        counts.add(ino);
        truth.set(ino, (truth.get(ino) ?? 0) + 1);
      } else {
        const known = truth.get(ino) ?? 0;
        const taken = Math.min(known, 1 + random(3));
        assert.equal(counts.forget(ino, taken), known === taken, `seed ${seed}, step ${step}`);
        if (known === taken) truth.delete(ino);
        else truth.set(ino, known - taken);
      }
      if (random(2000) === 0) counts = new LookupCounts(new SharedCounts(memory, () => {}));
    }
    counts = new LookupCounts(new SharedCounts(memory, () => {}));
    assert.equal(counts.size, truth.size, `seed ${seed}`);
    for (const [ino, count] of truth) assert.equal(counts.get(ino), count, `seed ${seed}: inode ${ino}`);
  });

  it("take an inode for known when they have no room for more", () => {
    const counts = new LookupCounts(new SharedCounts(areas(2048), () => {}));
    for (let ino = 1; ino <= 2000; ino++) counts.add(ino);
    assert.ok(counts.mayBeKnown(3000));
    assert.equal(counts.forget(3000, 1), false);
  });
});

describe("the record of requests", () => {
  it("knows the request that a server died in, what that told the kernel of, and how often it was so", () => {
    const bytes = new Uint8Array(128 * 1024);
    for (let life = 1; life <= 3; life++) {
      const record = new RequestRecord(bytes);
      if (life > 1) {
        assert.deepEqual(record.last, { unique: uniqueOf(8, 0), added: [12, 13] });
        assert.equal(record.countDeath(), life - 1);
      } else {
        record.keepInit(Uint8Array.of(1, 2, 3));
      }
      record.begin(uniqueOf(6, 0));
      record.adds(11);
      record.begin(uniqueOf(8, 0x8000_0000));
      record.adds(12);
      record.adds(13);
    }
    assert.deepEqual(new RequestRecord(bytes).init, Uint8Array.of(1, 2, 3));
  });

  it("does not count the deaths of servers that came to no request", () => {
    const bytes = new Uint8Array(128 * 1024);
    new RequestRecord(bytes).begin(2);
    assert.equal(new RequestRecord(bytes).countDeath(), 1);
    assert.equal(new RequestRecord(bytes).countDeath(), 1);
    assert.equal(new RequestRecord(bytes).countDeath(), 1);
  });
});
