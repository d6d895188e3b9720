/** Servers that are launched without a service manager. Oracle: /proc, as the outside sees it, and the kernel's mount table. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { findMount, unmount } from "@bulkhead/fuse";
import { close } from "@bulkhead/linux";
import { type LaunchedServer, type LaunchOptions, launchServer, runHelper } from "@bulkhead/service";
import { withoutFuse, withoutTools } from "../facilities.js";
import { ask } from "../mount/served-mount.js";
import { run } from "../system/process.js";
import { removeScratch, scratchDirectory } from "../system/scratch.js";
import { SERVER } from "./activation.js";

const skip =
  (process.getuid?.() === 0 ? false : "mounting takes root") ||
  withoutFuse() ||
  withoutTools("unshare", "setpriv", "prlimit", "sleep");

/** The process in the namespaces, seen from outside; waits until it is `name`. */
async function inside({ pid }: LaunchedServer, name: string): Promise<number> {
  for (let waited = 0; waited < 10_000; waited += 5) {
    const children = pid === undefined ? "" : childrenOf(pid);
    const child = Number(children.trim().split(" ")[0]);
    if (child > 0 && nameOf(child) === name && isAsleep(child)) return child;
    await sleep(5);
  }
  throw new Error(`${name} was not started`);
}

/** Empty when it has ended: others come before it. */
function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "latin1").trim();
  } catch {
    return "";
  }
}

/** Whether it has loaded what it is made of, and waits for its time to come. */
function isAsleep(pid: number): boolean {
  try {
    return /nanosleep/.test(readFileSync(`/proc/${pid}/wchan`, "latin1"));
  } catch {
    return false;
  }
}

function childrenOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1");
  } catch {
    return "";
  }
}

const isAlive = (pid: number) => {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "latin1"));
  } catch {
    return false;
  }
};

let folder: string;
let mountPoint: string;
let image: string;
beforeEach(() => {
  folder = scratchDirectory("launch");
  mountPoint = join(folder, "mount");
  image = join(folder, "image");
  mkdirSync(mountPoint);
  writeFileSync(image, "source");
});
afterEach(() => {
  while (findMount(mountPoint) !== undefined) unmount(mountPoint, { lazy: true });
  removeScratch(folder);
});

