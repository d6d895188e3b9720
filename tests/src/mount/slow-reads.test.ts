// Oracle: a copy of what was written. Reads that have to wait for the disk while others wait for an answer are right, and hold nobody up.
import assert from "node:assert/strict";
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, truncateSync, writeSync } from "node:fs";
import { after, afterEach, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { withoutMountTools } from "../facilities.js";
import { checkImage } from "../images/build.js";
import { Random } from "../images/random.js";
import { seedOf } from "../model/generate.js";
import { run } from "../system/process.js";
import { ask, Bench, type ServedMount } from "./served-mount.js";

const READERS = fileURLToPath(new URL("../../src/mount/slow-reads.py", import.meta.url));
const SIZE = 32 << 20;
/** Bytes of data and of hole, in turn: a read of several pieces is another thread's at once, not when the disk has kept the first one waiting. */
const PIECE = 8192;
const EIO = 5;

describe("reads that wait for the disk", { skip: withoutMountTools() }, () => {
  const seed = seedOf(process.env);
  let bench: Bench;
  let image = "";
  let root = "";

  before(() => {
    bench = new Bench();
    root = bench.path("root");
    mkdirSync(root);
    const file = openSync(`${root}/file`, "w");
    try {
      const bytes = new Random(seed).bytes(SIZE);
      for (let at = 0; at < SIZE; at += 2 * PIECE) writeSync(file, bytes, at, PIECE, at);
    } finally {
      closeSync(file);
    }
    image = bench.path("image");
    run("mke2fs", ["-q", "-F", "-t", "ext4", "-d", root, image, "96M"]);
  });
  // All serve the same image: one that fails leaves it to the next.
  afterEach(() => bench.release());
  after(() => bench.clear());

  function readers(kind: string, { mountPoint }: ServedMount, path: string): string {
    const where = [`${mountPoint}/${path}`, image, `${root}/file`];
    const { code, stdout, stderr } = ask("python3", [READERS, kind, ...where, String(seed)]);
    assert.equal(code, 0, `BULKHEAD_SEED=${seed}: ${stderr}`);
    return stdout.trim();
  }

  /** Bytes that threads other than the serving one have read. */
  const readElsewhere = ({ serverPid }: ServedMount): number => {
    const about = (tid: string, what: string) => readFileSync(`/proc/${serverPid}/task/${tid}/${what}`, "latin1");
    return readdirSync(`/proc/${serverPid}/task`)
      .filter((tid) => about(tid, "comm").trim() !== "fuse-serve")
      .reduce((sum, tid) => sum + Number(/^rchar: (\d+)$/m.exec(about(tid, "io"))?.[1]), 0);
  };

  it(`are right whoever does them (seed ${seed})`, async () => {
    const served = await bench.serve(image, ["ro"]);
    const before = readElsewhere(served);
    readers("compare", served, "file");
    assert.ok(readElsewhere(served) - before > 64 << 10, "another thread has read");
    assert.equal(await served.stop(), "");
  });

  it(`never show another file's bytes when blocks are freed and taken meanwhile (seed ${seed})`, async () => {
    for (const options of [[], ["data=writeback"]]) {
      const served = await bench.serve(image, options);
      readers("change", served, "");
      assert.equal(await served.stop(), "");
      checkImage(image);
    }
  });

  it("fail one by one where the disk fails, and the log says so", async () => {
    const served = await bench.serve(image, ["ro"]);
    truncateSync(image, 9 << 20);
    const [failed, ...errnos] = readers("fail", served, "file").split(" ").map(Number);
    assert.ok(failed! > 4, `${failed} readers have failed`);
    assert.deepEqual(errnos, [EIO]);
    assert.match(await served.stop(), /read/);
  });
});
