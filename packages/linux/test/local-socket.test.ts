/** Oracle: Node's own sockets and the kernel's /proc. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import {
  AddressFamily,
  accept,
  addressFamily,
  addSeals,
  bind,
  close,
  connect,
  Errno,
  getSeals,
  getSocketOption,
  isCloseOnExec,
  listen,
  localSocket,
  memfdCreate,
  open,
  openProcess,
  Poll,
  PollSet,
  pwrite,
  recv,
  Seal,
  SocketOption,
  SocketType,
  send,
  senderOf,
  setCloseOnExec,
  setSocketOption,
  shutdown,
  signalProcess,
  socketpair,
  withFileRights,
} from "../src/index.js";

const folder = mkdtempSync(join(tmpdir(), "linux-socket-"));
after(() => rmSync(folder, { recursive: true, force: true }));

describe("local sockets with a name", () => {
  test("carry packets with their boundaries to whoever accepts", () => {
    const path = join(folder, "s");
    const server = localSocket(SocketType.SEQPACKET);
    const client = localSocket(SocketType.SEQPACKET);
    assert.throws(() => connect(client, path), { code: "ENOENT" });
    bind(server, path);
    assert.throws(() => connect(client, path), { code: "ECONNREFUSED" });
    assert.match(readFileSync("/proc/net/unix", "latin1"), new RegExp(path));
    listen(server, 1);
    connect(client, path);
    const accepted = accept(server);
    assert.equal(send(client, Uint8Array.of(1, 2), 0, 2), 2);
    assert.equal(send(client, Uint8Array.of(3), 0, 1), 1);
    const bytes = new Uint8Array(8);
    assert.equal(recv(accepted, bytes, 0, 8, 0), 2);
    assert.equal(recv(accepted, bytes, 0, 8, 0), 1);
    shutdown(accepted);
    assert.equal(recv(client, bytes, 0, 8, 0), 0);
    assert.equal(send(client, bytes, 0, 1), -32 /* EPIPE */);
    for (const fd of [server, client, accepted]) close(fd);
  });

  test("have options, a family, and a limit to their path", () => {
    const fd = localSocket(SocketType.SEQPACKET);
    assert.equal(getSocketOption(fd, SocketOption.TYPE), SocketType.SEQPACKET);
    setSocketOption(fd, SocketOption.SNDBUF, 8192);
    assert.equal(getSocketOption(fd, SocketOption.SNDBUF), 16384); // the kernel doubles it
    assert.throws(() => setSocketOption(fd, 9999, 1), { code: "ENOPROTOOPT" });
    assert.equal(addressFamily(fd), AddressFamily.UNIX);
    assert.throws(() => connect(fd, "x".repeat(108)), { code: "ENAMETOOLONG" });
    close(fd);
    const file = open("/dev/null", 0);
    assert.throws(() => addressFamily(file), { code: "ENOTSOCK" });
    close(file);
  });
});

test("a sealed file in memory cannot be changed any more", () => {
  const fd = memfdCreate("sealed", true);
  assert.equal(pwrite(fd, Uint8Array.of(7), 0, 1, 0), 1);
  addSeals(fd, Seal.WRITE | Seal.GROW | Seal.SHRINK | Seal.SEAL);
  assert.equal(getSeals(fd), 15);
  assert.equal(pwrite(fd, Uint8Array.of(8), 0, 1, 0), -1 /* EPERM */);
  assert.throws(() => addSeals(fd, 0), { code: "EPERM" });
  close(fd);
  const plain = memfdCreate("plain");
  assert.throws(() => addSeals(plain, Seal.WRITE), { code: "EPERM" });
  assert.equal(isCloseOnExec(plain), true);
  setCloseOnExec(plain, false);
  assert.equal(isCloseOnExec(plain), false);
  close(plain);
});

test("file rights are another's only as long as the work lasts", {
  skip: process.getuid?.() === 0 ? false : "needs root",
}, () => {
  const path = join(folder, "secret");
  writeFileSync(path, "", { mode: 0o600 });
  const status = () => /^Uid:\s+(.*)$/m.exec(readFileSync("/proc/thread-self/status", "latin1"))?.[1];
  const before = [status(), process.getgroups?.()];
  withFileRights({ uid: 4711, gid: 4711 }, () => {
    assert.equal(status(), "0\t0\t0\t4711");
    assert.throws(() => open(path, 0), { code: "EACCES" });
  });
  assert.throws(
    () =>
      withFileRights({ uid: 4711, gid: 4711 }, () => {
        throw new Error("x");
      }),
    /x/,
  );
  close(open(path, 0));
  assert.deepEqual([status(), process.getgroups?.()], before);
});

test("the sender of a message is known, and can be held and ended although it is no child of ours", async () => {
  const [ours, theirs] = socketpair(SocketType.SEQPACKET);
  setSocketOption(ours, SocketOption.PASSCRED, 1);
  assert.equal(senderOf(ours), undefined);
  const script = "import os, time; os.write(3, b'here'); time.sleep(60)";
  const child = spawn("python3", ["-c", script], { stdio: ["ignore", "ignore", "inherit", theirs] });
  close(theirs);
  const ready = new PollSet(1);
  ready.set(0, ours, Poll.IN);
  assert.equal(ready.poll(10_000), 1);
  const pid = senderOf(ours) ?? 0;
  assert.equal(pid, child.pid);
  const buffer = new Uint8Array(16);
  assert.equal(recv(ours, buffer, 0, 16, 0), 4, "the message is still there");
  const held = openProcess(pid);
  ready.set(0, held, Poll.IN);
  assert.equal(ready.poll(0), 0);
  assert.equal(signalProcess(held, constants.signals.SIGKILL), 0);
  assert.equal(ready.poll(10_000), 1);
  await new Promise((resolve) => child.on("exit", resolve));
  assert.equal(signalProcess(held, 0), -Errno.ESRCH);
  assert.throws(() => openProcess(pid), { code: "ESRCH" });
  for (const fd of [ours, held]) close(fd);
});