describe("a launched server", { skip }, () => {
  for (const userNamespace of [true, false]) {
    test(`has a socket, and nothing else (${userNamespace ? "with" : "without"} a user namespace)`, async () => {
      const options: LaunchOptions = {
        command: ["sleep", "60"],
        userNamespace,
        limits: { openFiles: 99 },
        stderr: "ignore",
      };
      const server = launchServer(options);
      try {
        const pid = await inside(server, "sleep");
        const status = readFileSync(`/proc/${pid}/status`, "latin1");
        assert.match(status, /^Uid:\t65534\t65534\t65534\t65534$/m);
        assert.match(status, /^NoNewPrivs:\t1$/m);
        assert.match(status, /^NSpid:\t\d+\t1$/m);
        for (const set of ["Inh", "Prm", "Eff", "Bnd", "Amb"])
          assert.match(status, new RegExp(`^Cap${set}:\t0+$`, "m"));
        for (const kind of ["pid", "mnt", "ipc", "uts", "net", "cgroup", ...(userNamespace ? ["user"] : [])]) {
          const link = (who: number | string) => readlinkSync(`/proc/${who}/ns/${kind}`);
          assert.notEqual(link(pid), link("self"), kind);
        }
        const links = readdirSync(`/proc/${pid}/fd`).map((fd) =>
          readlinkSync(`/proc/${pid}/fd/${fd}`).replace(/\d+/, ""),
        );
        assert.deepEqual(links, ["/dev/null", "/dev/null", "/dev/null", "socket:[]"]);
        const limits = readFileSync(`/proc/${pid}/limits`, "latin1");
        assert.match(limits, /Max open files +99 +99 /);
        assert.match(limits, /Max core file size +0 +0 /);
        const environment = readFileSync(`/proc/${pid}/environ`, "latin1").split("\0");
        assert.deepEqual(environment.filter((line) => line.startsWith("LISTEN")).sort(), [
          "LISTEN_FDS=1",
          "LISTEN_PID=1",
        ]);
        assert.equal(readFileSync(`/proc/${pid}/net/dev`, "latin1").trim().split("\n").length, 3, "only lo");
        server.kill();
        await server.ended;
        for (let waited = 0; isAlive(pid) && waited < 5000; waited += 5) await sleep(5);
        assert.equal(isAlive(pid), false, "what was in the namespaces lives on");
      } finally {
        server.kill();
        close(server.socket);
      }
    });
  }

  test("keeps no file system in use that is unmounted meanwhile", async () => {
    const other = join(folder, "it's another");
    mkdirSync(other);
    run("mount", ["-t", "tmpfs", "-o", "size=1m", "bulkhead-other", other]);
    let server: LaunchedServer | undefined;
    try {
      server = launchServer({ command: ["sleep", "60"], stderr: "ignore" });
      const table = readFileSync(`/proc/${await inside(server, "sleep")}/mountinfo`, "latin1");
      assert.doesNotMatch(table, /bulkhead-other/);
      assert.match(table, / \/proc /);
    } finally {
      server?.kill();
      run("umount", [other]);
    }
    assert.equal((await server.ended) > 0, true);
  });

  test("is there wherever its program is: on a mount of its own, below a directory that is closed to others", async () => {
    const other = join(folder, "other");
    mkdirSync(other);
    run("mount", ["-t", "tmpfs", "-o", "size=1m", "bulkhead-other", other]);
    try {
      for (const mode of [0o755, 0o700]) {
        const application = join(other, `mode-${mode.toString(8)}`, "application");
        mkdirSync(application, { recursive: true });
        chmodSync(dirname(application), mode);
        writeFileSync(join(application, "package.json"), "{}");
        const program = join(application, "main.js");
        writeFileSync(program, 'process.stderr.write("it runs\\n")');
        // As our own servers are started: with options of Node's before the program.
        const server = launchServer({
          command: [process.execPath, "--v8-pool-size=1", program, other],
          stderr: "pipe",
        });
        close(server.socket);
        const said = server.stderr === undefined ? "" : (await server.stderr.toArray()).join("");
        assert.equal(said, "it runs\n");
        assert.equal(await server.ended, 0);
      }
    } finally {
      run("umount", [other]);
    }
  });

  test("mounts, and ends with its mount", async () => {
    const server = launchServer({ command: [process.execPath, SERVER, "hello", "Launched"], stderr: "ignore" });
    const { exitCode, answers } = await runHelper({ arguments: [image, mountPoint, "-t", "hello"], server });
    assert.deepEqual([exitCode, answers], [0, true]);
    assert.equal(ask("cat", [join(mountPoint, "hello")]).stdout, "Launched\n");
    unmount(mountPoint);
    assert.equal(await server.ended, 0);
  });

  test("that says nothing is killed, and nothing is left", async () => {
    const server = launchServer({ command: ["sleep", "60"], stderr: "ignore" });
    const pid = await inside(server, "sleep");
    const { exitCode } = await runHelper({
      arguments: [image, mountPoint, "-t", "hello"],
      server,
      timeouts: { hello: 100 },
      log: () => {},
    });
    assert.equal(exitCode, 1);
    assert.equal(await server.ended, 137);
    for (let waited = 0; isAlive(pid) && waited < 5000; waited += 5) await sleep(5);
    assert.equal(isAlive(pid), false);
    assert.equal(findMount(mountPoint), undefined);
  });

  test("that cannot be started is an error at once", async () => {
    const server = launchServer({ command: ["/nonexistent/server"], stderr: "ignore" });
    const { exitCode } = await runHelper({ arguments: [mountPoint, "-t", "hello"], server, log: () => {} });
    assert.equal(exitCode, 1);
    assert.equal(await server.ended, 127);
  });
});
