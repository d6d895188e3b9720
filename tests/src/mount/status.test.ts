// Oracle: the kernel's word on whose requests a descriptor's are (fdinfo), and what the processes were started as.
import assert from "node:assert/strict";
import { chmodSync, mkdirSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { withoutMountTools } from "../facilities.js";
import { asUser } from "../service/activation.js";
import { run } from "../system/process.js";
import { ask, Bench, bulkhead, COMMAND, type ServedMount } from "./served-mount.js";
import { USER } from "./ways.js";

interface Status {
  readonly contained: boolean;
  readonly missing: readonly string[];
  readonly server: {
    readonly pid: number;
    readonly uid: number;
    readonly limits: unknown;
    readonly seccompFilters: number;
  };
  readonly keeper: { readonly pid: number; readonly uid: number } | null;
}

describe("the status of a mount", { skip: withoutMountTools() }, () => {
  let bench: Bench;
  let image = "";
  before(() => {
    bench = new Bench();
    image = bench.path("image");
    run("mke2fs", ["-q", "-O", "has_journal,extent,64bit,metadata_csum", "-b", "4096", image, "16M"]);
  });
  after(() => bench.clear());

  const statusOf = ({ mountPoint }: ServedMount, ...as: string[]): Status => {
    const [command = "", ...args] = [...as, process.execPath, COMMAND, "status", "--json", mountPoint];
    const { code, stdout, stderr } = ask(command, args);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout) as Status;
  };

  it("tells server and keeper apart, and what the server cannot do", async () => {
    const served = await bench.serve(image, ["ro"]);
    const { contained, missing, server, keeper } = statusOf(served);
    assert.deepEqual([contained, missing], [true, []]);
    assert.deepEqual([server.pid, keeper?.pid, keeper?.uid], [served.serverPid, served.pid, 0]);
    assert.notEqual(server.uid, 0);
    assert.ok(server.seccompFilters > 0);
    assert.match(bulkhead("status", served.mountPoint).stdout, /^Contained: +yes$/m);
    await served.stop();
  });

  it("can be asked by users, who see less", async () => {
    const served = await bench.serve(image, ["ro", "allow_other"]);
    chmodSync(bench.directory, 0o755);
    const { contained, server } = statusOf(served, ...asUser(USER));
    assert.deepEqual([contained, server.pid], [true, served.serverPid]);
    await served.stop();
  });

  it("is not contained where that was asked for", async () => {
    const point = bench.mountPoint();
    const mounted = bulkhead("mount", "--uncontained", "-o", "ro", image, point);
    assert.equal(mounted.code, 0, mounted.stderr);
    assert.match(mounted.stderr, /^bulkhead mount: --uncontained: /);
    try {
      const { stdout } = bulkhead("status", "--json", point);
      const { contained, missing, keeper } = JSON.parse(stdout) as Status;
      assert.deepEqual([contained, keeper], [false, null]);
      assert.match(missing.join("; "), /root.*capabilities.*privileges.*system calls.*namespaces: user, mnt/);
    } finally {
      assert.equal(bulkhead("umount", point).code, 0);
    }
  });

  it("says what is no mount of ours", () => {
    const plain = bench.path("plain");
    mkdirSync(plain);
    assert.match(bulkhead("status", plain).stderr, /nothing is mounted/);
    assert.match(bulkhead("status", "/proc").stderr, /the kernel's own \(proc\)/);
  });
});
