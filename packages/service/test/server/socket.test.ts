/** Oracle: the table of the protocol's reference; systemd's own activation is in tests/src/service. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { close, open, SocketType, socketpair } from "@bulkhead/linux";
import { findServiceSocket, parseCommand, serviceExitCode } from "../../src/index.js";
import { text } from "../wire.js";

test("without the variables, or with another's, this is no service", () => {
  const pid = 77;
  for (const environment of [
    {},
    { LISTEN_FDS: "1" },
    { LISTEN_PID: "77" },
    { LISTEN_FDS: "1", LISTEN_PID: "78" },
    { LISTEN_FDS: "1", LISTEN_PID: "77x" },
    { LISTEN_FDS: "0", LISTEN_PID: "77" },
    { LISTEN_FDS: "one", LISTEN_PID: "77" },
    { LISTEN_FDS: "4294967296", LISTEN_PID: "77" },
  ]) {
    assert.equal(findServiceSocket(environment, pid), undefined);
  }
  assert.throws(() => findServiceSocket({ LISTEN_FDS: "2", LISTEN_PID: "77" }, pid), { code: "E2BIG" });
});

/** A process with this as descriptor 3, told that it is a service; what it says of that. */
function asService(fd: number | "ignore"): string {
  const module = new URL("../../src/index.js", import.meta.url).href;
  const script = `
    const { findServiceSocket } = await import(process.env.MODULE);
    try { console.log(findServiceSocket()); } catch (error) { console.log(error.code); }`;
  const shell = 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" --input-type=module -e "$SCRIPT"';
  const { stdout } = spawnSync("sh", ["-c", shell, process.execPath], {
    env: { ...process.env, MODULE: module, SCRIPT: script },
    stdio: ["ignore", "pipe", "inherit", fd],
    encoding: "utf8",
    timeout: 30_000,
  });
  return stdout.trim();
}

test("descriptor 3 is looked at before it is used", () => {
  const [ours, theirs] = socketpair(SocketType.SEQPACKET);
  const file = open("/dev/null", 0);
  assert.equal(asService(theirs), "3");
  assert.equal(asService(file), "ENOTSOCK");
  for (const fd of [ours, theirs, file]) close(fd);
});

test("arguments are sorted by whose business they are", () => {
  const parse = (own: string[], ...list: string[]) => parseCommand(list.map(text), own);
  const { source, mountPoint, options, msFlags, flags, tableOptions } = parse(
    ["-o", "errors=continue,ro"],
    ...["ext4", "/dev/x", "/m", "-o", "data=journal,noload,rw,suid,x-a=b", "-n", "--debug", "-oacl"],
  );
  assert.deepEqual([source, mountPoint], [text("/dev/x"), text("/m")]);
  assert.deepEqual(options, ["errors=continue", "data=journal", "noload", "acl"]);
  assert.equal(msFlags, 4); // nodev: the caller's rw and suid come after the server's own words
  assert.deepEqual(flags, ["--debug"]);
  assert.deepEqual(
    tableOptions,
    ["-n", "x-a=b"].sort((a, b) => (a < b ? -1 : 1)),
  );
  assert.equal(parse([], "x", "/m").source, undefined);
  assert.deepEqual(parseCommand([text("x"), Uint8Array.of(0xff, 0x2f), text("/m")]).source, Uint8Array.of(0xff, 0x2f));
  for (const bad of [["x"], ["x", "/a", "/b", "/c"], ["x", "/a", "/b", "-o"]]) {
    assert.throws(() => parse([], ...bad), { code: "EINVAL" });
  }
});

test("a service ends with 0 or 1", () => {
  assert.equal(serviceExitCode(undefined), 0);
  assert.equal(serviceExitCode(new Error("x")), 1);
});
