// Oracle: e2fsck and debugfs for what is on the image afterwards; Linux's errnos for what is refused.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { type Image, type ImageOptions, openImage } from "@bulkhead/image";
import { assertClean, makeImage, missingTool, scratch, tool } from "./fixture.js";

const text = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString();

describe("an image", { skip: missingTool("mke2fs", "e2fsck", "debugfs", "dumpe2fs") }, () => {
  let files: ReturnType<typeof scratch>;
  let image = "";
  before(() => {
    files = scratch();
    image = makeImage(files.path("disk.img"), 64);
  });
  after(() => files.remove());

  /** Opens the image, and checks it after it was closed. */
  function withImage(options: ImageOptions, run: (image: Image) => void): void {
    const opened = openImage(image, { log: "ignore", ...options });
    try {
      run(opened);
    } finally {
      opened.close();
    }
    assertClean(image);
  }
  const debugfs = (request: string) => tool("debugfs", "-R", request, image);

  it("takes files, directories, links and nodes", () => {
    withImage({ writable: true, owner: { uid: 7, gid: 8 }, umask: 0o027 }, (disk) => {
      disk.mkdir("/a/b/c", { recursive: true });
      disk.mkdir("/a/b/c", { recursive: true });
      disk.writeFile("a/b/file", "first");
      disk.writeFile("/a/b/file", [Buffer.from("sec"), Buffer.from("ond")]);
      disk.symlink("b/file", "/a/link");
      disk.writeFile("/a/link", "through the link");
      disk.link("/a/b/file", "/twin");
      disk.mknod("/null", 0o020666, { major: 1, minor: 3 });
      disk.write("/twin", Buffer.from("late"), 5000);
      assert.equal(text(disk.readFile("/a/b/file").subarray(0, 16)), "through the link");
      assert.equal(disk.readFile("/a/link").length, 5004);
      assert.deepEqual(
        disk
          .readdir("/a")
          .map(({ name, kind }) => `${name} ${kind}`)
          .sort(),
        ["b directory", "link symlink"],
      );
      assert.equal(disk.readlink("/a/link"), "b/file");
      const { uid, gid, mode, links } = disk.stat("/a/b/file");
      assert.deepEqual([uid, gid, mode, links], [7, 8, 0o100640, 2]);
      assert.deepEqual(disk.lstat("/null").device, { major: 1, minor: 3 });
    });
    assert.match(debugfs("stat /a"), /User: +7 +Group: +8 /);
    assert.match(debugfs("cat /a/b/file"), /^through the link\0+late/);
  });

  it("changes attributes", () => {
    withImage({ writable: true }, (disk) => {
      disk.writeFile("/attributes", "x".repeat(10_000));
      disk.setXattr("/attributes", "trusted.t", Buffer.from([0, 1, 2]));
      disk.setXattr("/attributes", "user.empty", new Uint8Array(0));
      disk.chown("/attributes", 70_000, 4242);
      disk.chmod("/attributes", 0o6711);
      disk.truncate("/attributes", 6 * 2 ** 30);
      disk.utimes("/attributes", { seconds: -3, nanoseconds: 4 }, { seconds: 2 ** 33, nanoseconds: 999_999_999 });
      const { mode, uid, gid, size, atime, mtime } = disk.stat("/attributes");
      assert.deepEqual([mode, uid, gid, size], [0o106711, 70_000, 4242, 6 * 2 ** 30]);
      assert.deepEqual(
        [atime, mtime],
        [
          { seconds: -3, nanoseconds: 4 },
          { seconds: 2 ** 33, nanoseconds: 999_999_999 },
        ],
      );
      assert.deepEqual(disk.listXattrs("/attributes").sort(), ["trusted.t", "user.empty"]);
      assert.deepEqual([...(disk.getXattr("/attributes", "trusted.t") ?? [])], [0, 1, 2]);
      assert.equal(disk.getXattr("/attributes", "user.none"), undefined);
      disk.removeXattr("/attributes", "trusted.t");
      assert.deepEqual(disk.listXattrs("/attributes"), ["user.empty"]);
    });
  });

  it("moves and removes", () => {
    withImage({ writable: true }, (disk) => {
      const before = disk.statfs();
      disk.mkdir("/d/e", { recursive: true });
      for (let n = 0; n < 300; n++) disk.writeFile(`/d/e/${n}`, new Uint8Array(5000));
      disk.rename("/d/e", "/moved");
      disk.writeFile("/over", "old");
      disk.rename("/moved/0", "/over");
      assert.equal(disk.stat("/over").size, 5000);
      disk.rm("/moved", { recursive: true });
      for (const path of ["/over", "/d"]) disk.rm(path, { recursive: true });
      disk.rm("/over", { force: true });
      const { blocksFree, filesFree } = disk.statfs();
      assert.deepEqual([blocksFree, filesFree], [before.blocksFree, before.filesFree], "all space is free again");
    });
  });

  it("asks once where the directories of paths are, and again when one has moved", () => {
    withImage({ writable: true }, (disk) => {
      const { client, root } = disk.tree;
      const asked: string[] = [];
      const call = client.call.bind(client);
      client.call = (name, ...rest) => {
        asked.push(name);
        return call(name, ...rest);
      };
      disk.mkdir("/one/b/c", { recursive: true });
      disk.mkdir("/other/b/c", { recursive: true });
      disk.writeFile("/one/b/c/file", "a");
      disk.writeFile("/other/b/c/file", "other");
      asked.length = 0;
      for (let n = 0; n < 5; n++) assert.equal(disk.stat("/one/b/c/file").size, 1);
      assert.deepEqual(asked, Array(5).fill("LOOKUP"));
      disk.chmod("/one/b/c", 0o700);
      assert.equal(disk.stat("/one/b/c").mode & 0o777, 0o700, "of what is asked for, attributes are true");

      disk.tree.rename(root, Buffer.from("one"), root, Buffer.from("other"), 2);
      assert.equal(text(disk.readFile("/one/b/c/file")), "other");
      assert.equal(text(disk.readFile("/other/b/c/file")), "a");
      disk.rename("/one/b", "/b");
      assert.equal(disk.exists("/one/b/c/file"), false);
      disk.symlink("/b", "/one/b");
      assert.equal(text(disk.readFile("/one/b/c/file")), "other");
      disk.rm("/one/b");
      disk.rename("/other/b", "/one/b");
      assert.equal(text(disk.readFile("/one/b/c/file")), "a");
      for (const directory of ["/one", "/b"]) disk.rm(directory, { recursive: true });
      disk.mkdir("/one");
      disk.writeFile("/one/b", "a file now");
      assert.throws(() => disk.stat("/one/b/c"), { code: "ENOTDIR" });
      for (const directory of ["/one", "/other"]) disk.rm(directory, { recursive: true });
    });
  });

  it("gives back to the server what was looked up for longest, and no file that has no name yet", () => {
    withImage({ writable: true }, (disk) => {
      const { tree, creation } = disk;
      for (const look of [() => disk.writeFile("/made", "made"), () => disk.exists("/made")]) {
        const unnamed = tree.makeTemporary(tree.root, 0o600, creation);
        assert.equal(tree.data.write(unnamed, 0, Buffer.from("draft")), 5);
        // As if so many had been looked up since.
        for (let n = 0; n < 2 ** 15; n++) tree.client.nodes.add(2 ** 20 + n);
        look();
        assert.ok(tree.client.nodes.size <= 2 ** 14 + 2, "they are given back");
        tree.link(unnamed, tree.root, Buffer.from("named"));
        assert.equal(Buffer.from(disk.readFile("/named")).toString(), "draft");
        disk.rm("/named");
      }
      disk.rm("/made");
    });
  });

  it("lists names without the inodes behind them, and has kinds where directories have none", () => {
    const old = makeImage(files.path("old.img"), 4, "-O", "^filetype");
    for (const [path, asked] of [
      [image, 0],
      [old, 3],
    ] as const) {
      const disk = openImage(path, { writable: true, log: "ignore" });
      try {
        disk.mkdir("/listed/dir", { recursive: true });
        disk.symlink("dir", "/listed/link");
        disk.writeFile("/listed/file", "");
        disk.sync();
        const told = () => [...disk.tree.client.nodes.keys()].length;
        const node = disk.find("/listed");
        for (const name of ["dir", "link", "file"])
          disk.tree.forget(disk.find(`/listed/${name}`, { followLinks: false }));
        const before = told();
        const kinds = disk.readdir("/listed").map(({ name, kind }) => `${name} ${kind}`);
        assert.deepEqual(kinds.sort(), ["dir directory", "file file", "link symlink"]);
        assert.equal(told() - before, asked, path);
        assert.equal(node.isDirectory, true);
      } finally {
        disk.rm("/listed", { recursive: true });
        disk.close();
      }
      assertClean(path);
    }
  });

  it("reads no file as a whole that is longer than it was told", () => {
    withImage({ writable: true }, (disk) => {
      disk.writeFile("/long", "");
      disk.truncate("/long", 2 ** 40);
      assert.throws(() => disk.readFile("/long"), { name: "ImageError", code: "EFBIG" });
      disk.truncate("/long", 10);
      assert.throws(() => disk.readFile("/long", { limit: 9 }), { code: "EFBIG" });
      assert.equal(disk.readFile("/long", { limit: 10 }).length, 10);
    });
  });

  it("reads nothing of directories, nodes and empty files", () => {
    withImage({ writable: true }, (disk) => {
      disk.mknod("/fifo", 0o010600);
      disk.writeFile("/empty", "");
      assert.throws(() => disk.readFile("/"), { code: "EISDIR" });
      assert.throws(() => disk.readFile("/fifo"), { code: "EINVAL" });
      assert.throws(() => disk.readFile("/nothing"), { code: "ENOENT" });
      assert.equal(disk.readFile("/empty").length, 0);
      for (const path of ["/fifo", "/empty"]) disk.rm(path);
    });
  });

  it("refuses what Linux refuses, with its errno", () => {
    withImage({ writable: true }, (disk) => {
      disk.mkdir("/dir/in", { recursive: true });
      disk.writeFile("/file", "");
      disk.symlink("loop", "/loop");
      const cases: [string, () => unknown][] = [
        ["ENOENT", () => disk.stat("/none")],
        ["ENOTDIR", () => disk.stat("/file/x")],
        ["ENOTDIR", () => disk.stat("/file/")],
        ["ELOOP", () => disk.stat("/loop")],
        ["EEXIST", () => disk.mkdir("/dir")],
        ["EEXIST", () => disk.mkdir("/")],
        ["ENOTEMPTY", () => disk.rmdir("/dir")],
        ["EISDIR", () => disk.rm("/dir")],
        ["ENOTDIR", () => disk.rmdir("/file")],
        ["ENOTDIR", () => disk.rm("/file/")],
        ["ENOTDIR", () => disk.rm("/loop/", { recursive: true })],
        ["ENOTDIR", () => disk.rename("/file/", "/new")],
        ["ENOTDIR", () => disk.rename("/file", "/new/")],
        ["EINVAL", () => disk.rename("/dir", "/dir/in/self")],
        ["EPERM", () => disk.link("/dir", "/hard")],
        ["EISDIR", () => disk.readFile("/dir")],
        ["ENAMETOOLONG", () => disk.writeFile(`/${"n".repeat(256)}`, "")],
        ["EFBIG", () => disk.truncate("/file", 2 ** 50)],
        ["EISDIR", () => disk.writeFile("/new/", "")],
        ["EISDIR", () => disk.writeFile("/file/", "")],
        ["ENOENT", () => disk.mknod("/new/", 0o010600)],
        ["ENOENT", () => disk.symlink("file", "/new/")],
        ["ENOENT", () => disk.link("/file", "/new/")],
        ["EINVAL", () => disk.stat("/fi\0le")],
        ["EINVAL", () => disk.writeFile("/fi\0le", "")],
        ["EINVAL", () => disk.symlink("fi\0le", "/new")],
        ["EINVAL", () => disk.getXattr("/file", "user.\0")],
      ];
      for (const [code, run] of cases) assert.throws(run, { name: "ImageError", code }, String(run));
      disk.rename("/dir/in/", "/dir/there/");
      assert.equal(disk.stat("/dir/there").kind, "directory");
    });
  });

  it("keeps nothing open of a server that could not be started", () => {
    const open = () => fs.readdirSync("/proc/self/fd").length;
    const before = open();
    // Descriptors end long before.
    const log = 2 ** 30;
    assert.throws(() => openImage(image, { log }), {
      name: "ImageOpenError",
      message: /could not be started: spawn EBADF$/,
    });
    assert.throws(() => openImage(image, { log: "somewhere" as "inherit" }), TypeError);
    assert.equal(open(), before);
  });

  it("refuses what is no value, and does nothing then", () => {
    withImage({ writable: true }, (disk) => {
      disk.writeFile("/valued", "as it was");
      disk.chown("/valued", 7, 8);
      const before = disk.stat("/valued");
      const wrong: [typeof TypeError, () => unknown][] = [
        [RangeError, () => disk.chown("/valued", 2 ** 32 + 7, 0)],
        [RangeError, () => disk.chown("/valued", 0, 2 ** 32 - 1)],
        [RangeError, () => disk.chown("/valued", -2, 0)],
        [TypeError, () => disk.chown("/valued", "7" as never, 0)],
        [TypeError, () => disk.chmod("/valued", "755" as never)],
        [RangeError, () => disk.chmod("/valued", Number.NaN)],
        [RangeError, () => disk.chmod("/valued", -1)],
        [RangeError, () => disk.truncate("/valued", 1.5)],
        [RangeError, () => disk.utimes("/valued", { seconds: 0, nanoseconds: 1e9 }, before.mtime)],
        [RangeError, () => disk.mknod("/odd", 0o020666, { major: 4096, minor: 0 })],
        [RangeError, () => disk.write("/valued", new Uint8Array(1), -1)],
        [RangeError, () => [...disk.readChunks("/valued", { chunk: 0 })]],
        [TypeError, () => disk.write("/valued", "text" as never, 0)],
        [TypeError, () => disk.writeFile("/valued", ["text"] as never)],
        [TypeError, () => disk.writeFile("/valued", 7 as never)],
        [TypeError, () => disk.writeFile("/new", ["text"] as never)],
        [RangeError, () => disk.writeFile("/new", "", { mode: 2 ** 16 })],
        [TypeError, () => disk.setXattr("/valued", "user.x", "text" as never)],
        [TypeError, () => disk.stat(7 as never)],
      ];
      for (const [kind, run] of wrong) assert.throws(run, kind, String(run));
      assert.deepEqual(disk.stat("/valued"), before);
      assert.equal(text(disk.readFile("/valued")), "as it was");
      assert.deepEqual([disk.exists("/new"), disk.exists("/odd")], [false, false]);
      disk.chown("/valued", -1, 9);
      disk.chown("/valued", 6, -1);
      assert.deepEqual([disk.stat("/valued").uid, disk.stat("/valued").gid], [6, 9]);
    });
    assert.throws(() => openImage(image, { owner: { uid: -1, gid: 0 } }), RangeError);
  });

  it("names itself when it cannot be opened", () => {
    const fifo = files.path("fifo");
    tool("mkfifo", fifo);
    fs.mkdirSync(files.path("directory"));
    for (const path of [fifo, files.path("directory")]) {
      const message = `${path} is neither a file nor a block device`;
      assert.throws(() => openImage(path), { name: "ImageOpenError", code: "ERR_BULKHEAD_SOURCE", message });
    }
    const empty = files.path("empty");
    fs.writeFileSync(empty, Buffer.alloc(100_000));
    assert.throws(
      () => openImage(empty),
      (error: Error) => error.message.startsWith(`${empty}: corrupt: `),
    );
  });

  it("is not changed by reading, and cannot be", () => {
    const bytes = fs.readFileSync(image);
    withImage({}, (disk) => {
      disk.readFile("/a/b/file");
      disk.readdir("/");
      assert.throws(() => disk.writeFile("/new", ""), { code: "EROFS" });
      assert.throws(() => disk.chmod("/a", 0o700), { code: "EROFS" });
    });
    assert.ok(bytes.equals(fs.readFileSync(image)));
    fs.chmodSync(image, 0o444);
    if (process.getuid?.() !== 0) assert.throws(() => openImage(image, { writable: true }), /permission denied/);
    fs.chmodSync(image, 0o644);
  });

  it("is one client's when it is written", () => {
    withImage({ writable: true }, () => {
      assert.throws(() => openImage(image, { writable: true, log: "ignore" }), /in use by process \d+/);
    });
    assert.throws(() => openImage(files.path("none")), { code: "ERR_BULKHEAD_SOURCE", message: /no such file/ });
    fs.writeFileSync(files.path("junk"), Buffer.alloc(100_000, 0x5a));
    assert.throws(() => openImage(files.path("junk"), { log: "ignore" }), {
      code: "ERR_EXT4_CORRUPT",
      corruption: "superblock-magic",
    });
  });

  it("fails clearly when space runs out, and keeps what it said was done", () => {
    const small = makeImage(files.path("small.img"), 4);
    const disk = openImage(small, { writable: true, log: "ignore" });
    try {
      disk.writeFile("/kept", "kept");
      assert.throws(() => disk.writeFile("/big", new Uint8Array(8 << 20)), { code: "ENOSPC", path: "/big" });
      assert.equal(text(disk.readFile("/kept")), "kept");
      disk.rm("/big");
      disk.writeFile("/after", "there is space again");
    } finally {
      disk.close();
    }
    assertClean(small);
    assert.match(tool("debugfs", "-R", "cat /after", small), /space again/);
  });

  it("can be closed twice, and closes nobody else's descriptor", () => {
    for (const direct of [false, true]) {
      const disk = openImage(image, { direct, log: "ignore" });
      disk.readdir("/");
      disk.close();
      // They get the numbers that have become free.
      const others = Array.from({ length: 8 }, () => fs.openSync(image, "r"));
      disk.close();
      for (const fd of others) fs.closeSync(fd);
    }
  });

  it("says so when its server is killed, hangs on nothing, and leaves what was synced", () => {
    const disk = openImage(image, { writable: true, log: "ignore" });
    disk.writeFile("/synced", "synced");
    disk.sync();
    process.kill(disk.serverPid, "SIGKILL");
    const started = performance.now();
    assert.throws(() => disk.writeFile("/lost", "x"), { code: "ERR_FUSE_CONNECTION", loss: "gone" });
    assert.throws(() => disk.stat("/"), { code: "ERR_FUSE_CONNECTION" });
    disk.close();
    assert.ok(performance.now() - started < 5000);
    withImage({ writable: true }, (again) => assert.equal(text(again.readFile("/synced")), "synced"));
  });

  it("gives up on a server that does not answer", () => {
    const disk = openImage(image, { log: "ignore", timeout: 1500 });
    process.kill(disk.serverPid, "SIGSTOP");
    try {
      assert.throws(() => disk.readdir("/"), { loss: "stalled", message: /within 1\.5 s/ });
    } finally {
      process.kill(disk.serverPid, "SIGKILL");
      disk.close();
    }
  });

  it("is complete when its client dies without a word", async () => {
    const client = spawn(process.execPath, [fileURLToPath(new URL("./dying-client.js", import.meta.url)), image], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let said = "";
    client.stdout.on("data", (piece: Buffer) => {
      said += piece.toString();
      if (said.includes("\n")) client.kill("SIGKILL");
    });
    await new Promise((resolve) => client.on("exit", resolve));
    await complete(Number(said));
  });

  it("is complete when the worker's thread that has it open is ended, without a word on standard error", async () => {
    const client = new Worker(new URL("./dying-client.js", import.meta.url), {
      argv: [image],
      stdout: true,
      stderr: true,
    });
    const server = await new Promise<number>((resolve) =>
      client.stdout.once("data", (said: Buffer) => resolve(Number(said))),
    );
    await client.terminate();
    await complete(server);
    assert.equal(client.stderr.read(), null);
  });

  it("leaves no process behind when a worker's thread has closed it, and has ended", async () => {
    const client = new Worker(new URL("./dying-client.js", import.meta.url), { argv: [image, "close"], stdout: true });
    const server = new Promise<number>((resolve) =>
      client.stdout.once("data", (said: Buffer) => resolve(Number(said))),
    );
    await new Promise((resolve) => client.once("exit", resolve));
    assert.equal(fs.existsSync(`/proc/${await server}`), false);
    await complete(await server);
  });

  async function complete(server: number): Promise<void> {
    for (let tries = 0; tries < 400 && isRunning(server); tries++) await new Promise((done) => setTimeout(done, 10));
    assert.equal(isRunning(server), false, "the server has ended");
    assertClean(image);
    withImage({ writable: true }, (disk) => {
      assert.equal(disk.readdir("/many").length, 100);
      disk.rm("/many", { recursive: true });
    });
  }
});

function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(fs.readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
