// Oracle: sync(1), umount(8) and e2fsck on a block device (a loop device), and the kernel's rules of who may have one.
import assert from "node:assert/strict";
import { constants, readdirSync, readFileSync, readlinkSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { withoutMountTools } from "../facilities.js";
import { leaveMountNamespace } from "../system/calls.js";
import { run } from "../system/process.js";
import { ask, Bench, bulkhead, isMounted, type ServedMount } from "./served-mount.js";

/** mke2fs options; the block sizes around the page's. */
const SHAPES = [
  ["-b", "1024"],
  ["-b", "4096"],
  ["-b", "65536"],
] as const;

describe("a mount of a block device", { skip: withoutMountTools() }, () => {
  let bench: Bench;
  const loops: string[] = [];

  before(() => {
    leaveMountNamespace();
    bench = new Bench();
  });
  after(async () => {
    await bench.clear();
    for (const loop of loops) run("losetup", ["--detach", loop]);
  });

  /** A new loop device of 128 MiB and 3 KiB, which not all block sizes divide, with a file system. */
  function device(...options: readonly string[]): string {
    const image = bench.path(`image-${loops.length}`);
    writeFileSync(image, "");
    truncateSync(image, (128 << 20) + 3072);
    const loop = run("losetup", ["--find", "--show", image]).stdout.toString("latin1").trim();
    loops.push(loop);
    run("mke2fs", ["-q", "-F", "-t", "ext4", ...options, loop]);
    return loop;
  }

  function assertClean(loop: string): void {
    const { code, stdout, stderr } = ask("e2fsck", ["-fn", loop]);
    assert.equal(code, 0, stdout + stderr);
  }

  function typeOf({ mountPoint }: ServedMount): string {
    const line = readFileSync("/proc/self/mountinfo", "latin1")
      .split("\n")
      .find((line) => line.split(" ")[4] === mountPoint);
    return line?.split(" - ")[1]?.split(" ")[0] ?? "nothing";
  }

  /** A small tree, and a file with its checksum. */
  function fill(at: string): void {
    const script = `mkdir -p tree/a/b && head -c 90000000 "$1" > tree/a/b/copy && ln -s a tree/link && head -c 5000000 /dev/urandom > data && rm -f gone &&
      for i in $(seq 300); do echo $i > tree/$i; done; cksum data > sum`;
    const { code, stderr } = ask("sh", ["-ec", script, "sh", process.execPath], at);
    assert.equal(code, 0, stderr);
  }

  for (const shape of SHAPES) {
    describe(`mke2fs ${shape.join(" ")}`, () => {
      it("is free and clean when umount(8) returns", async () => {
        const loop = device(...shape);
        for (let round = 0; round < 3; round++) {
          const served = await bench.serve(loop);
          assert.equal(typeOf(served), "fuseblk.bulkhead");
          if (round === 0) fill(served.mountPoint);
          else
            ask(
              "sh",
              ["-c", `cksum data | cmp - sum && mv tree tree-${round} && cp -r tree-${round} tree`],
              served.mountPoint,
            );
          assert.equal(ask("sh", ["-c", "cksum data | cmp - sum"], served.mountPoint).code, 0);
          assert.equal(ask("umount", [served.mountPoint]).code, 0);
          assertClean(loop);
          assert.deepEqual(await served.end(), { code: 0, signal: null });
          assert.equal(served.output, "");
        }
      });

      it("loses nothing that was there at a sync(1), when the server is killed", async () => {
        const loop = device(...shape);
        const served = await bench.serve(loop, ["commit=300"]);
        fill(served.mountPoint);
        ask("sync", []);
        served.signal("SIGKILL");
        await served.end();
        const again = bulkhead("mount", loop, bench.mountPoint());
        assert.equal(again.code, 1);
        assert.match(again.stderr, /in use/);
        assert.deepEqual(bulkhead("umount", served.mountPoint), { code: 0, stdout: "", stderr: "" });
        const next = await bench.serve(loop);
        const found = ask("sh", ["-c", "cksum data | cmp - sum && ls tree | wc -l"], next.mountPoint);
        assert.equal(found.stdout.trim(), "302", found.stderr);
        assert.equal(ask("umount", [next.mountPoint]).code, 0);
        assertClean(loop);
      });
    });
  }

  it("syncs by syncfs(2) as well", async () => {
    const loop = device();
    const served = await bench.serve(loop, ["commit=300"]);
    fill(served.mountPoint);
    assert.equal(ask("sync", ["-f", served.mountPoint]).code, 0);
    served.signal("SIGKILL");
    await served.end();
    assert.equal(ask("umount", [served.mountPoint]).code, 0);
    const next = await bench.serve(loop, ["ro"]);
    assert.equal(ask("sh", ["-c", "cksum data | cmp - sum"], next.mountPoint).code, 0);
    await next.stop();
  });

  it("is the only one of its device, for writing and reading", async () => {
    const loop = device();
    for (const options of [[], ["ro"]]) {
      const served = await bench.serve(loop, options);
      assert.equal(typeOf(served), "fuseblk.bulkhead");
      for (const other of [[], ["-o", "ro"]]) {
        const answer = bulkhead("mount", ...other, loop, bench.mountPoint());
        assert.equal(answer.code, 1);
        assert.match(answer.stderr, /in use/);
        assert.equal(answer.stderr.trimEnd().split("\n").length, 1, answer.stderr);
      }
      // Without a mount, as with a file: reading ones share it.
      const listed = bulkhead("ls", `${loop}:/`);
      assert.equal(listed.code, options.length === 0 ? 1 : 0, listed.stderr);
      if (listed.code === 1) assert.match(listed.stderr, /in use: it is mounted at /);
      assert.notEqual(ask("mount", ["-t", "ext4", loop, bench.mountPoint()]).code, 0);
      assert.equal(ask("ls", [served.mountPoint]).code, 0);
      assert.equal(await served.stop(), "");
      assert.ok(!isMounted(served.mountPoint));
      assertClean(loop);
    }
  });

  it("ends by a signal, with files open as without", async () => {
    const loop = device();
    const served = await bench.serve(loop);
    fill(served.mountPoint);
    const script = 'exec 3>> data; cd /; kill -TERM "$1"; sleep 0.5; echo more >&3';
    assert.equal(ask("sh", ["-c", script, "sh", String(served.pid)], served.mountPoint).stderr, "");
    assert.deepEqual(await served.end(), { code: 0, signal: null });
    assertClean(loop);
  });

  it("deletes at its end what is open without a name, and is clean", async () => {
    const loop = device();
    const served = await bench.serve(loop);
    fill(served.mountPoint);
    const script = 'exec 3< data; rm data; cd /; umount -l "$1"; head -c 10 <&3 | wc -c';
    assert.equal(ask("sh", ["-c", script, "sh", served.mountPoint], served.mountPoint).stdout.trim(), "10");
    assertClean(loop);
    assert.deepEqual(await served.end(), { code: 0, signal: null });
  });

  it("tells the device what is free, also what has just been written", async () => {
    const loop = device();
    const served = await bench.serve(loop, ["discard"]);
    fill(served.mountPoint);
    ask("sh", ["-c", "cp data other && rm data && sync && fstrim ."], served.mountPoint);
    assert.equal(ask("umount", [served.mountPoint]).code, 0);
    assertClean(loop);
    assert.equal(served.output, "");
  });

  it("tells the device what is free where the superblock says so, unless the mount says otherwise", async () => {
    const loop = device("-E", "nodiscard");
    run("tune2fs", ["-o", "discard", loop]);
    const image = run("losetup", ["--noheadings", "--output", "BACK-FILE", loop]).stdout.toString("latin1").trim();
    for (const [options, freed] of [
      [["nodiscard"], false],
      [[], true],
    ] as const) {
      const served = await bench.serve(loop, options);
      ask("sh", ["-c", "head -c 40000000 /dev/urandom > data && sync && rm data"], served.mountPoint);
      const { blocks } = statSync(image);
      assert.equal(ask("umount", [served.mountPoint]).code, 0);
      assert.equal(statSync(image).blocks < blocks - 70_000, freed);
      assertClean(loop);
    }
  });

  it("says so where what is below has no use for what is free, as the kernel does", async () => {
    const ramfs = bench.mountPoint(); // makes no holes
    run("mount", ["-t", "ramfs", "none", ramfs]);
    const image = `${ramfs}/image`;
    let loop: string | undefined;
    try {
      writeFileSync(image, "");
      truncateSync(image, 16 << 20);
      run("mke2fs", ["-q", "-F", "-t", "ext4", image]);
      loop = run("losetup", ["--find", "--show", image]).stdout.toString("latin1").trim();
      const trim = (at: string) => ask("fstrim", [at]).stderr.replace(at, "");
      const kernels = bench.mountPoint();
      run("mount", [loop, kernels]);
      const expected = trim(kernels);
      run("umount", [kernels]);
      assert.match(expected, /not supported/);
      for (const source of [loop, image]) {
        const served = await bench.serve(source, ["discard"]);
        assert.equal(trim(served.mountPoint), expected);
        assert.equal(bulkhead("umount", served.mountPoint).code, 0);
        assert.deepEqual(await served.end(), { code: 0, signal: null });
        assert.match(served.output, /not trimmed: EOPNOTSUPP: the device discards nothing.*$/);
        if (source === loop) run("losetup", ["--detach", loop]);
        loop = undefined;
      }
    } finally {
      await bench.release();
      if (loop !== undefined) run("losetup", ["--detach", loop]);
      run("umount", [ramfs]);
    }
  });

  /** Whether a server has the device open past its page cache. */
  function hasItDirect(pid: number, loop: string): boolean {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      if (readlinkSync(`/proc/${pid}/fd/${fd}`) !== loop) return false;
      const flags = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, "latin1"))?.[1] ?? "0";
      return (Number.parseInt(flags, 8) & constants.O_DIRECT) !== 0;
    });
  }

  it("is written past its page cache among other reads and writes, by the server's successor as well", async () => {
    const loop = device();
    const served = await bench.serve(loop);
    const write = (name: string, ...how: readonly string[]) => {
      const what = [
        "--size=32m",
        "--bsrange=4k-1m",
        "--verify=crc32c",
        "--end_fsync=1",
        "--output-format=terse",
        ...how,
      ];
      const { code, stdout, stderr } = ask("fio", [`--name=${name}`, ...what], served.mountPoint);
      assert.equal(code, 0, stdout + stderr);
    };
    const script = "dd if=/dev/zero of=long bs=1M count=32 oflag=direct conv=notrunc status=none";
    for (let life = 0; life < 2; life++) {
      assert.ok(hasItDirect(served.serverPid, loop));
      assert.equal(ask("sh", ["-c", script], served.mountPoint).code, 0);
      write("cached", "--rw=randrw");
      write("direct", "--rw=randwrite", "--direct=1", "--ioengine=libaio", "--iodepth=8");
      if (life === 0) process.kill(served.serverPid, "SIGKILL");
      assert.equal(ask("cmp", ["-n", String(32 << 20), "long", "/dev/zero"], served.mountPoint).code, 0);
    }
    assert.equal(ask("umount", [served.mountPoint]).code, 0);
    assertClean(loop);
  });
});
