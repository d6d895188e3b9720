// Oracle: the kernel's word on whose requests a descriptor's are (fdinfo), and what the processes were started as.
import assert from "node:assert/strict";
import { chmodSync, chownSync, mkdirSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { withoutMountTools } from "../facilities.js";
import { asUser } from "../service/activation.js";
import { run } from "../system/process.js";
import { ask, Bench, bulkhead, COMMAND, type ServedMount } from "./served-mount.js";
import { USER } from "./ways.js";

interface Status {
  readonly contained: boolean;
  readonly missing: readonly string[];
  readonly unseen: readonly string[];
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
    // The server itself runs as USER.
    const { contained, unseen, server } = statusOf(served, ...asUser(USER - 1));
    assert.deepEqual([contained, unseen, server.pid], [true, ["namespaces"], served.serverPid]);
    await served.stop();
  });

  for (const [who, fakeRoot, uid] of [
    ["the user who mounted, who sees the keeper's descriptors alone", [], USER],
    ["a user who mounted as root of a namespace of their own", ["unshare", "-Urm"], 0],
  ] as const)
    it(`can be asked by ${who}`, () => {
      chmodSync(bench.directory, 0o755);
      const own = bench.path(`own-${uid}`);
      run("cp", [image, own]);
      const point = bench.mountPoint();
      for (const path of [own, point]) chownSync(path, USER, USER);
      // A /dev/fuse that users may open, in a mount namespace of its own.
      const script = `
      rm -f "$1/fuse"; mknod -m 666 "$1/fuse" c 10 229 && mount --bind "$1/fuse" /dev/fuse && shift
      exec "$@"`;
      const user = `
      node="$1" command="$2" image="$3" point="$4"
      $node $command mount $image $point && { $node $command status --json $point; $node $command status $point; $node $command status; }
      $node $command umount $point`;
      const theirs = [...asUser(USER), ...fakeRoot, "sh", "-c", user, "sh", process.execPath, COMMAND, own, point];
      const { code, stdout, stderr } = ask("unshare", ["-m", "sh", "-c", script, "sh", bench.directory, ...theirs]);
      assert.deepEqual([code, stderr], [0, ""]);
      const end = stdout.indexOf("\n}\n") + 2;
      const { contained, missing, server, keeper } = JSON.parse(stdout.slice(0, end)) as Status;
      assert.deepEqual([contained, missing, keeper?.uid], [true, [], uid]);
      assert.notEqual(server.pid, keeper?.pid);
      assert.ok(server.seccompFilters > 0);
      assert.match(stdout.slice(end), /^Contained: +yes/m);
      assert.ok(stdout.includes(`${own} on ${point}: contained, process ${server.pid}, user ${uid}, `));
    });

  it("can be asked by users of a mount in the background, and is not contained where that was asked for", () => {
    chmodSync(bench.directory, 0o755);
    for (const [how, expected] of [
      [[], true],
      [["--uncontained"], false],
    ] as const) {
      const point = bench.mountPoint();
      const mounted = bulkhead("mount", ...how, "-o", "ro,allow_other", image, point);
      assert.equal(mounted.code, 0, mounted.stderr);
      try {
        const [command = "", ...args] = [...asUser(USER), process.execPath, COMMAND, "status", "--json", point];
        const { contained, keeper } = JSON.parse(ask(command, args).stdout) as Status;
        assert.deepEqual([contained, keeper !== null], [expected, expected]);
      } finally {
        assert.equal(bulkhead("umount", point).code, 0);
      }
    }
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

  it("lists all mounts, with and without a server", async () => {
    const [contained, dead] = [await bench.serve(image, ["ro"]), await bench.serve(image, ["ro", "norestart"])];
    process.kill(dead.serverPid, "SIGKILL");
    await dead.ended;
    const list = JSON.parse(bulkhead("status", "--json").stdout) as (Omit<Status, "server"> & {
      readonly mountpoint: string;
      readonly server: Status["server"] | null;
    })[];
    const seen = (mountPoint: string) => list.filter(({ mountpoint }) => mountpoint === mountPoint);
    const [ours] = seen(contained.mountPoint);
    assert.deepEqual([ours?.contained, ours?.server?.pid], [true, contained.serverPid]);
    const [theirs] = seen(dead.mountPoint);
    assert.deepEqual([theirs?.contained, theirs?.server, theirs?.keeper], [false, null, null]);
    assert.ok(list.every(({ mountpoint }) => seen(mountpoint).length === 1));
    const lines = bulkhead("status").stdout.trim().split("\n");
    assert.ok(lines.includes(`${image} on ${dead.mountPoint}: no server to be seen`));
    // Other tests mount and unmount meanwhile.
    assert.equal(lines.filter((line) => line.includes(` on ${dead.mountPoint}: `)).length, 1);
    const expected = `${image} on ${contained.mountPoint}: contained, process ${contained.serverPid}, user `;
    assert.ok(lines.some((line) => line.startsWith(expected)));
    assert.equal(bulkhead("umount", dead.mountPoint).code, 0);
    await contained.stop();
  });

  it("says what is no mount of ours", () => {
    const plain = bench.path("plain");
    mkdirSync(plain);
    assert.match(bulkhead("status", plain).stderr, /nothing is mounted/);
    assert.match(bulkhead("status", "/proc").stderr, /the kernel's own \(proc\)/);
  });
});
