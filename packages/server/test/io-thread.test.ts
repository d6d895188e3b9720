// Oracle: the system's own account of which thread wrote how much (/proc/self/task/TID/io), and the file.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { FileDevice } from "@bulkhead/ext4";
import { BackgroundIo } from "../src/background-io.js";
import { Counter } from "../src/io-job.js";
import { IoThread } from "../src/io-thread.js";

const MIB = 2 ** 20;
const PATIENCE = 10_000;
const ENOTTY = 25;
const EBADF = 9;
const LIBUV = "libuv-worker";

/** Bytes written so far, by thread. */
function written(): Map<string, number> {
  const found = new Map<string, number>();
  for (const tid of fs.readdirSync("/proc/self/task")) {
    const io = fs.readFileSync(`/proc/self/task/${tid}/io`, "latin1");
    found.set(tid, Number(/^wchar: (\d+)$/m.exec(io)?.[1]));
  }
  return found;
}

function awaitChange(thread: IoThread, cell: number, from: number): number {
  assert.notEqual(Atomics.wait(thread.counters, cell, from, PATIENCE), "timed-out");
  return Atomics.load(thread.counters, cell);
}

function withThread(work: (thread: IoThread, fd: number) => void): void {
  const directory = fs.mkdtempSync(join(tmpdir(), "bulkhead-io-thread-"));
  const fd = fs.openSync(join(directory, "file"), "w+");
  const thread = new IoThread();
  try {
    thread.settle();
    work(thread, fd);
  } finally {
    thread.end();
    fs.closeSync(fd);
    fs.rmSync(directory, { recursive: true });
  }
}

/** A commit of 1 MiB in two writes and a flush; the threads that it was written by. */
function commit(thread: IoThread, fd: number): string[] {
  const bytes = new Uint8Array(new SharedArrayBuffer(MIB)).fill(7);
  const before = written();
  const through = Atomics.load(thread.counters, Counter.commits);
  const half = MIB / 2;
  const steps = [
    { fd, offset: half, bytes: bytes.subarray(half) },
    { fd, offset: 0, bytes: bytes.subarray(0, half) },
    { fd, offset: 0, bytes: undefined },
  ];
  thread.post({ steps, wakeup: thread.wakeup });
  assert.equal(awaitChange(thread, Counter.commits, through), through + 1);
  assert.equal(Atomics.load(thread.counters, Counter.commitErrno), 0);
  const there = Buffer.alloc(MIB);
  assert.equal(fs.readSync(fd, there, 0, MIB, 0), MIB);
  assert.ok(there.equals(Buffer.alloc(MIB, 7)));
  return [...written()].filter(([tid, bytes]) => bytes - (before.get(tid) ?? 0) >= half).map(([tid]) => tid);
}

describe("the thread for I/O", () => {
  it("is told of the kernel's I/O itself, and does that of commits alone from there on", () => {
    withThread((thread, fd) => {
      thread.keepFromRecursion(fd);
      assert.equal(awaitChange(thread, Counter.recursion, 0), -ENOTTY, "a file knows nothing of FUSE");
      const writers = commit(thread, fd);
      assert.equal(writers.length, 1, "one thread wrote both halves");
      const [writer = ""] = writers;
      assert.notEqual(writer, String(process.pid), "and not the one that asked");
      const ofPool = fs.readFileSync(`/proc/self/task/${writer}/comm`, "latin1").trim() === LIBUV;
      assert.equal(ofPool, false, "nor one of Node's");
      assert.deepEqual(commit(thread, fd), writers, "nor another one the next time");
    });
  });

  it("says which step of a commit failed, and does none after it", () => {
    withThread((thread, fd) => {
      thread.keepFromRecursion(fd);
      const bytes = new Uint8Array(new SharedArrayBuffer(512)).fill(1);
      const steps = [
        { fd, offset: 0, bytes },
        { fd: 1 << 20, offset: 0, bytes },
        { fd, offset: 512, bytes },
      ];
      thread.post({ steps, wakeup: thread.wakeup });
      assert.equal(awaitChange(thread, Counter.commits, 0), 1);
      assert.equal(Atomics.load(thread.counters, Counter.commitErrno), EBADF);
      assert.equal(Atomics.load(thread.counters, Counter.commitStep), 1);
      assert.equal(fs.fstatSync(fd).size, 512);
    });
  });

  it("says by name why a commit failed", () => {
    withThread((thread) => {
      const full = fs.openSync("/dev/full", "r+");
      try {
        const device = new FileDevice(fs, full, { readOnly: false, ownsDescriptor: false, size: 4096 });
        const io = new BackgroundIo(thread);
        const errors: unknown[] = [];
        io.write(device, 1024, io.take(512).subarray(0, 512));
        io.start((error) => errors.push(error));
        io.wait();
        assert.match(
          String(errors),
          /device write of 512 bytes at 1024 failed: .*ENOSPC: what the image lies on is full, /,
        );
      } finally {
        fs.closeSync(full);
      }
    });
  });

  it("writes a long commit, and the next one from the same memory", () => {
    withThread((thread, fd) => {
      const [length, count] = [400 * 1024, 20];
      fs.ftruncateSync(fd, count * length);
      const device = new FileDevice(fs, fd, { readOnly: false, ownsDescriptor: false });
      const io = new BackgroundIo(thread);
      const memory = new Set<ArrayBufferLike>();
      for (const value of [1, 2, 3]) {
        for (let n = 0; n < count; n++) {
          const bytes = io.take(length).subarray(0, length);
          memory.add(bytes.buffer);
          io.write(device, n * length, bytes.fill(value));
        }
        io.flush(device);
        io.start((error) => assert.equal(error, undefined));
        io.wait();
        const there = Buffer.alloc(count * length);
        assert.equal(fs.readSync(fd, there, 0, there.length, 0), there.length);
        assert.ok(there.equals(Buffer.alloc(count * length, value)), `commit ${value}`);
        assert.equal(memory.size, count, `commit ${value}`);
      }
    });
  });
});
