/** flock(2) and fcntl(2) record locks, of open files and of processes. */
import assert from "node:assert/strict";
import { Flock, flock, LockKind, setLock, setLockWaiting, testLock } from "@bulkhead/linux";
import { O } from "../calls.js";
import { group } from "../case.js";
import { refused } from "../expect.js";
import { Neighbour } from "../neighbour.js";

const { READ, WRITE, UNLOCK } = LockKind;
const { SHARED, EXCLUSIVE, NONBLOCK } = Flock;

export const flocks = group("flock", {
  "an exclusive lock keeps others out, until it is dropped": (s) => {
    const [a, b] = [s.opened("file"), s.open(s.path("file"), O.RDWR)];
    assert.ok(flock(a, EXCLUSIVE | NONBLOCK));
    assert.equal(flock(b, EXCLUSIVE | NONBLOCK), false);
    assert.equal(flock(b, SHARED | NONBLOCK), false);
    flock(a, Flock.UNLOCK);
    assert.ok(flock(b, EXCLUSIVE | NONBLOCK));
  },
  "shared locks share": (s) => {
    const [a, b] = [s.opened("file"), s.open(s.path("file"), O.RDWR)];
    assert.ok(flock(a, SHARED | NONBLOCK));
    assert.ok(flock(b, SHARED | NONBLOCK));
    assert.equal(flock(a, EXCLUSIVE | NONBLOCK), false);
  },
  "goes when the file is closed": (s) => {
    const [a, b] = [s.opened("file"), s.open(s.path("file"), O.RDWR)];
    flock(a, EXCLUSIVE);
    s.close(a);
    assert.ok(flock(b, EXCLUSIVE | NONBLOCK));
  },
  "of a directory, and of a file open for reading": (s) => {
    const folder = s.folder("folder");
    const [a, b] = [s.open(folder, O.RDONLY), s.open(folder, O.RDONLY)];
    assert.ok(flock(a, EXCLUSIVE | NONBLOCK));
    assert.equal(flock(b, EXCLUSIVE | NONBLOCK), false);
    assert.ok(flock(s.open(s.file("file"), O.RDONLY), EXCLUSIVE | NONBLOCK));
  },
  "has nothing to do with record locks": (s) => {
    const [a, b] = [s.opened("file"), s.open(s.path("file"), O.RDWR)];
    assert.ok(flock(a, EXCLUSIVE | NONBLOCK));
    assert.ok(setLock(b, "open file", { kind: WRITE, start: 0, length: 0 }));
  },
  "EINVAL for an unknown operation": (s) => refused("EINVAL", () => flock(s.opened("file"), 0)),
});

