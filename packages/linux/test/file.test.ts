import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import {
  close,
  Errno,
  errnoName,
  Falloc,
  Flock,
  fallocate,
  flock,
  IoVector,
  LinuxError,
  memfdCreate,
  open,
  pread,
  preadv2,
  pwrite,
  pwritev2,
  read,
  readv,
  seekData,
  seekHole,
  setNonBlocking,
  write,
  writev,
} from "../src/index.js";

const folder = mkdtempSync(join(tmpdir(), "linux-file-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytesOf = (value: string) => new TextEncoder().encode(value);

describe("descriptors", () => {
  test("read and write transfer a span of a buffer and nothing around it", () => {
    const fd = memfdCreate("span");
    assert.equal(write(fd, bytesOf("..hello.."), 2, 5), 5);
    const target = bytesOf("----------");
    assert.equal(pread(fd, target, 3, 4, 1), 4);
    assert.equal(text(target), "---ello---");
    assert.equal(pread(fd, target, 0, 4, 5), 0);
    assert.equal(pwrite(fd, bytesOf("J"), 0, 1, 0), 1);
    assert.equal(pread(fd, target, 0, 5, 0), 5);
    assert.equal(text(target.subarray(0, 5)), "Jello");
    close(fd);
  });

  test("a view that does not start at its buffer's beginning is addressed where it starts", () => {
    const fd = memfdCreate("view");
    write(fd, bytesOf("abcdef"), 0, 6);
    const whole = new Uint8Array(16);
    assert.equal(pread(fd, whole.subarray(4), 2, 6, 0), 6);
    assert.equal(whole[5], 0);
    assert.equal(text(whole.subarray(6, 12)), "abcdef");
    const shared = new Uint8Array(new SharedArrayBuffer(8), 2);
    assert.equal(pread(fd, shared, 1, 3, 0), 3);
    assert.deepEqual([...shared], [0, 97, 98, 99, 0, 0]);
    close(fd);
  });

  test("hot calls return a negated error number", () => {
    const buffer = new Uint8Array(8);
    assert.equal(read(-1, buffer, 0, 8), -Errno.EBADF);
    assert.equal(write(-1, buffer, 0, 8), -Errno.EBADF);
    assert.equal(pread(-1, buffer, 0, 8, 0), -Errno.EBADF);
    assert.equal(pwrite(-1, buffer, 0, 8, 0), -Errno.EBADF);
  });

  test("a span outside the buffer is refused before the kernel sees it", () => {
    const buffer = new Uint8Array(8);
    for (const [offset, length] of [
      [0, 9],
      [8, 1],
      [-1, 1],
      [0, -1],
      [Number.NaN, 1],
    ] as const) {
      assert.throws(() => read(0, buffer, offset, length), RangeError);
    }
    const moved = new Uint8Array(8);
    structuredClone(moved.buffer, { transfer: [moved.buffer] });
    assert.throws(() => read(0, moved, 0, 8), RangeError);
  });

  test("vectors gather and scatter", () => {
    const fd = memfdCreate("vector");
    const vector = new IoVector(3);
    vector.set(0, bytesOf("head"), 0, 4);
    vector.set(1, bytesOf("xbodyx"), 1, 4);
    assert.equal(writev(fd, vector, 2), 8);
    const a = new Uint8Array(3);
    const b = new Uint8Array(9);
    vector.set(0, a, 0, 3);
    vector.set(1, b, 4, 5);
    assert.equal(preadv2(fd, vector, 2, 0, 0), 8);
    assert.equal(text(a) + text(b.subarray(4)), "headbody".slice(0, 8));
    assert.equal(readv(fd, vector, 2), 0);
    vector.set(0, bytesOf("HE"), 0, 2);
    assert.equal(pwritev2(fd, vector, 1, 6, 0), 2);
    assert.equal(pread(fd, b, 0, 8, 0), 8);
    assert.equal(text(b.subarray(0, 8)), "headboHE");
    assert.equal(preadv2(fd, vector, 1, 0, 1 << 30), -Errno.EOPNOTSUPP);
    close(fd);
    assert.throws(() => vector.set(3, a, 0, 1), RangeError);
  });

  test("open takes a path of arbitrary bytes and names it in its error", () => {
    const name = Uint8Array.from([...bytesOf(`${folder}/`), 0xff, 0xfe]);
    const fd = open(name, constants.O_CREAT | constants.O_RDWR, 0o600);
    assert.equal(write(fd, bytesOf("x"), 0, 1), 1);
    close(fd);
    assert.throws(
      () => open(`${folder}/none`, constants.O_RDONLY),
      (error) =>
        error instanceof LinuxError &&
        error.code === "ENOENT" &&
        error.errno === 2 &&
        error.syscall === "open" &&
        error.subject === `${folder}/none`,
    );
    assert.throws(() => open(`${folder}/a\0b`, constants.O_RDONLY), { code: "EINVAL" });
    assert.throws(() => close(-1), { code: "EBADF", syscall: "close" });
  });

  test("a descriptor made non-blocking gives EAGAIN", () => {
    const path = join(folder, "fifo");
    assert.equal(spawnSync("mkfifo", [path]).status, 0);
    const fd = open(path, constants.O_RDWR);
    setNonBlocking(fd, true);
    assert.equal(read(fd, new Uint8Array(1), 0, 1), -Errno.EAGAIN);
    close(fd);
  });
});

describe("space", () => {
  test("holes and data are found, punched and extended", () => {
    const path = join(folder, "sparse");
    writeFileSync(path, new Uint8Array(1 << 20).fill(7));
    const fd = openSync(path, "r+");
    fallocate(fd, Falloc.PUNCH_HOLE | Falloc.KEEP_SIZE, 65536, 131072);
    assert.equal(seekHole(fd, 0), 65536);
    assert.equal(seekData(fd, 65536), 196608);
    assert.equal(seekHole(fd, 196608), 1 << 20);
    assert.equal(seekData(fd, 1 << 20), -1);
    assert.equal(readFileSync(path)[65536], 0);
    assert.throws(() => fallocate(fd, 0, 0, 0), { code: "EINVAL" });
    closeSync(fd);
  });

  test("flock excludes another open file until it is dropped", () => {
    const path = join(folder, "lock");
    const [a, b] = [openSync(path, "w"), openSync(path, "w")];
    assert.equal(flock(a, Flock.EXCLUSIVE), true);
    assert.equal(flock(b, Flock.EXCLUSIVE | Flock.NONBLOCK), false);
    assert.equal(flock(a, Flock.UNLOCK), true);
    assert.equal(flock(b, Flock.EXCLUSIVE | Flock.NONBLOCK), true);
    closeSync(a);
    closeSync(b);
  });
});

test("error numbers have their names", () => {
  assert.equal(errnoName(117), "EUCLEAN");
  assert.equal(errnoName(-95), "EOPNOTSUPP");
  assert.equal(errnoName(4095), "E4095");
  assert.equal(Errno.EDEADLK, 35);
  assert.equal(Errno.ENOKEY, 126);
});
