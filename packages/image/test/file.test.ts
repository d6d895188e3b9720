// Oracle: what debugfs finds in the image, a copy in memory, and e2fsck.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, before, describe, it } from "node:test";
import { alignedBuffer, type Image, openImage } from "@bulkhead/image";
import { assertClean, makeImage, missingTool, scratch, tool } from "./fixture.js";

const BLOCK = 4096;
const BLOCKS = 512;
const DEPTH = 16;

describe("many reads and writes at once", { skip: missingTool("mke2fs", "e2fsck", "debugfs", "dumpe2fs") }, () => {
  let files: ReturnType<typeof scratch>;
  before(() => {
    files = scratch();
  });
  after(() => files.remove());

  /** A new image with a file of zeros that are not written yet. */
  function withFile(
    name: string,
    options: readonly string[] = [],
    direct = false,
  ): { readonly path: string; readonly image: Image } {
    const path = makeImage(files.path(name), 32, "-b", String(BLOCK), ...options);
    const image = openImage(path, { writable: true, log: "ignore", direct });
    image.writeFile("/file", "");
    return { path, image };
  }

  const { SEED } = process.env;
  const seed = Number(SEED ?? Date.now() % 1e6);
  let state = seed;
  const random = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };

  const kinds: readonly (readonly [string, readonly string[], boolean])[] = [
    ["extents", [], false],
    ["past the page cache", [], true],
    ["block pointers", ["-O", "^extents,^64bit"], false],
    ["inline data", ["-O", "inline_data"], false],
  ];
  for (const [kind, options, direct] of kinds) {
    it(`are what was written, into holes, unwritten space and what is there (${kind}, seed ${seed})`, async () => {
      const { path, image } = withFile("mixed.img", options, direct);
      const model = new Uint8Array(BLOCKS * BLOCK);
      try {
        const file = image.open("/file");
        image.truncate("/file", model.length);
        file.node.size = model.length;
        if (kind !== "block pointers")
          assert.equal(image.tree.data.fallocate(file.node, 0, 0, (BLOCKS / 2) * BLOCK), 0);
        for (let round = 0; round < 12; round++) {
          const under: Promise<unknown>[] = [];
          const free = Array.from({ length: BLOCKS / 4 }, (_, at) => at * 4);
          for (let i = 0; i < DEPTH; i++) {
            // Pieces of a round do not overlap, and may begin and end inside blocks.
            const [start = 0] = free.splice(random(free.length), 1);
            const whole = random(3) > 0;
            const at = start * BLOCK + (whole ? 0 : random(BLOCK));
            const length = whole ? (1 + random(3)) * BLOCK : 1 + random(2 * BLOCK);
            const bytes = alignedBuffer(length).fill(1 + random(255));
            model.set(bytes, at);
            under.push(file.write(bytes, at));
          }
          await Promise.all(under);
          const reads = Array.from({ length: DEPTH }, async () => {
            const aligned = random(2) === 0;
            const at = aligned ? random(BLOCKS) * BLOCK : random(model.length - 1);
            const target = alignedBuffer(aligned ? 2 * BLOCK : random(5 * BLOCK)).fill(0xa5);
            const got = await file.read(target, at);
            assert.equal(got, Math.min(target.length, model.length - at), "short at the end alone");
            assert.ok(Buffer.compare(target.subarray(0, got), model.subarray(at, at + got)) === 0, `round ${round}`);
          });
          await Promise.all(reads);
        }
        await file.sync();
      } finally {
        image.close();
      }
      assertClean(path);
      tool("debugfs", "-R", `dump /file ${files.path("out")}`, path);
      assert.ok(Buffer.compare(fs.readFileSync(files.path("out")), model) === 0);
    });
  }

  for (const bytes of ["1024", "4096"]) {
    it(`past the page cache share no page with others that go through it (blocks of ${bytes} bytes)`, async () => {
      const path = makeImage(files.path("small blocks.img"), 64, "-b", bytes);
      const image = openImage(path, { writable: true, log: "ignore", direct: true });
      const [size, count] = [16 * BLOCK, 250];
      try {
        image.writeFile("/file", new Uint8Array(size * count));
        const file = image.open("/file");
        for (let round = 0; round < 6; round++) {
          // Every second one from memory that is not aligned, and each place twice.
          const write = (_: unknown, n: number) => {
            const [i, shift] = [n >> 1, n % 2];
            const memory = alignedBuffer(size + 1).subarray(shift, size + shift);
            return file.write(memory.fill(i + round), i * size);
          };
          await Promise.all(Array.from({ length: 2 * count }, write));
          await file.sync();
          const contents = image.readFile("/file");
          for (let i = 0; i < count; i++) {
            const piece = contents.subarray(i * size, (i + 1) * size);
            assert.ok(
              piece.every((byte) => byte === (i + round) % 256),
              `round ${round}, piece ${i}`,
            );
          }
        }
      } finally {
        image.close();
      }
      assertClean(path);
    });
  }

  it("that extend a file go one after another", async () => {
    const { path, image } = withFile("appended.img");
    try {
      const file = image.open("/file");
      const pieces = Array.from({ length: DEPTH }, (_, i) => new Uint8Array(1000).fill(i + 1));
      await Promise.all(pieces.map((piece, i) => file.write(piece, i * 1000)));
      assert.equal(file.size, DEPTH * 1000);
      assert.deepEqual(Buffer.from(image.readFile("/file")), Buffer.concat(pieces));
      assert.equal(await file.read(new Uint8Array(10), DEPTH * 1000), 0);
      await file.settled();
    } finally {
      image.close();
    }
    assertClean(path);
  });

  it("go where they are to go, in whatever order they extend a file", async () => {
    const { path, image } = withFile("scattered.img");
    try {
      const [a, b, c, d] = [1, 2, 3, 4].map((value) => Buffer.alloc(BLOCK, value)) as [Buffer, Buffer, Buffer, Buffer];
      image.writeFile("/file", Buffer.alloc(BLOCK));
      const file = image.open("/file");
      await Promise.all([file.write(a, 0), file.write(d, 3 * BLOCK), file.write(b, BLOCK), file.write(c, 2 * BLOCK)]);
      assert.deepEqual(Buffer.from(image.readFile("/file")), Buffer.concat([a, b, c, d]));
      await file.settled();
    } finally {
      image.close();
    }
    assertClean(path);
  });

  it("and a sync say that the server is gone", async () => {
    const { image } = withFile("killed.img");
    try {
      const file = image.open("/file");
      await file.read(new Uint8Array(1), 0);
      process.kill(image.serverPid, "SIGKILL");
      await assert.rejects(file.sync(), { code: "ERR_FUSE_CONNECTION", loss: "gone" });
      await assert.rejects(file.write(new Uint8Array(1), 0), { code: "ERR_FUSE_CONNECTION" });
    } finally {
      image.close();
    }
  });

  it("that are under way when the server dies go to the image, and to no file that is opened after close()", async () => {
    for (const direct of [false, true]) {
      const { path, image } = withFile("abandoned.img", [], direct);
      image.writeFile("/file", Buffer.alloc(8 << 20, 1));
      image.sync();
      const file = image.open("/file");
      const bytes = alignedBuffer(8 << 20).fill(2);
      const under: Promise<unknown>[] = Array.from({ length: 48 }, () => file.write(bytes, 0));
      under.push(file.read(alignedBuffer(1 << 20), 1 << 20));
      process.kill(image.serverPid, "SIGKILL");
      assert.throws(() => image.stat("/"), { code: "ERR_FUSE_CONNECTION" });
      image.close();
      // They get the numbers that have become free.
      const others = Array.from({ length: 8 }, (_, n) => fs.openSync(files.path(`other${n}`), "w"));
      await Promise.allSettled(under);
      assert.deepEqual(
        others.map((fd) => fs.fstatSync(fd).size),
        others.map(() => 0),
      );
      for (const fd of others) fs.closeSync(fd);
      const again = openImage(path, { writable: true, log: "ignore" });
      try {
        assert.deepEqual(Buffer.from(again.readFile("/file")), Buffer.from(bytes));
      } finally {
        again.close();
      }
      assertClean(path);
    }
  });

  it("know what became of the file meanwhile, however many others there were", async () => {
    const { path, image } = withFile("renewed.img");
    try {
      const names = Array.from({ length: 300 }, (_, n) => `/other${n}`);
      for (const name of names) image.writeFile(name, "other");
      const file = image.open("/file");
      const contents = Buffer.alloc(100_000, 1);
      for (const size of [contents.length, 10_000]) {
        image.writeFile("/file", contents.subarray(0, size));
        for (const name of names) image.readFile(name);
        assert.equal(await file.read(new Uint8Array(200_000), 0), size);
        image.writeFile("/file", contents);
        for (const name of names) image.readFile(name);
        await file.write(Buffer.of(2), 50_000);
        contents[50_000] = 2;
        assert.deepEqual(Buffer.from(image.readFile("/file")), contents);
      }
      await file.settled();
    } finally {
      image.close();
    }
    assertClean(path);
  });

  it("are refused where the file is gone, and its number another's", async () => {
    for (const dataThrough of ["image", "server"] as const) {
      const path = makeImage(files.path("gone.img"), 32, "-b", String(BLOCK));
      const image = openImage(path, { writable: true, log: "ignore", dataThrough });
      try {
        image.writeFile("/kept", "kept");
        image.link("/kept", "/linked");
        image.writeFile("/old", "old");
        const old = image.open("/old");
        const kept = image.open("/kept");
        await old.write(Buffer.from("OLD"), 0);
        image.rm("/linked");
        image.writeFile("/new", "new");
        image.rename("/new", "/old");
        image.writeFile("/other", "other");
        assert.equal(image.stat("/other").ino, old.node.stats.ino);
        await assert.rejects(old.write(Buffer.from("lost"), 0), { name: "ImageError", code: "ESTALE" });
        await assert.rejects(old.read(new Uint8Array(1), 0), { code: "ESTALE" });
        assert.equal(Buffer.from(image.readFile("/other")).toString(), "other");
        await kept.write(Buffer.from("KEPT"), 0);
        await kept.settled();
        assert.equal(Buffer.from(image.readFile("/kept")).toString(), "KEPT");
      } finally {
        image.close();
      }
      assertClean(path);
    }
  });

  it("hold up who would free their blocks: EBUSY, or later", async () => {
    const { path, image } = withFile("busy.img");
    try {
      const file = image.open("/file");
      await file.write(new Uint8Array(64 * BLOCK).fill(1), 0);
      await file.settled();
      const blocks = image.statfs().blocksFree;
      const under = file.write(new Uint8Array(64 * BLOCK).fill(2), 0);
      assert.throws(() => image.truncate("/file", 0), { code: "EBUSY" });
      assert.throws(() => image.close(), { code: "EBUSY" });
      image.rm("/file");
      assert.equal(image.exists("/file"), false, "the name is gone");
      assert.equal(image.statfs().blocksFree, blocks, "the blocks are not");
      await under;
      assert.ok(image.statfs().blocksFree >= blocks + 64, "now they are");
    } finally {
      image.close();
    }
    assertClean(path);
  });

  it("of a file that was removed hold its blocks until all of them are done, those that came after it was, too", async () => {
    const { path, image } = withFile("removed.img");
    try {
      const old = Buffer.alloc(4 << 20, 1);
      image.writeFile("/file", old);
      const file = image.open("/file");
      const under = [file.write(new Uint8Array(16 * BLOCK), 0)];
      image.rm("/file");
      under.push(file.write(new Uint8Array(10), old.length), file.write(new Uint8Array(16 * BLOCK), 0));
      await Promise.all(under);
      const contents = Buffer.alloc(100_000, 2);
      image.writeFile("/new", contents);
      assert.equal(image.stat("/new").ino, file.node.stats.ino, "the number is another's by now");
      await assert.rejects(file.write(new Uint8Array(BLOCK), 0), { code: "ESTALE" });
      assert.deepEqual(Buffer.from(image.readFile("/new")), contents);
    } finally {
      image.close();
    }
    assertClean(path);
  });

  it("of a file that was removed end when the server dies, and end nothing else", async () => {
    const { image } = withFile("orphaned.img");
    try {
      image.writeFile("/file", Buffer.alloc(4 << 20, 1));
      const file = image.open("/file");
      const under = Array.from({ length: 8 }, (_, n) => file.write(new Uint8Array(16 * BLOCK), 16 * BLOCK * n));
      image.rm("/file");
      process.kill(image.serverPid, "SIGKILL");
      assert.throws(() => image.stat("/"), { code: "ERR_FUSE_CONNECTION" });
      await Promise.all(under);
    } finally {
      image.close();
    }
  });

  it("are known of, however many other files there are", async () => {
    const { path, image } = withFile("many.img");
    try {
      const file = image.open("/file");
      await file.write(new Uint8Array(64 * BLOCK).fill(1), 0);
      const under = file.write(new Uint8Array(64 * BLOCK).fill(2), 0);
      // As if so many had been looked up since: those known for longest are given back to the server.
      for (let n = 0; n < 2 ** 15; n++) image.tree.client.nodes.add(2 ** 20 + n);
      image.readdir("/");
      assert.ok(image.tree.client.nodes.size < 2 ** 15, "they were");
      assert.throws(() => image.close(), { code: "EBUSY" });
      assert.throws(() => image.tree.setFlags(file.node, 0x80_0000), { code: "EBUSY" });
      const blocks = image.statfs().blocksFree;
      image.rm("/file");
      assert.equal(image.statfs().blocksFree, blocks, "its blocks are not freed");
      await under;
      assert.ok(image.statfs().blocksFree >= blocks + 64);
    } finally {
      image.close();
    }
    assertClean(path);
  });

  it("fail as the calls that wait do: EFBIG, EACCES, EISDIR; and what failed changes nothing", async () => {
    const { path, image } = withFile("refused.img");
    try {
      const file = image.open("/file");
      await assert.rejects(file.write(new Uint8Array(10), 2 ** 50), {
        ...{ name: "ImageError", code: "EFBIG", syscall: "write", path: "/file" },
      });
      await assert.rejects(file.write(new Uint8Array(10), -1), RangeError);
      await assert.rejects(file.read("text" as never, 0), TypeError);
      assert.throws(() => image.open("/"), { code: "EISDIR" });
      assert.throws(() => image.open("/none"), { code: "ENOENT" });
    } finally {
      image.close();
    }
    const readOnly = openImage(path, { log: "ignore" });
    try {
      await assert.rejects(readOnly.open("/file").write(new Uint8Array(BLOCK), 0), {
        ...{ name: "ImageError", code: "EROFS" },
      });
    } finally {
      readOnly.close();
    }
    assertClean(path);
  });
});
