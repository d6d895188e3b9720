// Oracles: the file system calls' own meaning, e2fsck and debugfs. The servers are those of a service (systemd-socket-activate), killed or
// told to end, with a keeper and without.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { serverProgram } from "@bulkhead/server/contained";
import { runHelper } from "@bulkhead/service/helper";
import { withoutFuse, withoutLoopMounts, withoutTools } from "../facilities.js";
import { checkImage } from "../images/build.js";
import { Bench, bulkhead, COMMAND, type ServedMount } from "../mount/served-mount.js";
import { USER } from "../mount/ways.js";
import { Activation, asUser } from "../service/activation.js";
import { unmount } from "../system/loop.js";
import { makeWorkloadImage } from "../workloads/trial.js";

const DEADLINE = 30_000;
const run = promisify(execFile);
const skip = withoutLoopMounts() || withoutFuse() || withoutTools("systemd-socket-activate", "setpriv");

/** Waits for something to come true. */
async function until(what: string, holds: () => boolean): Promise<void> {
  for (let waited = 0; !holds(); waited += 20) {
    assert.ok(waited < DEADLINE, what);
    await sleep(20);
  }
}

describe("a mount by a service", { skip }, () => {
  let bench: Bench;
  let image: string;
  let images = 0;
  before(() => {
    bench = new Bench();
  });
  after(() => bench.clear());

  function fresh(): string {
    image = bench.path(`image-${images++}`);
    makeWorkloadImage(image, 64 * 1024 * 1024);
    return image;
  }
  /** Where a service of nobody's can listen. */
  function serviceDirectory(): string {
    const services = bench.path(`services-${images}`);
    mkdirSync(services);
    chmodSync(bench.directory, 0o755);
    chownSync(services, USER, USER);
    return services;
  }
  const shell = (cwd: string, script: string) => run("sh", ["-ec", script], { cwd, timeout: 60_000 });
  const contentOf = async (name: string) => (await run("debugfs", ["-R", `cat /${name}`, image])).stdout;

  it("lives while its servers are killed under load, and nobody notices", async () => {
    const served = await bench.serve(fresh(), [], "activated");
    const script =
      "for i in $(seq 60); do mkdir d; echo $i > d/f; mv d/f d/g; ln d/g d/h; cat d/h; rm -r d; done; sync; echo done";
    const running = shell(served.mountPoint, script);
    let over = false;
    void running.catch(() => {}).finally(() => (over = true));
    let kills = 0;
    for (let last = 0; !over && kills < 2; ) {
      const pid = serverOf(served);
      if (pid !== 0 && pid !== last) {
        await sleep(50 + Math.random() * 200);
        process.kill(pid, "SIGKILL");
        last = pid;
        kills++;
      } else await sleep(20);
    }
    const numbers = Array.from({ length: 60 }, (_, n) => `${n + 1}\n`).join("");
    assert.equal((await running).stdout, `${numbers}done\n`, served.output);
    assert.ok(kills > 0);
    unmount(served.mountPoint);
    assert.deepEqual(await served.end(), { code: 0, signal: null }, served.output);
    assert.equal(served.output.match(/Another one goes on/g)?.length, kills, served.output);
    checkImage(image);
  });

  it("is given up after too many deaths within a minute, with a word", async () => {
    const served = await bench.serve(fresh(), ["restarts=1"], "activated");
    process.kill(served.serverPid, "SIGKILL");
    await shell(served.mountPoint, "mkdir made");
    process.kill(served.serverPid, "SIGKILL");
    await until("it is not given up", () => /: 2 deaths within a minute. It is given up/.test(served.output));
    await assert.rejects(run("ls", [served.mountPoint]), /Transport endpoint is not connected/);
    unmount(served.mountPoint);
    await served.end();
    await run("e2fsck", ["-fy", image]).catch(() => {});
    checkImage(image);
  });

  for (const way of ["activated", "contained"] as const) {
    it(`whose server is told to end is unmounted, with all that was written: ${way}`, async () => {
      const served = await bench.serve(fresh(), [], way);
      await shell(served.mountPoint, "mkdir dir; echo written > dir/file; head -c 3000000 /dev/urandom > large");
      process.kill(served.serverPid, "SIGTERM");
      assert.deepEqual(await served.end(), { code: 0, signal: null }, served.output);
      assert.match(served.output, /SIGTERM: the keeper is asked to unmount/);
      assert.doesNotMatch(served.output, /goes on/);
      checkImage(image);
      assert.equal(await contentOf("dir/file"), "written\n");
      const { stdout } = await run("debugfs", ["-R", "stat /large", image]);
      assert.match(stdout, /Size: 3000000/);
    });
  }

  it("goes on without its keeper, and says so", async () => {
    const served = await bench.serve(fresh(), [], "activated");
    const status = () => JSON.parse(bulkhead("status", "--json", served.mountPoint).stdout) as Status;
    const { keeper, server } = status();
    assert.equal(server.pid, served.serverPid);
    assert.ok(keeper !== null && keeper.pid !== server.pid);
    process.kill(keeper.pid, "SIGKILL");
    await shell(served.mountPoint, "echo without > file; cat file");
    await until("the keeper stays", () => status().keeper === null);
    assert.match(bulkhead("status", served.mountPoint).stdout, /^Keeper: +none to be seen/m);
    unmount(served.mountPoint);
    await served.end();
    assert.match(served.output, /the keeper is gone: the mount goes on/);
    checkImage(image);
  });

  it("by a server that knows no keepers has none, and nothing else is different", async () => {
    fresh();
    const services = serviceDirectory();
    const mountPoint = bench.mountPoint();
    const activation = await Activation.start(services, "bulkhead", ["ext4"]);
    try {
      const helper = join(dirname(COMMAND), "mount.bulkhead.js");
      const environment = { ...process.env, BULKHEAD_SOCKET_DIRECTORY: services };
      await run(process.execPath, [helper, image, mountPoint], { env: environment, timeout: DEADLINE });
      const keepers = () =>
        allProcesses().filter((command) => command.endsWith(`server-process.js\0${image}\0${mountPoint}\0`));
      await until("somebody stays", () => keepers().length === 0);
      await shell(mountPoint, "echo written > file; cat file");
      unmount(mountPoint);
      await run("flock", ["--timeout", "30", image, "true"]);
      checkImage(image);
    } finally {
      unmount(mountPoint);
      await activation.stop();
    }
  });

  it("by another product's helper has no keeper, and what its server was told is there when that is told to end", async () => {
    fresh();
    const services = serviceDirectory();
    const mountPoint = bench.mountPoint();
    const activation = await Activation.listen(services, "ext4", [process.execPath, serverProgram()], asUser(USER));
    try {
      const result = await runHelper({ arguments: [image, mountPoint, "-t", "ext4"], socketDirectory: services });
      assert.deepEqual([result.exitCode, result.isKept], [0, false], activation.said);
      // What the kernel keeps of file data, nobody has told the server.
      await shell(mountPoint, "mkdir dir; ln -s target link; printf %4096s text | dd oflag=direct bs=4096 of=dir/file");
      process.kill(result.serverPid ?? 0, "SIGTERM");
      await run("flock", ["--timeout", "30", image, "true"]);
      await assert.rejects(run("ls", [mountPoint]), /Transport endpoint is not connected/);
      assert.match(activation.said, /SIGTERM: everything is committed/);
      checkImage(image);
      assert.equal((await contentOf("dir/file")).trim(), "text");
    } finally {
      unmount(mountPoint);
      await activation.stop();
    }
  });
});

interface Status {
  readonly server: { readonly pid: number };
  readonly keeper: { readonly pid: number } | null;
}

/** Command lines. */
function allProcesses(): string[] {
  return readdirSync("/proc").flatMap((name) => {
    try {
      return /^\d+$/.test(name) ? readFileSync(`/proc/${name}/cmdline`, "utf8") : [];
    } catch {
      return []; // it ended
    }
  });
}

/** The process that serves; 0 while there is none. */
function serverOf(served: ServedMount): number {
  try {
    return served.serverPid;
  } catch {
    return 0;
  }
}