export const recordLocks = group("fcntl locks", {
  "ranges that overlap are in each other's way, others are not": (s) => {
    const [a, b] = [s.opened("file"), s.open(s.path("file"), O.RDWR)];
    assert.ok(setLock(a, "open file", { kind: WRITE, start: 10, length: 10 }));
    assert.ok(setLock(b, "open file", { kind: WRITE, start: 0, length: 10 }));
    assert.ok(setLock(b, "open file", { kind: WRITE, start: 20, length: 0 }));
    assert.equal(setLock(b, "open file", { kind: READ, start: 19, length: 1 }), false);
    const held = testLock(b, "open file", { kind: WRITE, start: 15, length: 1 });
    assert.deepEqual(held, { kind: WRITE, start: 10, length: 10, pid: -1 });
  },
  "locks for reading share": (s) => {
    const [a, b] = [s.opened("file"), s.open(s.path("file"), O.RDWR)];
    const range = { start: 0, length: 100 };
    assert.ok(setLock(a, "open file", { kind: READ, ...range }));
    assert.ok(setLock(b, "open file", { kind: READ, ...range }));
    assert.equal(setLock(a, "open file", { kind: WRITE, ...range }), false);
  },
  "a hole is unlocked in the middle of a lock": (s) => {
    const [a, b] = [s.opened("file"), s.open(s.path("file"), O.RDWR)];
    setLock(a, "open file", { kind: WRITE, start: 0, length: 100 });
    setLock(a, "open file", { kind: UNLOCK, start: 40, length: 10 });
    assert.ok(setLock(b, "open file", { kind: WRITE, start: 40, length: 10 }));
    assert.equal(setLock(b, "open file", { kind: WRITE, start: 39, length: 1 }), false);
    assert.equal(setLock(b, "open file", { kind: WRITE, start: 50, length: 1 }), false);
  },
  "a lock is weakened and strengthened": (s) => {
    const [a, b] = [s.opened("file"), s.open(s.path("file"), O.RDWR)];
    setLock(a, "open file", { kind: WRITE, start: 0, length: 10 });
    setLock(a, "open file", { kind: READ, start: 0, length: 10 });
    assert.ok(setLock(b, "open file", { kind: READ, start: 0, length: 10 }));
    assert.equal(setLock(a, "open file", { kind: WRITE, start: 0, length: 10 }), false);
  },
  "EBADF for a lock that the descriptor is not open for": (s) => {
    const path = s.file("file");
    refused("EBADF", () => setLock(s.open(path, O.RDONLY), "process", { kind: WRITE, start: 0, length: 1 }));
    refused("EBADF", () => setLock(s.open(path, O.WRONLY), "process", { kind: READ, start: 0, length: 1 }));
  },
  "EINVAL for a range before the start": (s) => {
    refused("EINVAL", () => setLock(s.opened("file"), "process", { kind: WRITE, start: -1, length: 1 }));
  },
  "a process's lock keeps another process out, which learns whose it is": async (s) => {
    const fd = s.opened("file");
    const neighbour = await Neighbour.start(s);
    await neighbour.ask({ call: "lock", path: s.path("file"), start: 5, length: 5 });
    assert.equal(setLock(fd, "process", { kind: WRITE, start: 0, length: 0 }), false);
    const held = testLock(fd, "process", { kind: READ, start: 0, length: 0 });
    assert.deepEqual(held, { kind: WRITE, start: 5, length: 5, pid: neighbour.pid });
    await neighbour.ask({ call: "unlock" });
    assert.ok(setLock(fd, "process", { kind: WRITE, start: 0, length: 0 }));
  },
  "a process's locks go with it": async (s) => {
    const fd = s.opened("file");
    const neighbour = await Neighbour.start(s);
    await neighbour.ask({ call: "lock", path: s.path("file"), start: 0, length: 0 });
    assert.equal(setLock(fd, "process", { kind: READ, start: 0, length: 1 }), false);
    await neighbour.kill();
    assert.ok(setLock(fd, "process", { kind: READ, start: 0, length: 1 }));
  },
  "closing any descriptor of a file drops the process's locks on it": async (s) => {
    const fd = s.opened("file");
    const other = s.open(s.path("file"), O.RDONLY);
    assert.ok(setLock(fd, "process", { kind: WRITE, start: 0, length: 0 }));
    const neighbour = await Neighbour.start(s);
    assert.equal(await neighbour.ask({ call: "lock", path: s.path("file"), start: 0, length: 1 }), false);
    s.close(other);
    assert.equal(await neighbour.ask({ call: "lock", path: s.path("file"), start: 0, length: 1 }), true);
  },
  "who waits for a lock gets it when it is dropped": async (s) => {
    const fd = s.opened("file");
    setLock(fd, "process", { kind: WRITE, start: 0, length: 0 });
    const neighbour = await Neighbour.start(s);
    const waiting = neighbour.ask({ call: "wait", path: s.path("file"), start: 0, length: 1 });
    await s.tick();
    setLock(fd, "process", { kind: UNLOCK, start: 0, length: 0 });
    assert.equal(await waiting, true);
    assert.equal(setLock(fd, "process", { kind: READ, start: 0, length: 1 }), false);
  },
  "EDEADLK for two who would wait for each other": async (s) => {
    const fd = s.opened("file");
    setLock(fd, "process", { kind: WRITE, start: 0, length: 1 });
    const neighbour = await Neighbour.start(s);
    await neighbour.ask({ call: "lock", path: s.path("file"), start: 1, length: 1 });
    const waiting = neighbour.ask({ call: "wait", path: s.path("file"), start: 0, length: 1 });
    await neighbour.asleep();
    refused("EDEADLK", () => setLockWaiting(fd, "process", { kind: WRITE, start: 1, length: 1 }));
    setLock(fd, "process", { kind: UNLOCK, start: 0, length: 0 });
    assert.equal(await waiting, true);
  },
});
