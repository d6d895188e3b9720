/** Where lock-down must refuse to go on, and what it does in a user namespace. Oracle: /proc, and the kernel's answers. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { constants } from "node:os";
import { describe, test } from "node:test";
import { withoutTools } from "../facilities.js";

const skip = (process.getuid?.() === 0 ? false : "takes root") || withoutTools("setpriv", "unshare");

/** Runs `code`, with `call` of the attacker's and `lockDown`, behind the command `before`; what it has said. */
function apart(before: readonly string[], code: string): string {
  const modules = ["./attempt.js", "@bulkhead/server/lock-down"].map((name) => import.meta.resolve(name));
  const start = `import * as fs from "node:fs";
    const { call } = await import(${JSON.stringify(modules[0])});
    const { lockDown } = await import(${JSON.stringify(modules[1])});
    const say = (text) => fs.writeSync(1, text + "\\n");\n`;
  const [command = "", ...args] = [...before, process.execPath, "--input-type=module", "-e", start + code];
  const { stdout, stderr, signal } = spawnSync(command, args, {
    encoding: "utf8",
    timeout: 20_000,
    env: { ...process.env, UV_USE_IO_URING: "0" },
  });
  return `${stdout}${signal ?? /^Error: .*$/m.exec(stderr)?.[0] ?? ""}`.trim();
}

describe("lock-down", { skip }, () => {
  test("closes an io_uring, which no filter sees", () => {
    const said = apart(
      [],
      `const ring = call("io_uring_setup", 1, new Uint8Array(120));
      const write = () => { try { return fs.writeSync(ring, new Uint8Array(8)) } catch ({ code }) { return code } };
      say(write());
      lockDown();
      say(write());
      call("io_uring_enter", ring, 0, 0, 0, 0, 0);`,
    );
    // A ring cannot be written to. What is there instead can, and does nothing.
    assert.equal(said, "EINVAL\n8\nSIGSYS");
  });

  test("lets a thread begin that was made before, and had not run yet", () => {
    // As wrong as they are, the kernel says so: the filter has let them through.
    const said = apart(
      [],
      // Not Node's way to end: it may ask the ring that is closed.
      `lockDown(); say(call("set_robust_list", 0, 1)); say(call("rseq", 0, 1, 0, 0));
      call("exit_group", 0);`,
    );
    assert.equal(said, `-${constants.errno.EINVAL}\n-${constants.errno.EINVAL}`);
  });

  test("refuses to go on where there is an io_uring that needs no system calls", () => {
    const said = apart(
      [],
      `const parameters = new Uint32Array(30);
      parameters[2] = 2; // IORING_SETUP_SQPOLL
      call("io_uring_setup", 1, new Uint8Array(parameters.buffer)); lockDown(); say("locked");`,
    );
    assert.match(said, /^Error: Node has made an io_uring.*UV_USE_IO_URING=0/);
  });

  test("refuses to go on where a thread would keep capabilities", () => {
    const said = apart(["setpriv", "--bounding-set=-setuid", "--"], `lockDown(); say("locked");`);
    assert.match(said, /^Error: thread \d+ \(.*\) would keep capabilities \(CapPrm, CapEff\)/);
  });

  test("works as root of a user namespace that has nobody else", () => {
    const said = apart(
      ["unshare", "--user", "--map-root-user", "--"],
      `lockDown(); say("locked"); call("setresuid", 0, 0, 0);`,
    );
    assert.equal(said, "locked\nSIGSYS");
  });

  test("works for a user", () => {
    const become = "process.setgroups([]); process.setgid(1000); process.setuid(1000);";
    const said = apart([], `${become} lockDown(); say(fs.readSync(0, Buffer.alloc(1))); call("socket", 1, 1, 0);`);
    assert.equal(said, "0\nSIGSYS");
  });
});
