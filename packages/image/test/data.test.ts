// Oracle: the host's own counters, and what debugfs finds in the image.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { after, before, describe, it } from "node:test";
import { type Image, openImage } from "@bulkhead/image";
import { assertClean, makeImage, missingTool, scratch, tool } from "./fixture.js";

/** What the iomap host has counted so far. */
function counters(image: Image): { readonly begins: number; readonly ioends: number; readonly bytesWritten: number } {
  const { connection } = image.tree.data as unknown as { connection: { counters: Record<string, number> } };
  return { ...(connection.counters as { begins: number; ioends: number; bytesWritten: number }) };
}

describe("file data", { skip: missingTool("mke2fs", "e2fsck", "debugfs", "dumpe2fs") }, () => {
  let files: ReturnType<typeof scratch>;
  before(() => {
    files = scratch();
  });
  after(() => files.remove());

  it("goes where the server says: once asked, twice read and written", () => {
    const path = makeImage(files.path("asked.img"), 64, "-b", "4096");
    const image = openImage(path, { writable: true, log: "ignore" });
    try {
      image.writeFile("/file", new Uint8Array(1_000_000).fill(1));
      const read = () => image.readFile("/file").length;
      assert.equal(read(), 1_000_000);
      const before = counters(image);
      assert.equal(read(), 1_000_000);
      image.write("/file", new Uint8Array(500_000).fill(2), 4096);
      assert.equal(counters(image).begins, before.begins, "no upcall for what is known");
      assert.equal(counters(image).ioends, before.ioends);
    } finally {
      image.close();
    }
    assertClean(path);
  });

  for (const [how, again] of Object.entries({
    "by writeFile": (image: Image, bytes: Uint8Array) => image.writeFile("/file", bytes),
    "cut and written": (image: Image, bytes: Uint8Array) => {
      image.truncate("/file", 0);
      image.write("/file", bytes, 0);
    },
    "removed and made": (image: Image, bytes: Uint8Array) => {
      image.rm("/file");
      image.writeFile("/file", bytes);
    },
  })) {
    it(`is replaced as often as one likes: ${how}`, () => {
      const path = makeImage(files.path(`again ${how}.img`), 64, "-b", "4096");
      const image = openImage(path, { writable: true, log: "ignore" });
      const contents = (time: number) => new Uint8Array(10_000 + time).fill(time);
      const times = 100;
      try {
        image.writeFile("/file", "");
        for (let time = 0; time < times; time++) again(image, contents(time));
        assert.deepEqual(image.readFile("/file"), contents(times - 1));
      } finally {
        image.close();
      }
      assertClean(path);
    });
  }

  it("written here and there into reserved space is asked for once for each run of it, and not once for each write", () => {
    const path = makeImage(files.path("scattered.img"), 64, "-b", "1024");
    const image = openImage(path, { writable: true, log: "ignore" });
    try {
      image.mknod("/scattered", 0o100644);
      const node = image.find("/scattered");
      const { data } = image.tree;
      const blocks = 36_000;
      assert.equal(data.fallocate(node, 0, 0, blocks * 1024), 0);
      const before = counters(image).begins;
      const block = new Uint8Array(1024).fill(9);
      const write = (at: number) => assert.equal(data.write(node, at * 1024, block), 1024);
      const step = 4 * 1009; // 1009 has no factor in common with the number of places
      for (let at = 0, i = 0; i < blocks / 4; i++, at = (at + step) % blocks) write(at);
      write(0); // again: now it is somewhere else than what was known, which makes one more thing to remember
      for (let i = 0; i < 400; i++) write(4 * i + 2);
      const upcalls = counters(image).begins - before;
      assert.ok(upcalls <= 50, `${upcalls} upcalls for ${blocks / 4 + 401} writes`);
    } finally {
      image.close();
    }
    assertClean(path);
  });

  it("of a large file takes one upcall for 128 MiB", () => {
    const path = makeImage(files.path("large.img"), 600, "-b", "4096", "-E", "lazy_itable_init=1");
    const image = openImage(path, { writable: true, log: "ignore" });
    const size = 400 * 2 ** 20;
    try {
      image.mknod("/large", 0o100644);
      const node = image.find("/large");
      const before = counters(image).begins;
      const buffer = new Uint8Array(1 << 20);
      const written = image.tree.data.writeStream(node, 0, size, buffer, (target) => target.fill(3).length);
      assert.equal(written, size);
      // Groups end where they end: what is contiguous is a mapping.
      const upcalls = counters(image).begins - before;
      assert.ok(upcalls <= Math.ceil(size / 2 ** 27) + 2, `${upcalls} upcalls`);
      assert.equal(image.stat("/large").size, size);
    } finally {
      image.close();
      assertClean(path);
      fs.rmSync(path);
    }
  });

  it("is the same whoever moves it, at every edge of blocks, holes and ends", () => {
    const { SEED } = process.env;
    const seed = Number(SEED ?? Date.now() % 1e6);
    console.log(`seed ${seed}`);
    let state = seed;
    const random = (below: number) => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return (state >>> 8) % below;
    };
    const digests: string[] = [];
    for (const dataThrough of ["image", "server"] as const) {
      state = seed;
      for (const options of [
        ["-b", "1024"],
        ["-b", "4096", "-O", "inline_data"],
        ["-b", "1024", "-O", "^extents,^64bit"],
      ]) {
        const path = makeImage(files.path("edges.img"), 32, ...options);
        const image = openImage(path, { writable: true, log: "ignore", dataThrough });
        const model = new Uint8Array(400_000);
        let size = 0;
        try {
          image.writeFile("/file", "");
          for (let step = 0; step < 150; step++) {
            const at = random(300_000);
            const length = random(random(2) === 0 ? 100 : 60_000);
            if (random(4) === 0) {
              image.truncate("/file", at);
              model.fill(0, at);
              size = at;
            } else if (length > 0) {
              const bytes = new Uint8Array(length).fill(1 + random(255));
              image.write("/file", bytes, at);
              model.set(bytes, at);
              size = Math.max(size, at + length);
            }
            if (step % 10 !== 0) continue;
            const there = image.readFile("/file");
            assert.ok(Buffer.compare(there, model.subarray(0, size)) === 0, `${dataThrough} ${options} step ${step}`);
          }
        } finally {
          image.close();
        }
        assertClean(path);
        tool("debugfs", "-R", `dump /file ${files.path("out")}`, path);
        const out = fs.readFileSync(files.path("out"));
        assert.ok(Buffer.compare(out, model.subarray(0, size)) === 0, "debugfs reads the same");
        digests.push(createHash("sha256").update(out).digest("hex"));
      }
    }
    assert.deepEqual(digests.slice(0, 3), digests.slice(3));
  });
});
