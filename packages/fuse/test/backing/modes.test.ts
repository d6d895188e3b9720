/** The rules of opens in one process. Oracle: the kernel's fs/fuse/iomode.c, which `mixing.test.ts` asks itself. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Errno, LinuxError } from "@bulkhead/linux";
import { BackingFiles, Fopen, FuseOpenOut, InitFlag, OpenModes, type OpenReply, Session } from "../../src/index.js";

/** A kernel that numbers what it is given. */
function registry() {
  const open = new Map<number, number>();
  let next = 0;
  let failure: number | undefined;
  const log: string[] = [];
  const files = new BackingFiles(() => 7, {
    open(device, file) {
      assert.equal(device, 7);
      if (failure !== undefined) throw new LinuxError("BACKING_OPEN", failure);
      open.set(++next, file);
      return next;
    },
    close(device, id) {
      assert.equal(device, 7);
      if (failure !== undefined) throw new LinuxError("BACKING_CLOSE", failure);
      assert.ok(open.delete(id), `closed ${id} twice`);
    },
  });
  const fail = (errno: number | undefined) => {
    failure = errno;
  };
  return { files, open, log, fail, modes: new OpenModes(files, (line) => log.push(line)) };
}

function reply(openFlags = 0): OpenReply {
  const view = FuseOpenOut.view(new DataView(new ArrayBuffer(FuseOpenOut.size)), 0);
  view.open_flags = openFlags;
  return view;
}

const INODE = 5;

test("opens of one inode share its backing file, which is given back after the last", () => {
  const { modes, files, open } = registry();
  const [first, second] = [reply(), reply(Fopen.NOFLUSH)];
  assert.equal(modes.mode(INODE), "none");
  assert.equal(modes.passThrough(INODE, 30, first), 0);
  assert.equal(modes.passThrough(INODE, 31, second), 0);
  assert.deepEqual([first.open_flags, first.backing_id], [Fopen.PASSTHROUGH, 1]);
  assert.deepEqual([second.open_flags, second.backing_id], [Fopen.PASSTHROUGH | Fopen.NOFLUSH, 1]);
  assert.deepEqual([...open], [[1, 30]]);
  assert.equal(modes.mode(INODE), "passthrough");
  modes.release(INODE, first.open_flags);
  assert.equal(files.count, 1);
  modes.release(INODE, second.open_flags);
  assert.equal(files.count, 0);
  assert.equal(open.size, 0);
  assert.equal(modes.mode(INODE), "none");
  assert.throws(() => modes.release(INODE, Fopen.PASSTHROUGH), RangeError);
});

test("an id of somebody's own lives as long as opens or its owner need it, for any number of inodes", () => {
  const { modes, files, open } = registry();
  const id = files.open(30);
  assert.equal(modes.passThroughTo(INODE, id, reply()), 0);
  assert.equal(modes.passThroughTo(INODE + 1, id, reply()), 0);
  files.release(id);
  assert.equal(open.size, 1);
  assert.equal(modes.passThrough(INODE, 99, reply()), 0, "joins");
  assert.equal(modes.backing(INODE), id);
  modes.release(INODE, Fopen.PASSTHROUGH);
  modes.release(INODE, Fopen.PASSTHROUGH);
  assert.equal(open.size, 1);
  modes.release(INODE + 1, Fopen.PASSTHROUGH);
  assert.equal(open.size, 0);
  assert.throws(() => modes.passThroughTo(INODE, id, reply()), RangeError);
  assert.throws(() => files.release(id), RangeError);
  assert.equal(modes.mode(INODE), "none");
});

test("what the kernel would fail is refused with EBUSY and a reason, and changes nothing", () => {
  const { modes, files, log } = registry();
  assert.equal(modes.passThrough(INODE, 30, reply()), 0);
  const other = files.open(31);
  assert.equal(modes.passThroughTo(INODE, other, reply()), -Errno.EBUSY);
  assert.match(log.pop() ?? "", /nodeid 5 is open through backing file 1, and cannot be through 2/);
  files.release(other);
  assert.equal(modes.open(INODE, reply()), -Errno.EBUSY);
  assert.match(log.pop() ?? "", /nodeid 5 cannot be opened through the page cache while/);
  assert.equal(modes.open(INODE, reply(Fopen.DIRECT_IO)), -Errno.EBUSY);
  assert.match(log.pop() ?? "", /cannot be opened directly while/);
  modes.release(INODE, Fopen.PASSTHROUGH);

  const cached = reply(Fopen.KEEP_CACHE);
  assert.equal(modes.open(INODE, cached), 0);
  assert.equal(modes.mode(INODE), "cached");
  assert.equal(modes.passThrough(INODE, 30, reply()), -Errno.EBUSY);
  assert.match(log.pop() ?? "", /cannot be passed through while/);
  assert.equal(files.count, 0);
  modes.release(INODE, cached.open_flags);
  assert.equal(modes.mode(INODE), "none");
});

test("direct opens go with both others, if they came first", () => {
  const { modes } = registry();
  assert.equal(modes.open(INODE, reply(Fopen.DIRECT_IO)), 0);
  assert.equal(modes.mode(INODE), "direct");
  assert.equal(modes.passThrough(INODE, 30, reply(Fopen.DIRECT_IO | Fopen.PARALLEL_DIRECT_WRITES)), 0);
  assert.equal(modes.mode(INODE), "passthrough");
  modes.release(INODE, Fopen.PASSTHROUGH | Fopen.DIRECT_IO);
  assert.equal(modes.mode(INODE), "direct");
  assert.equal(modes.open(INODE, reply()), 0);
  assert.equal(modes.mode(INODE), "cached");
});

test("flags that the kernel refuses with PASSTHROUGH are a mistake of the program", () => {
  const { modes, files } = registry();
  for (const flag of [Fopen.KEEP_CACHE, Fopen.NONSEEKABLE, Fopen.STREAM, Fopen.CACHE_DIR]) {
    assert.throws(() => modes.passThrough(INODE, 30, reply(flag)), RangeError);
  }
  assert.throws(() => modes.open(INODE, reply(Fopen.PASSTHROUGH)), RangeError);
  assert.equal(files.count, 0);
});

test("a backing file that the kernel does not take leaves the inode as it was", () => {
  const { modes, files, fail } = registry();
  fail(Errno.ELOOP);
  assert.throws(() => modes.passThrough(INODE, 30, reply()), { code: "ELOOP" });
  assert.equal(modes.mode(INODE), "none");
  assert.equal(modes.open(INODE, reply()), 0);
  assert.equal(files.count, 0);
});

test("a RELEASE after the connection is gone is no failure", () => {
  const { modes, fail, log } = registry();
  assert.equal(modes.passThrough(INODE, 30, reply()), 0);
  fail(Errno.EPERM);
  modes.release(INODE, Fopen.PASSTHROUGH);
  assert.equal(log.length, 1);
  assert.equal(modes.mode(INODE), "none");
});

test("PASSTHROUGH is asked for in a way that the kernel does not silently leave off", () => {
  assert.equal(InitFlag.PASSTHROUGH, 37);
  assert.throws(() => new Session({}, { want: ["PASSTHROUGH"] }), /maxStackDepth/);
  assert.throws(
    () => new Session({}, { want: ["PASSTHROUGH", "WRITEBACK_CACHE"], maxStackDepth: 1 }),
    /excludes WRITEBACK_CACHE/,
  );
  assert.throws(() => new Session({}, { want: ["PASSTHROUGH"], maxStackDepth: 3 }), RangeError);
});
