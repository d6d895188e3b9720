/**
 * Opens of one inode in different ways on a real mount. Oracle: the kernel, which is shown the same mix by hand (EIO) and
 * through the library (refused before, with EBUSY).
 */
import assert from "node:assert/strict";
import { closeSync, openSync, readSync } from "node:fs";
import { after, before, beforeEach, describe, test } from "node:test";
import { Errno, MemoryMap, Protection } from "@bulkhead/linux";
import { cannotMount } from "../mounts/fixture.js";
import { Passthrough } from "./fixture.js";
import { Cell, Way } from "./passthrough-filesystem.js";

const PAGE = 4096;

describe("mixing opens of one inode", { skip: cannotMount(), timeout: 120_000 }, () => {
  let fixture: Passthrough;
  before(async () => {
    fixture = await Passthrough.start();
  });
  after(() => fixture.remove());
  beforeEach(() => fixture.settled());

  /** Opens "a" the way that is named; its descriptor, or the error's code. */
  async function opened(way: number): Promise<number | string> {
    await fixture.answerOpens(way);
    try {
      return openSync(fixture.path("a"), "r+");
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? String(error);
    }
  }

  /** What opening in the second way gives while the first is open: "ok", or the code and the library's verdict. */
  async function mixed([first, second]: readonly [number, number]): Promise<[string, number]> {
    const one = await opened(first);
    assert.equal(typeof one, "number", `the first open: ${one}`);
    const two = await opened(second);
    const verdict = await fixture.get(Cell.VERDICT);
    if (typeof two === "number") closeSync(two);
    if (typeof one === "number") closeSync(one);
    return [typeof two === "number" ? "ok" : two, verdict];
  }

  for (const [name, raw, library] of [
    ["cached, then passed through", [Way.RAW_CACHED, Way.RAW_OWN], [Way.LIBRARY_CACHED, Way.LIBRARY_SHARED]],
    ["passed through, then cached", [Way.RAW_OWN, Way.RAW_CACHED], [Way.LIBRARY_SHARED, Way.LIBRARY_CACHED]],
    ["passed through, then direct", [Way.RAW_OWN, Way.RAW_DIRECT], [Way.LIBRARY_SHARED, Way.LIBRARY_DIRECT]],
    ["passed through to two backing files", [Way.RAW_OWN, Way.RAW_OWN], [Way.LIBRARY_OWN, Way.LIBRARY_OWN]],
  ] as const) {
    test(`${name}: EIO from the kernel, EBUSY from the library`, async () => {
      assert.deepEqual(await mixed(raw), ["EIO", 0]);
      await fixture.settled();
      assert.deepEqual(await mixed(library), ["EBUSY", -Errno.EBUSY]);
      await fixture.logged(/nodeid 2 (is|cannot be) /);
    });
  }

  for (const [name, ways] of [
    ["passed through twice, to the same backing file", [Way.LIBRARY_SHARED, Way.LIBRARY_SHARED]],
    ["through an id of its own, then joined", [Way.LIBRARY_OWN, Way.LIBRARY_SHARED]],
    ["direct, then passed through", [Way.LIBRARY_DIRECT, Way.LIBRARY_SHARED]],
    ["direct, then cached", [Way.LIBRARY_DIRECT, Way.LIBRARY_CACHED]],
    ["passed through, then mappings alone", [Way.LIBRARY_SHARED, Way.LIBRARY_SHARED_DIRECT]],
  ] as const) {
    test(`${name}: goes`, async () => {
      assert.deepEqual(await mixed(ways), ["ok", 0]);
    });
  }

  test("bad replies: KEEP_CACHE with PASSTHROUGH, id 0, an unknown id: EIO, and RELEASE follows", async () => {
    const releases = await fixture.get(Cell.RELEASES);
    // Ids that are given away by hand are not given back.
    for (const way of [Way.RAW_KEEP_CACHE, Way.RAW_ID_ZERO, Way.RAW_ID_UNKNOWN]) assert.equal(await opened(way), "EIO");
    await fixture.reached(Cell.RELEASES, releases + 3);
    assert.equal(await opened(Way.LIBRARY_SHARED_KEEP_CACHE), "EIO");
    await fixture.logged(/FOPEN_PASSTHROUGH does not go with open_flags 0x2/);
  });

  test("a shared mapping makes a direct open a cached one: ENODEV where the inode is passed through", async () => {
    const direct = Number(await opened(Way.LIBRARY_DIRECT));
    const ids = await fixture.get(Cell.IDS);
    const passed = Number(await opened(Way.LIBRARY_SHARED));
    assert.throws(() => new MemoryMap(direct, PAGE, Protection.READ), { code: "ENODEV" });
    closeSync(passed);
    await fixture.reached(Cell.IDS, ids);
    const map = new MemoryMap(direct, PAGE, Protection.READ);
    // Of mappings no server is told, so the library lets this pass, and the kernel does not.
    assert.equal(await opened(Way.LIBRARY_SHARED), "EIO");
    assert.equal(await fixture.get(Cell.VERDICT), 0);
    map.unmap();
    closeSync(direct);
  });

  test("ids are shared while the inode is open, and given back when it is released", async () => {
    const before = await fixture.get(Cell.IDS);
    const first = await opened(Way.LIBRARY_SHARED);
    const id = await fixture.get(Cell.ID);
    const second = await opened(Way.LIBRARY_SHARED);
    assert.equal(await fixture.get(Cell.ID), id);
    assert.equal(await fixture.get(Cell.IDS), before + 1);
    closeSync(Number(first));
    await fixture.reached(Cell.IDS, before + 1);
    closeSync(Number(second));
    await fixture.reached(Cell.IDS, before);
    // The kernel has it no longer either.
    assert.equal(await fixture.do({ do: "close", id }), -Errno.ENOENT);
  });

  test("files that are open keep the backing file alive after its id was closed", async () => {
    const fd = Number(await opened(Way.RAW_OWN));
    const id = await fixture.get(Cell.ID);
    assert.equal(await fixture.do({ do: "close", id }), 0);
    const bytes = new Uint8Array(4);
    assert.equal(readSync(fd, bytes, 0, 4, 0), 4);
    assert.equal(Buffer.from(bytes).toString(), "aaaa");
    closeSync(fd);
  });
});
