// Oracle: the file system calls' own meaning, and e2fsck. The servers have no walls here, and can be told to die in the middle of a request.
import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { operations } from "@bulkhead/fuse/protocol";
import { withoutFuse, withoutLoopMounts, withoutTools } from "../facilities.js";
import { checkImage } from "../images/build.js";
import { FEATURES } from "../model/variants.js";
import { Bench } from "../mount/served-mount.js";
import { makeWorkloadImage } from "../workloads/trial.js";
import { BareKeeper } from "./bare-keeper.js";
import type { Death, Life } from "./bare-server.js";

const HELD = fileURLToPath(new URL("../../src/survival/held.py", import.meta.url));
/** renameat2(2) with RENAME_EXCHANGE: done twice, it would be as if it had not been done. */
const EXCHANGE = `python3 -c "import ctypes; exit(ctypes.CDLL(None).renameat2(-100, b'symlink', -100, b'dir', 2))"`;
const run = promisify(execFile);
const skip = withoutLoopMounts() || withoutFuse() || withoutTools("python3");

describe("a mount whose server dies", { skip }, () => {
  let bench: Bench;
  before(() => {
    bench = new Bench();
  });
  after(() => bench.clear());

  /** Mounts a fresh image while `work` runs; then it has to be clean. */
  async function mounted(life: Omit<Life, "image">, work: (keeper: BareKeeper) => Promise<void>, mke2fs?: string[]) {
    const image = bench.path("image");
    rmSync(image, { force: true });
    makeWorkloadImage(image, 64 * 1024 * 1024, mke2fs);
    const keeper = new BareKeeper({ ...life, image }, bench.mountPoint());
    try {
      await work(keeper);
    } finally {
      await keeper.end();
    }
    checkImage(image);
  }

  const shell = (keeper: BareKeeper, script: string) =>
    run("sh", ["-ec", script], { cwd: keeper.mountPoint, timeout: 60_000 });

  /** Each is done once, and would fail, or show, if it were done twice. */
  const once: readonly [name: keyof typeof operations, script: string][] = [
    ["MKDIR", "mkdir dir"],
    ["MKNOD", "set -C; echo text > file"],
    ["SYMLINK", "ln -s target symlink"],
    ["LINK", "ln file link"],
    ["RENAME", `python3 -c "import os; os.rename('file', 'dir/moved')"`],
    ["UNLINK", "rm link"],
    ["SETXATTR", "python3 -c \"import os; os.setxattr('dir', 'user.x', b'1', os.XATTR_CREATE)\""],
    ["RENAME2", EXCHANGE],
    ["RMDIR", "mkdir other; rmdir other"],
  ];
  const cases: readonly [how: string, serving: Life["serving"], steps: number, look: string, outcome: string][] = [
    [
      "kept",
      {},
      once.length,
      "ls . dir; readlink dir; cat symlink/moved; stat -c %h symlink/moved",
      "dir\n\n.:\ndir\nlost+found\nsymlink\ntarget\ntext\n1\n",
    ],
    // What is made durable is done, and not yet answered, when it is kept.
    ["made durable", { sync: true }, 4, "ls", "dir\nfile\nlink\nlost+found\nsymlink\n"],
  ];
  for (const [how, serving = {}, count, look, outcome] of cases) {
    it(`does once what was ${how} but not answered`, async () => {
      const steps = once.slice(0, count);
      const deaths = steps.map(([name]): Death => ({ opcode: operations[name].opcode, when: "unanswered" }));
      await mounted({ serving, deaths }, async (keeper) => {
        for (const [index, [name, script]] of steps.entries()) {
          await shell(keeper, script);
          assert.equal(keeper.deaths, index + 1, `${name}: ${keeper.output}`);
        }
        assert.equal((await shell(keeper, look)).stdout, outcome);
      });
    });
  }

  it("does what the server had read and not begun", async () => {
    await mounted({ deaths: [{ opcode: operations.MKDIR.opcode, when: "before" }] }, async (keeper) => {
      assert.equal((await shell(keeper, "mkdir made; rmdir made; mkdir made; ls")).stdout, "lost+found\nmade\n");
      assert.equal(keeper.deaths, 1);
    });
  });

  it("keeps files without a name, locks, and the place in a directory", async () => {
    await mounted({}, async (keeper) => {
      const holder = spawn("python3", [HELD, keeper.mountPoint, "3000"], { stdio: ["pipe", "pipe", "pipe"] });
      await heard(holder);
      keeper.kill();
      await sleep(20);
      holder.stdin?.end("\n");
      assert.deepEqual(await ended(holder), { code: 0, said: "" });
      assert.equal(keeper.deaths, 1);
    });
  });

  it("goes on under load, without a journal", async () => {
    await mounted(
      {},
      async (keeper) => {
        const script =
          "for i in $(seq 100); do mkdir d; echo $i > d/f; mv d/f d/g; ln d/g d/h; cat d/h; rm -r d; done; sync; echo done";
        await statfs(keeper.mountPoint);
        const running = shell(keeper, script);
        let over = false;
        void running.catch(() => {}).finally(() => (over = true));
        while (!over && keeper.deaths < 3) {
          await sleep(100 + Math.random() * 300);
          keeper.kill();
        }
        const numbers = Array.from({ length: 100 }, (_, n) => `${n + 1}\n`).join("");
        assert.equal((await running).stdout, `${numbers}done\n`, keeper.output);
      },
      ["-O", `${FEATURES},^has_journal`],
    );
  });

  it("is given up after too many deaths within a minute, with a word", async () => {
    const image = bench.path("given-up");
    makeWorkloadImage(image, 64 * 1024 * 1024);
    const served = await bench.serve(image, ["restarts=1"]);
    process.kill(served.serverPid, "SIGKILL");
    await run("mkdir", ["made"], { cwd: served.mountPoint });
    process.kill(served.serverPid, "SIGKILL");
    const { code } = await served.end();
    assert.notEqual(code, 0);
    assert.match(served.output, /Another one goes on[\s\S]*: 2 deaths within a minute. It is given up/);
    await assert.rejects(run("ls", [served.mountPoint]), /Transport endpoint is not connected/);
    await served.clear();
    await run("e2fsck", ["-fy", image]).catch(() => {});
    checkImage(image);
  });

  it("writes what was in the kernel's cache, and counts one mount", async () => {
    const image = bench.path("image");
    await mounted({}, async (keeper) => {
      await shell(keeper, "head -c 3000000 /dev/urandom | tee ../copy > file");
      keeper.kill();
      await shell(keeper, "sync; cmp file ../copy");
    });
    const { stdout } = await run("dumpe2fs", ["-h", image]);
    assert.match(stdout, /Mount count: +1\n/);
    assert.ok(readFileSync(join(bench.directory, "copy")).length === 3_000_000);
  });
});

/** Resolves when a process has said something. */
function heard({ stdout, stderr }: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    stdout?.once("data", () => resolve());
    stderr?.once("data", (chunk: Buffer) => reject(new Error(chunk.toString())));
  });
}

function ended(child: ChildProcess): Promise<{ code: number | null; said: string }> {
  const said: Buffer[] = [];
  child.stderr?.on("data", (chunk: Buffer) => said.push(chunk));
  return new Promise((resolve) => {
    child.on("close", (code) => resolve({ code, said: Buffer.concat(said).toString() }));
  });
}
