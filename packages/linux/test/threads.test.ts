import assert from "node:assert/strict";
import { closeSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import {
  close,
  Errno,
  eventfd,
  eventfdDrain,
  eventfdSignal,
  getAffinity,
  getcpu,
  gettid,
  ioctl,
  MessageFlag,
  Policy,
  Poll,
  PollSet,
  Prctl,
  prctl,
  receiveMessage,
  SocketType,
  sendMessage,
  setAffinity,
  setPolicy,
  setThreadName,
  socketpair,
} from "../src/index.js";

describe("waiting", () => {
  test("poll gives up after its time and sees a signalled eventfd", () => {
    const fd = eventfd();
    const set = new PollSet(2);
    set.set(0, fd, Poll.IN);
    const before = performance.now();
    assert.equal(set.poll(20), 0);
    assert.ok(performance.now() - before >= 15);
    assert.equal(eventfdSignal(fd), 0);
    assert.equal(set.poll(1000), 1);
    assert.equal(set.returned(0), Poll.IN);
    assert.equal(eventfdDrain(fd), 0);
    assert.equal(set.poll(0), 0);
    assert.equal(eventfdDrain(fd), 0);
    close(fd);
    assert.equal(set.poll(0), 1);
    assert.equal(set.returned(0), Poll.NVAL);
    assert.equal(eventfdSignal(-1), -Errno.EBADF);
  });

  test("another thread's signal ends a poll", async () => {
    const fd = eventfd();
    const door = new URL("../src/index.js", import.meta.url).href;
    const code = `import(${JSON.stringify(door)}).then(({ eventfdSignal }) => setTimeout(() => eventfdSignal(${fd}), 30))`;
    const worker = new Worker(code, { eval: true });
    try {
      const set = new PollSet(1);
      set.set(0, fd, Poll.IN);
      assert.equal(set.poll(10_000), 1);
    } finally {
      await worker.terminate();
      close(fd);
    }
  });
});

describe("scheduling", () => {
  test("a thread is bound to one CPU and released", () => {
    const all = getAffinity();
    const tid = gettid();
    assert.equal(tid, process.pid);
    try {
      for (const cpu of all) {
        setAffinity(tid, [cpu]);
        assert.deepEqual(getAffinity(tid), [cpu]);
        assert.equal(getcpu(), cpu);
      }
    } finally {
      setAffinity(0, all);
    }
    assert.deepEqual(getAffinity(), all);
    assert.throws(() => setAffinity(0, []), { code: "EINVAL" });
    assert.throws(() => setAffinity(0, [5000]), { code: "EINVAL" });
  });

  test("a policy is entered and left", () => {
    const policy = () => Number(readFileSync("/proc/thread-self/stat", "latin1").split(") ")[1]?.split(" ")[38]);
    setPolicy(0, Policy.BATCH);
    assert.equal(policy(), Policy.BATCH);
    setPolicy(0, Policy.OTHER);
    assert.equal(policy(), Policy.OTHER);
    assert.throws(() => setPolicy(0, 77), { code: "EINVAL" });
  });

  test("a thread takes a name, of 15 bytes at most", () => {
    const comm = () => readFileSync("/proc/thread-self/comm", "utf8").trim();
    const before = comm();
    setThreadName("a-name-that-is-too-long");
    assert.equal(comm(), "a-name-that-is-");
    setThreadName(before);
    assert.equal(prctl(Prctl.GET_NO_NEW_PRIVS), 0);
    assert.throws(() => prctl(-1), { code: "EINVAL" });
  });
});

describe("sockets", () => {
  test("a descriptor travels with a message and is the same file", () => {
    const [a, b] = socketpair(SocketType.SEQPACKET);
    const file = openSync(import.meta.filename, "r");
    assert.equal(sendMessage(a, Uint8Array.of(1, 2, 3), [file, file]), 3);
    const buffer = new Uint8Array(8);
    const received = receiveMessage(b, buffer, 4);
    assert.equal(received.length, 3);
    assert.deepEqual([...buffer.subarray(0, 3)], [1, 2, 3]);
    assert.equal(received.descriptors.length, 2);
    assert.equal(received.flags & MessageFlag.CTRUNC, 0);
    for (const fd of received.descriptors) {
      assert.equal(fstatSync(fd).ino, fstatSync(file).ino);
      assert.match(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"), /flags:\s+02\d{6}/);
      closeSync(fd);
    }
    closeSync(file);
    assert.equal(receiveMessage(b, buffer, 1, MessageFlag.DONTWAIT).length, -Errno.EAGAIN);
    sendMessage(a, new Uint8Array(20), []);
    assert.equal(receiveMessage(b, buffer, 0).flags & MessageFlag.TRUNC, MessageFlag.TRUNC);
    closeSync(a);
    assert.equal(receiveMessage(b, buffer, 1).length, 0);
    assert.equal(sendMessage(b, buffer, []), -Errno.EPIPE);
    closeSync(b);
  });
});

test("ioctl fills its argument and names itself when it fails", () => {
  const [a, b] = socketpair(SocketType.STREAM);
  sendMessage(a, new Uint8Array(5), []);
  const FIONREAD = 0x541b;
  const argument = new Uint8Array(4);
  assert.equal(ioctl(b, FIONREAD, argument), 0);
  assert.equal(argument[0], 5);
  assert.equal(readSync(b, new Uint8Array(8)), 5);
  assert.throws(() => ioctl(b, 0x8004e500, argument), { syscall: "ioctl", code: "ENOTTY" });
  closeSync(a);
  closeSync(b);
});
