// Oracle: mount(8)'s manners. A mount comes up or says in one line why not; whatever ends it leaves nothing behind that hangs.
import assert from "node:assert/strict";
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { withoutMountTools } from "../facilities.js";
import { debugfs } from "../images/build.js";
import { run } from "../system/process.js";
import { ask, Bench, bulkhead, COMMAND, connectionOf, holdersOf, isMounted, mountsAt } from "./served-mount.js";
import { makeTree } from "./tree.js";

const SUPERBLOCK = 1024;
const USAGE = 2;

describe("the life of a mount", { skip: withoutMountTools() }, () => {
  let bench: Bench;
  let image = "";

  before(() => {
    bench = new Bench();
    image = bench.path("image");
    makeTree(image);
  });
  after(() => bench.clear());

  /** A copy of the image with some bytes changed. */
  function changed(name: string, at: number, ...bytes: number[]): string {
    const copy = bench.path(name);
    copyFileSync(image, copy);
    const fd = openSync(copy, "r+");
    writeSync(fd, Uint8Array.from(bytes), 0, bytes.length, at);
    closeSync(fd);
    return copy;
  }

  it("mounts in the background, answers at once, and umount ends the server", async () => {
    const at = bench.mountPoint();
    const mounted = bulkhead("mount", image, at);
    try {
      assert.deepEqual(mounted, { code: 0, stdout: "", stderr: "" });
      assert.equal(ask("cat", ["files/small"], at).stdout, "content\n");
      const connection = connectionOf(at);
      assert.notEqual(holdersOf(connection).length, 0, "it is served");
      assert.deepEqual(bulkhead("umount", at), { code: 0, stdout: "", stderr: "" });
      assert.ok(!isMounted(at));
      await until(() => holdersOf(connection).length === 0, "the server ends with the mount");
    } finally {
      if (isMounted(at)) run("umount", ["-l", at]);
    }
  });

  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    it(`${signal} unmounts and ends the server in order`, async () => {
      const served = await bench.serve(image);
      served.signal(signal);
      assert.deepEqual(await served.end(), { code: 0, signal: null }, served.output);
      assert.ok(!isMounted(served.mountPoint));
    });
  }

  it("a killed server that nobody is to follow leaves ENOTCONN, not a hang, and umount clears it", async () => {
    const served = await bench.serve(image, ["norestart"]);
    const reader = ask(
      "sh",
      [
        "-c",
        "exec 3< files/big; kill -9 $1; sleep 0.3; head -c 100000 <&3 | wc -c; cat files/small",
        "sh",
        String(served.serverPid),
      ],
      served.mountPoint,
    );
    assert.match(reader.stderr, /not connected|aborted|No such device/);
    await served.end();
    const listing = ask("ls", [served.mountPoint]);
    assert.notEqual(listing.code, 0);
    assert.match(listing.stderr, /Transport endpoint is not connected/);
    const again = bulkhead("mount", image, served.mountPoint);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /bulkhead umount/);
    assert.deepEqual(bulkhead("umount", served.mountPoint), { code: 0, stdout: "", stderr: "" });
    assert.ok(!isMounted(served.mountPoint));
  });

  it("umount of a mount with open files says so; --lazy detaches it and the reader goes on", async () => {
    const served = await bench.serve(image);
    const reading = ask(
      "sh",
      [
        "-c",
        'exec 3< files/big; cd /; "$1" "$2" umount "$3" 2>&1; echo "busy: $?"; "$1" "$2" umount --lazy "$3"; echo "lazy: $?"; wc -c <&3',
        "sh",
        process.execPath,
        COMMAND,
        served.mountPoint,
      ],
      served.mountPoint,
    );
    assert.match(reading.stdout, /in use.*\nbusy: 1\nlazy: 0\n3000000\n$/);
    assert.ok(!isMounted(served.mountPoint));
    assert.deepEqual(await served.end(), { code: 0, signal: null });
  });

  it("a signal while files are open ends the server within its grace", async () => {
    const served = await bench.serve(image);
    const reader = ask(
      "sh",
      ["-c", 'exec 3< files/big; cd /; kill -TERM "$1"; sleep 0.5; head -c 1000 <&3 | wc -c', "sh", String(served.pid)],
      served.mountPoint,
    );
    assert.equal(reader.stdout.trim(), "1000", "what is open can still be read");
    assert.deepEqual(await served.end(), { code: 0, signal: null });
  });

  it("a signal writes what whoever has the mount by another name as well has written", async () => {
    const copy = changed("bound", 0);
    const served = await bench.serve(copy);
    const bound = bench.mountPoint();
    run("mount", ["--bind", served.mountPoint, bound]);
    const fd = openSync(join(bound, "open"), "w");
    try {
      writeSync(fd, "kept\n");
      served.signal("SIGTERM");
      await until(() => !isMounted(served.mountPoint), "it is unmounted");
      assert.deepEqual(await served.end(), { code: 0, signal: null });
    } finally {
      assert.throws(() => closeSync(fd), { code: "ENOTCONN" });
      run("umount", [bound]);
    }
    assert.equal(bulkhead("cat", `${copy}:/open`).stdout, "kept\n");
  });

  it("a signal unmounts it also where a directory above it has another name by now", async () => {
    const above = bench.path("above");
    const at = join(above, "at");
    mkdirSync(at, { recursive: true });
    const served = await bench.serve(image, ["ro"], undefined, at);
    renameSync(above, bench.path("renamed"));
    try {
      served.signal("SIGTERM");
      assert.deepEqual(await served.end(), { code: 0, signal: null });
      assert.equal(mountsAt(bench.path("renamed/at")), 0);
    } finally {
      while (isMounted(bench.path("renamed/at"))) run("umount", ["-l", bench.path("renamed/at")]);
    }
  });

  it("a signal does not end the server of a mount that another one covers", async () => {
    const served = await bench.serve(image, ["ro"]);
    run("mount", ["-t", "tmpfs", "none", served.mountPoint]);
    try {
      served.signal("SIGTERM");
      await until(() => served.output !== "", "it says so");
      assert.match(served.output, /not unmounted: something else is mounted on .*: unmount that first$/);
    } finally {
      run("umount", [served.mountPoint]);
    }
    assert.equal(ask("cat", ["files/small"], served.mountPoint).stdout, "content\n");
    assert.deepEqual(bulkhead("umount", served.mountPoint), { code: 0, stdout: "", stderr: "" });
    assert.deepEqual(await served.end(), { code: 0, signal: null });
  });

  it("two read-only mounts of one image live and end apart", async () => {
    const [one, other] = [await bench.serve(image, ["ro"]), await bench.serve(image, ["ro"])];
    assert.equal(ask("cat", ["files/small"], one.mountPoint).stdout, "content\n");
    one.signal("SIGTERM");
    await one.end();
    assert.equal(ask("cat", ["files/small"], other.mountPoint).stdout, "content\n");
    other.signal("SIGTERM");
    await other.end();
  });

  it("two mounts at one place lie on top of each other, and umount takes the upper", async () => {
    const served = await bench.serve(image, ["ro"]);
    assert.equal(bulkhead("mount", "-o", "ro", image, served.mountPoint).code, 0);
    assert.equal(mountsAt(served.mountPoint), 2);
    assert.equal(bulkhead("umount", served.mountPoint).code, 0);
    assert.equal(mountsAt(served.mountPoint), 1);
    assert.equal(ask("cat", ["files/small"], served.mountPoint).stdout, "content\n");
    await served.stop();
  });

  describe("says in one line why it cannot mount", () => {
    const wrong: [what: string, source: () => string, options: string[], says: RegExp, code?: number][] = [
      ["a file that is not there", () => bench.path("missing"), [], /missing: .*no such file/i],
      ["a directory", () => bench.directory, [], /neither a (regular )?file nor a block device/],
      ["an empty file", () => written("empty", 0), [], /0 bytes/, 3],
      ["a file that is not ext4", () => written("zeros", 1 << 20), [], /no ext2, ext3 or ext4 superblock/, 3],
      ["a damaged superblock", () => changed("damaged", SUPERBLOCK + 0x78, 0xff), [], /stored 0x.*checksum/, 3],
      ["a file cut short", () => cut("cut", 20 << 20), [], /cut short/, 3],
      ["an unknown feature", () => unknownFeature(), [], /FEATURE_I31/],
      ["an unknown option", () => image, ["-o", "bananas"], /unknown mount option bananas/, USAGE],
      ["an option without its value", () => image, ["-o", "offset"], /offset needs a value/, USAGE],
      ["strictatime", () => image, ["-o", "strictatime"], /strictatime is not possible/],
      ["an offset past the end", () => image, ["-o", "offset=1T"], /past the end|before offset/],
      ["a partition that is not there", () => image, ["-o", "partition=3"], /partition/],
      ["a superblock that is not there", () => image, ["-o", "sb=12345"], /no superblock at 12345 KiB/, 3],
    ];
    for (const [what, source, options, says, code = 1] of wrong) {
      it(what, () => {
        const at = bench.mountPoint();
        for (const foreground of [[], ["--foreground"]]) {
          const answer = bulkhead("mount", ...foreground, ...options, source(), at);
          assert.match(answer.stderr, says);
          assert.equal(answer.code, code, answer.stderr);
          assert.equal(answer.stderr.trimEnd().split("\n").length, 1, answer.stderr);
          assert.equal(answer.stdout, "");
          assert.ok(!isMounted(at));
        }
      });
    }

    it("a mountpoint that is not there, or no directory", () => {
      for (const [at, says] of [
        [bench.path("nowhere"), /no such file/i],
        [image, /no directory/],
      ] as const) {
        const answer = bulkhead("mount", image, at);
        assert.match(answer.stderr, says);
        assert.notEqual(answer.code, 0);
        assert.equal(answer.stderr.trimEnd().split("\n").length, 1, answer.stderr);
      }
    });

    it("umount where nothing is mounted", () => {
      const at = bench.path("plain");
      mkdirSync(at);
      const answer = bulkhead("umount", at);
      assert.equal(answer.code, 1);
      assert.match(answer.stderr, /nothing is mounted there/);
    });
  });

  function written(name: string, size: number): string {
    writeFileSync(bench.path(name), new Uint8Array(size));
    return bench.path(name);
  }

  function cut(name: string, size: number): string {
    copyFileSync(image, bench.path(name));
    truncateSync(bench.path(name), size);
    return bench.path(name);
  }

  /** Bit 31 of the incompatible features, with a right checksum. */
  function unknownFeature(): string {
    const incompat = readFileSync(image).readUInt32LE(SUPERBLOCK + 0x60);
    const copy = changed("unknown", 0, 0);
    debugfs(copy, 0, [`set_super_value feature_incompat ${(incompat | 0x8000_0000) >>> 0}`]);
    return copy;
  }
});

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let waited = 0; !condition(); waited += 50) {
    assert.ok(waited < 10_000, what);
    await sleep(50);
  }
}
