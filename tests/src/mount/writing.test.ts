// Oracle: the kernel's ext4. The same calls give the same answers there; it sees on our image what we showed; e2fsck finds nothing.
import assert from "node:assert/strict";
import { closeSync, copyFileSync, existsSync, ftruncateSync, openSync, readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { withoutMountTools } from "../facilities.js";
import { checkImage } from "../images/build.js";
import { mountLoop, unmount } from "../system/loop.js";
import { run } from "../system/process.js";
import { ask, Bench, bulkhead, isMounted, type ServedMount } from "./served-mount.js";

const PROBE = fileURLToPath(new URL("../../src/mount/write-probe.py", import.meta.url));
const FREED_SPACE = fileURLToPath(new URL("../../src/mount/freed-space.py", import.meta.url));
const SIZE = 64 << 20;

const OLD = "none,has_journal,filetype,dir_index,ext_attr,sparse_super,large_file,resize_inode";
const NEW = `${OLD},extents,huge_file,dir_nlink,flex_bg,metadata_csum,64bit,extra_isize`;

const layouts: readonly (readonly [name: string, options: readonly string[], mount?: string])[] = [
  ["ext4", ["-O", NEW, "-I", "256"]],
  ["ext4 with 1 KiB blocks", ["-O", NEW, "-I", "256", "-b", "1024"]],
  ["ext4 without a journal", ["-O", `${NEW},^has_journal`, "-I", "256"]],
  ["ext4 with inline data and an orphan file", ["-O", `${NEW},inline_data,orphan_file`, "-I", "256"]],
  ["ext4 with its data in the journal", ["-O", NEW, "-I", "256"], "data=journal"],
  ["ext3", ["-O", OLD, "-I", "128", "-b", "1024"]],
];
const EXT4 = layouts[0]![1];

describe("a mount that is written", { skip: withoutMountTools() }, () => {
  let bench: Bench;
  let made = 0;

  before(() => {
    bench = new Bench();
  });
  after(() => bench.clear());

  function empty(...options: readonly string[]): string {
    const image = bench.path(`image-${made++}`);
    const fd = openSync(image, "w");
    ftruncateSync(fd, SIZE);
    closeSync(fd);
    run("mke2fs", ["-q", "-F", ...options, image]);
    return image;
  }

  /** Everything that can be seen of a tree, times of change aside. */
  function look(at: string): string[] {
    const list = ask("find", [".", "-printf", "%P %y %m %n %U %G %s %T@ %l\n"], at).stdout;
    const sums = ask("sh", ["-c", "find . -type f -exec md5sum {} +"], at).stdout;
    const attributes = ask("getfattr", ["-R", "-h", "-d", "-m", "-", "-e", "hex", "."], at).stdout;
    const flags = ask("sh", ["-c", "lsattr -R -a -p . 2>/dev/null"], at).stdout;
    return [list, sums, attributes, flags].flatMap((text) => text.split("\n").sort());
  }

  /** What the kernel's ext4 shows of an image. */
  function kernelsView(image: string): string[] {
    const at = bench.loop(image);
    try {
      return look(at);
    } finally {
      unmount(at);
    }
  }

  /** What `bulkhead mount` says of something that it must not mount. */
  function refusal(...args: readonly string[]): string {
    const at = bench.mountPoint();
    const { code, stderr } = bulkhead("mount", ...args, at);
    if (isMounted(at)) unmount(at);
    assert.equal(code, 1, stderr);
    return stderr;
  }

  async function ended(served: ServedMount): Promise<void> {
    assert.match(await served.stop(), /^$|^[^\n]*: info: journal replayed: [^\n]*$/, "nothing else to log");
  }

  for (const [name, options, mount] of layouts) {
    it(`answers as the kernel does, and leaves what it showed: ${name}`, async () => {
      const image = empty(...options);
      const reference = empty(...options);
      const served = await bench.serve(image, ["allow_other", "suid", "dev", ...(mount === undefined ? [] : [mount])]);
      const theirs = bench.mountPoint();
      mountLoop(reference, theirs);
      try {
        for (const part of ["names", "contents", "attributes"]) {
          const expected = ask("python3", [PROBE, part], theirs);
          const found = ask("python3", [PROBE, part], served.mountPoint);
          assert.deepEqual(found.stdout.split("\n"), expected.stdout.split("\n"), part);
          assert.deepEqual(found, expected);
        }
      } finally {
        unmount(theirs);
      }
      const shown = look(served.mountPoint);
      await ended(served);
      checkImage(image);
      assert.deepEqual(kernelsView(image), shown);
    });
  }

  it("what was synced survives a kill of the server, and the next mount goes on from there", async () => {
    for (const [name, options, mount] of layouts) {
      const image = empty(...options);
      const served = await bench.serve(image, ["norestart", ...(mount === undefined ? [] : [mount])]);
      const script = `
        echo durable > file; sync file; sync .
        mkdir dir; for i in 1 2 3; do dd if=/dev/urandom of=dir/$i bs=1M count=1 conv=fsync status=none; done
        sync dir; sync .; md5sum dir/* file > ../sums
        kill -9 ${served.serverPid}; sleep 0.2`;
      ask("sh", ["-c", script], served.mountPoint);
      await served.end();
      await served.clear();
      const again = await bench.serve(image);
      const check = ask("sh", ["-c", "md5sum -c --quiet ../sums; echo more > more; rm -r dir; ls"], again.mountPoint);
      assert.deepEqual([check.stderr, check.stdout], ["", "file\nlost+found\nmore\n"], name);
      await ended(again);
      checkImage(image);
    }
  });

  it("a file that was replaced, by another one or in place, has its new contents when it is durable that it was", async () => {
    for (const [name, options, mount] of layouts) {
      const image = empty(...options);
      const served = await bench.serve(image, ["auto_da_alloc", ...(mount === undefined ? [] : [mount])]);
      // Nobody syncs these files; what makes it durable that they were replaced is that somebody syncs another one.
      const script = `
        echo old > renamed; echo old > rewritten; sync
        head -c 300000 /dev/urandom > new; cp new rewritten; mv new renamed; md5sum renamed rewritten > ../sums
        echo other > other; sync other; sync .`;
      assert.equal(ask("sh", ["-c", script], served.mountPoint).stderr, "");
      const crashed = `${image}-crashed`;
      copyFileSync(image, crashed);
      await ended(served);
      const repair = run("e2fsck", ["-fy", crashed], { accept: [1] });
      const at = bench.loop(crashed);
      const check = ask("sh", ["-c", "md5sum -c --quiet ../sums"], at);
      assert.deepEqual([check.stdout, check.stderr], ["", ""], `${name}: ${repair.stdout}`);
      unmount(at);
      checkImage(image);
    }
  });

  it("what a removal frees can be used at once, though the kernel tells of removals last", async () => {
    const image = empty(...EXT4);
    const served = await bench.serve(image);
    const { stdout, stderr } = ask("python3", [FREED_SPACE, String(served.serverPid)], served.mountPoint);
    assert.deepEqual([stderr, stdout], ["", "24 ENOSPC waits done\n"]);
    await ended(served);
    checkImage(image);
  });

  it("who writes until the disk is full is told, who goes on elsewhere is not", async () => {
    const image = empty(...EXT4);
    const served = await bench.serve(image);
    const fill = "timeout 60 dd if=/dev/zero of=full bs=64k";
    const script = `${fill}; echo $?; : > full; echo some > other && : > full && echo more >> full && cat full`;
    const { stdout, stderr } = ask("sh", ["-c", script], served.mountPoint);
    assert.match(stderr, /error writing 'full': No space left on device/);
    assert.equal(stdout, "1\nmore\n");
    await ended(served);
    checkImage(image);
  });

  it("a signal loses nothing that was written", async () => {
    const image = empty(...EXT4);
    const served = await bench.serve(image);
    ask("sh", ["-c", "dd if=/dev/zero bs=64k count=300 status=none | tr '\\0' x > file; mkdir dir"], served.mountPoint);
    await ended(served);
    checkImage(image);
    const at = bench.loop(image);
    assert.equal(
      ask("sh", ["-c", "tr -d x < file | wc -c; wc -c < file; ls"], at).stdout,
      "0\n19660800\ndir\nfile\nlost+found\n",
    );
    unmount(at);
  });

  it("umount returns when the image is whole", () => {
    const image = empty(...EXT4);
    const at = bench.mountPoint();
    assert.equal(bulkhead("mount", image, at).code, 0);
    ask("sh", ["-c", "for i in $(seq 500); do echo $i > $i; done"], at);
    assert.deepEqual(bulkhead("umount", at), { code: 0, stdout: "", stderr: "" });
    checkImage(image);
  });

  it("nobody else has what is being written", async () => {
    const image = empty(...EXT4);
    const served = await bench.serve(image);
    const alone = new RegExp(`in use by process ${served.serverPid} \\(.+\\): whoever writes to it must be alone`);
    assert.match(refusal(image), alone);
    assert.match(refusal("-o", "ro", image), /in use by process .*somebody writes to it/);
    await ended(served);
    const reader = await bench.serve(image, ["ro"]);
    assert.match(refusal(image), /in use by process/);
    await reader.stop();
  });

  it("a block device is taken exclusively, and a write-protected one is mounted read-only with a warning", async () => {
    const image = empty(...EXT4);
    const device = run("losetup", ["--find", "--show", image]).stdout.toString().trim();
    try {
      const served = await bench.serve(device);
      ask("sh", ["-c", "echo on a device > file"], served.mountPoint);
      assert.match(refusal(device), /in use/);
      assert.notEqual(ask("mount", ["-t", "ext4", device, bench.mountPoint()]).code, 0, "the kernel's mount neither");
      await ended(served);
      checkImage(image);
      run("blockdev", ["--setro", device]);
      const reader = await bench.serve(device);
      assert.equal(
        ask("sh", ["-c", "cat file; echo x > y || echo refused"], reader.mountPoint).stdout,
        "on a device\nrefused\n",
      );
      assert.match(await reader.stop(), /write-protected: mounted read-only$/);
      assert.match(refusal("-o", "rw", device), /write-protected; try -o ro\n$/);
    } finally {
      run("blockdev", ["--setrw", device]); // it would stay so for whoever gets the loop device next
      run("losetup", ["-d", device]);
    }
  });

  it("a read-only mount changes no byte", async () => {
    const image = empty(...EXT4);
    const first = readFileSync(image);
    const served = await bench.serve(image, ["ro"]);
    assert.match(ask("touch", ["x"], served.mountPoint).stderr, /Read-only file system/);
    ask("ls", ["-R"], served.mountPoint);
    await ended(served);
    assert.ok(readFileSync(image).equals(first));
    assert.ok(existsSync(image));
  });
});
