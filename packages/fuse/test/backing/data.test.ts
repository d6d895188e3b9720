/** Data through backing files on a real mount. Oracle: the backing file itself, and counters of what reached the server. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { after, before, beforeEach, describe, test } from "node:test";
import { MemoryMap, Protection } from "@bulkhead/linux";
import { cannotMount } from "../mounts/fixture.js";
import { contents, Passthrough } from "./fixture.js";
import { Cell, Way } from "./passthrough-filesystem.js";

const PAGE = 4096;
const SIZE = 16_384;

describe("data of backing files", { skip: cannotMount(), timeout: 120_000 }, () => {
  let fixture: Passthrough;
  before(async () => {
    fixture = await Passthrough.start();
  });
  after(() => fixture.remove());
  beforeEach(async () => {
    await fixture.settled();
    await fixture.answerOpens(Way.LIBRARY_SHARED);
    writeFileSync(fixture.backing("a"), contents("a", SIZE));
    // The size may have changed behind the kernel: an open file's write, and its stat, set it right.
    const fd = openSync(fixture.path("a"), "r+");
    writeSync(fd, "a", 0);
    closeSync(fd);
    await fixture.settled();
    assert.equal(statSync(fixture.path("a")).size, SIZE);
  });

  /** Runs `work` and asserts that no READ and no WRITE came of it. */
  async function unseen(work: () => void): Promise<void> {
    const seen = [await fixture.get(Cell.READS), await fixture.get(Cell.WRITES)];
    work();
    assert.deepEqual([await fixture.get(Cell.READS), await fixture.get(Cell.WRITES)], seen);
  }

  test("read and write never reach the server, and each side sees what the other wrote at once", async () => {
    await unseen(() => {
      const fd = openSync(fixture.path("a"), "r+");
      assert.equal(writeSync(fd, "through the mount", 100), 17);
      assert.equal(readFileSync(fixture.backing("a")).toString("latin1", 100, 117), "through the mount");
      const below = openSync(fixture.backing("a"), "r+");
      writeSync(below, "from below", 8000);
      closeSync(below);
      const bytes = Buffer.alloc(10);
      assert.equal(readSync(fd, bytes, 0, 10, 8000), 10);
      assert.equal(bytes.toString(), "from below");
      fsyncSync(fd);
      closeSync(fd);
    });
  });

  test("size and modification time are right after each write, though the attributes were to be kept for a day", async () => {
    const fd = openSync(fixture.path("a"), "r+");
    for (const end of [SIZE + 1, SIZE + 5000, SIZE + 100_000]) {
      writeSync(fd, "x", end - 1);
      const [above, below] = [
        statSync(fixture.path("a"), { bigint: true }),
        statSync(fixture.backing("a"), { bigint: true }),
      ];
      assert.equal(above.size, BigInt(end));
      assert.equal(above.mtimeNs, below.mtimeNs);
      assert.equal(above.blocks, below.blocks);
      assert.equal(fstatSync(fd).size, end);
    }
    const asked = await fixture.get(Cell.GETATTRS);
    statSync(fixture.path("a"));
    assert.equal(await fixture.get(Cell.GETATTRS), asked, "and kept as long as nothing is written");
    closeSync(fd);
  });

  test("appends go to the backing file's end, wherever it is", async () => {
    await unseen(() => {
      const fd = openSync(fixture.path("a"), "a");
      writeSync(fd, "one");
      const below = openSync(fixture.backing("a"), "a");
      writeSync(below, "two");
      closeSync(below);
      writeSync(fd, "three");
      closeSync(fd);
      assert.equal(readFileSync(fixture.backing("a")).toString("latin1", SIZE), "onetwothree");
      assert.equal(statSync(fixture.path("a")).size, SIZE + 11);
    });
  });

  test("shared mappings are of the backing file's own pages, both ways, and outlive the descriptor", async () => {
    await unseen(() => {
      const fd = openSync(fixture.path("a"), "r+");
      const map = new MemoryMap(fd, SIZE, Protection.READ | Protection.WRITE);
      writeSync(fd, "written", 50);
      assert.equal(Buffer.from(map.read(50, 7)).toString(), "written");
      map.write(PAGE, Buffer.from("mapped"));
      const bytes = Buffer.alloc(6);
      readSync(fd, bytes, 0, 6, PAGE);
      assert.equal(bytes.toString(), "mapped");
      closeSync(fd);
      map.write(2 * PAGE, Buffer.from("later"));
      map.sync();
      assert.equal(readFileSync(fixture.backing("a")).toString("latin1", 2 * PAGE, 2 * PAGE + 5), "later");
      const again = openSync(fixture.path("a"), "r");
      readSync(again, bytes, 0, 5, 2 * PAGE);
      assert.equal(bytes.toString("latin1", 0, 5), "later");
      closeSync(again);
      map.unmap();
    });
  });

  test("private mappings keep their changes to themselves", async () => {
    await unseen(() => {
      const fd = openSync(fixture.path("a"), "r");
      const map = new MemoryMap(fd, PAGE, Protection.READ | Protection.WRITE, 0, true);
      map.write(0, Buffer.from("mine"));
      assert.equal(Buffer.from(map.read(0, 5)).toString(), "minea");
      assert.equal(readFileSync(fixture.backing("a")).toString("latin1", 0, 5), "aaaaa");
      map.unmap();
      closeSync(fd);
    });
  });

  const skip =
    spawnSync("python3", ["-c", "import os; os.splice"]).status === 0 ? false : "python3 with os.splice is missing";
  test("splice and sendfile pass through in both directions", { skip }, async () => {
    const script = `
import os, sys
path, size = sys.argv[1], ${SIZE}
fd = os.open(path, os.O_RDWR)
r, w = os.pipe()
assert os.splice(fd, w, 5000, offset_src=100) == 5000
assert os.read(r, 6000) == b"a" * 5000
os.write(w, b"spliced")
assert os.splice(r, fd, 7, offset_dst=size) == 7
out = os.open(path, os.O_RDWR)
os.lseek(out, size + 7, os.SEEK_SET)
assert os.sendfile(out, fd, size, 7) == 7
assert os.fstat(fd).st_size == size + 14, os.fstat(fd).st_size
`;
    await unseen(() => {
      const run = spawnSync("python3", ["-c", script, fixture.path("a")], { encoding: "utf8", timeout: 10_000 });
      assert.equal(run.status, 0, run.stderr);
    });
    assert.equal(readFileSync(fixture.backing("a")).toString("latin1", SIZE), "splicedspliced");
  });

  test("O_DIRECT reaches the backing file as such", async () => {
    await unseen(() => {
      const fd = openSync(fixture.path("a"), constants.O_RDWR | constants.O_DIRECT);
      const memory = new SharedArrayBuffer(3 * PAGE);
      // Direct I/O takes aligned memory: an anonymous mapping is. Node's own buffers of this size are as well, or EINVAL says so.
      const bytes = new Uint8Array(memory);
      const map = new MemoryMap(fd, PAGE, Protection.READ, 0, true);
      assert.equal(map.writeTo(fd, 0, PAGE), PAGE);
      map.unmap();
      assert.throws(() => readSync(fd, bytes, 1, 100, 1), { code: "EINVAL" });
      closeSync(fd);
    });
  });

  test("DIRECT_IO beside PASSTHROUGH: read and write go to the server, mappings to the backing file", async () => {
    await fixture.answerOpens(Way.LIBRARY_SHARED_DIRECT);
    const fd = openSync(fixture.path("a"), "r+");
    const [reads, writes] = [await fixture.get(Cell.READS), await fixture.get(Cell.WRITES)];
    writeSync(fd, "by request", 10);
    const bytes = Buffer.alloc(10);
    readSync(fd, bytes, 0, 10, 10);
    assert.equal(bytes.toString(), "by request");
    assert.deepEqual([await fixture.get(Cell.READS), await fixture.get(Cell.WRITES)], [reads + 1, writes + 1]);
    const map = new MemoryMap(fd, PAGE, Protection.READ | Protection.WRITE);
    assert.equal(Buffer.from(map.read(10, 10)).toString(), "by request");
    map.write(20, Buffer.from("mapped"));
    map.unmap();
    closeSync(fd);
    assert.equal(readFileSync(fixture.backing("a")).toString("latin1", 10, 26), "by requestmapped");
    assert.equal(await fixture.get(Cell.READS), reads + 1);
  });

  test("a backing file that becomes shorter is read to its end, however long the kernel thinks it is", async () => {
    await unseen(() => {
      const fd = openSync(fixture.path("a"), "r");
      truncateSync(fixture.backing("a"), 10);
      const bytes = Buffer.alloc(100);
      assert.equal(readSync(fd, bytes, 0, 100, 0), 10);
      assert.equal(readSync(fd, bytes, 0, 100, 10), 0);
      closeSync(fd);
    });
  });

  test("a file is opened with the flags of its own opener: no writing through what was opened to read", async () => {
    await unseen(() => {
      const reader = openSync(fixture.path("a"), "r");
      const writer = openSync(fixture.path("a"), "r+");
      assert.throws(() => writeSync(reader, "x"), { code: "EBADF" });
      assert.equal(writeSync(writer, "x", 0), 1);
      closeSync(reader);
      closeSync(writer);
    });
  });

  test("every write asks for security.capability first, unless HANDLE_KILLPRIV_V2 was agreed on", async () => {
    const asked: number[] = [];
    for (const want of [[], ["HANDLE_KILLPRIV_V2"]] as const) {
      const other = await Passthrough.start(1, undefined, want);
      try {
        const fd = openSync(other.path("a"), "r+");
        for (let i = 0; i < 10; i++) writeSync(fd, "x", i);
        closeSync(fd);
        asked.push(await other.get(Cell.GETXATTRS));
      } finally {
        await other.remove();
      }
    }
    assert.deepEqual(asked, [10, 1]);
  });
});
