/** Notifications on a real mount. Oracle: what the kernel then shows to a process that uses the mount. */
import assert from "node:assert/strict";
import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { Poll, PollSet } from "@bulkhead/linux";
import { cannotMount, Fixture } from "./fixture.js";
import { Cell, FILE_ID, OTHER_ID } from "./fixture-filesystem.js";

const ENOENT = -2;
const EINVAL = -22;
const EPOCH_MINOR = 44;
const PRUNE_MINOR = 45;

describe("notifications", { skip: cannotMount(), timeout: 60_000 }, () => {
  let fixture: Fixture;
  before(async () => {
    // Read-only: on a writable mount every read makes the kernel ask for the access time, and the size with it.
    fixture = await Fixture.start({ readOnly: true });
  });
  after(() => fixture.remove());
  const firstByte = () => readFileSync(fixture.path("file"))[0];

  test("INVAL_INODE: a changed size and changed data show only after it", async () => {
    assert.equal(statSync(fixture.path("file")).size, 16384);
    assert.equal(firstByte(), 0x61);
    await fixture.set(Cell.FILL, 0x62);
    await fixture.set(Cell.SIZE, 8192);
    assert.equal(statSync(fixture.path("file")).size, 16384);
    assert.equal(firstByte(), 0x61);
    // A negative offset: attributes alone. AUTO_INVAL_DATA then drops the pages, because the size differs.
    assert.equal(await fixture.notify("invalInode", FILE_ID, -1, 0), 0);
    assert.equal(statSync(fixture.path("file")).size, 8192);
    assert.equal(firstByte(), 0x62);
    await fixture.set(Cell.FILL, 0x63);
    assert.equal(firstByte(), 0x62);
    assert.equal(await fixture.notify("invalInode", FILE_ID, 0, 0), 0);
    assert.equal(firstByte(), 0x63);
    assert.equal(await fixture.notify("invalInode", 999, 0, 0), ENOENT);
  });

  test("INVAL_ENTRY: a name is looked up again only after it", async () => {
    assert.ok(existsSync(fixture.path("file")));
    const lookups = await fixture.get(Cell.LOOKUPS);
    assert.ok(existsSync(fixture.path("file")));
    assert.equal(await fixture.get(Cell.LOOKUPS), lookups);
    assert.equal(await fixture.notify("invalEntry", 1, "file"), 0);
    assert.ok(existsSync(fixture.path("file")));
    assert.equal(await fixture.get(Cell.LOOKUPS), lookups + 1);
    assert.equal(await fixture.notify("invalEntry", 1, "never-seen"), ENOENT);
  });

  test("INVAL_ENTRY: a negative entry is forgotten too", async () => {
    await fixture.set(Cell.OTHER, 0);
    assert.equal(existsSync(fixture.path("other")), false);
    await fixture.set(Cell.OTHER, 1);
    assert.equal(existsSync(fixture.path("other")), false);
    await fixture.notify("invalEntry", 1, "other");
    assert.equal(existsSync(fixture.path("other")), true);
  });

  test("DELETE: a name is gone, if it named that inode", async () => {
    assert.ok(existsSync(fixture.path("other")));
    await fixture.set(Cell.OTHER, 0);
    assert.ok(existsSync(fixture.path("other")));
    assert.equal(await fixture.notify("delete", 1, OTHER_ID, "other"), 0);
    assert.equal(existsSync(fixture.path("other")), false);
    assert.ok(existsSync(fixture.path("file")));
    assert.equal(await fixture.notify("delete", 1, OTHER_ID, "file"), ENOENT);
  });

  test("STORE: data is read without a READ, RETRIEVE: cached data comes back", async () => {
    statSync(fixture.path("file"));
    assert.equal(await fixture.notify("invalInode", FILE_ID, 0, 0), 0);
    statSync(fixture.path("file"));
    assert.equal(await fixture.notify("store", FILE_ID, 0, "S".repeat(8192)), 0);
    const reads = await fixture.get(Cell.READS);
    assert.equal(readFileSync(fixture.path("file"), "latin1"), "S".repeat(8192));
    assert.equal(await fixture.get(Cell.READS), reads);

    assert.equal(await fixture.notify("retrieve", 77, 0, FILE_ID, 4096, 65536), 0);
    for (let i = 0; i < 100 && (await fixture.get(Cell.RETRIEVED_SIZE)) === 0; i++);
    assert.equal(await fixture.get(Cell.RETRIEVED_SIZE), 4096);
    assert.equal(await fixture.get(Cell.RETRIEVED_BYTE), "S".charCodeAt(0));
    assert.equal(await fixture.notify("store", 999, 0, "x"), ENOENT);
    assert.equal(await fixture.notify("retrieve", 79, 0, 999, 0, 1), ENOENT);
  });

  test("INC_EPOCH: every name is looked up again, on kernels that know it", async () => {
    assert.ok(existsSync(fixture.path("file")));
    const lookups = await fixture.get(Cell.LOOKUPS);
    const known = (await fixture.get(Cell.KERNEL_MINOR)) >= EPOCH_MINOR;
    assert.equal(await fixture.notify("incEpoch"), known ? 0 : EINVAL);
    assert.ok(existsSync(fixture.path("file")));
    assert.equal(await fixture.get(Cell.LOOKUPS), lookups + (known ? 1 : 0));
  });

  test("PRUNE: an unused entry is dropped, on kernels that know it", async () => {
    assert.ok(existsSync(fixture.path("file")));
    const lookups = await fixture.get(Cell.LOOKUPS);
    const known = (await fixture.get(Cell.KERNEL_MINOR)) >= PRUNE_MINOR;
    assert.equal(await fixture.notify("prune", [FILE_ID, 999]), known ? 0 : EINVAL);
    assert.ok(existsSync(fixture.path("file")));
    assert.equal(await fixture.get(Cell.LOOKUPS), lookups + (known ? 1 : 0));
  });

  test("POLL: a waiting process is woken", () => {
    const fd = openSync(fixture.path("file"), "r");
    try {
      const set = new PollSet(1);
      set.set(0, fd, Poll.IN);
      const begin = performance.now();
      assert.equal(set.poll(5000), 1);
      assert.equal(set.returned(0), Poll.IN);
      const waited = performance.now() - begin;
      assert.ok(waited > 30 && waited < 4000, `waited ${waited} ms`);
      assert.equal(readSync(fd, new Uint8Array(1)), 1);
    } finally {
      closeSync(fd);
    }
  });
});
