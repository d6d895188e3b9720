// Oracle: the kernel's ext4 on a loop mount, copied by cp -a.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { lgetxattr, llistxattr, lstatx, seekData, seekHole } from "@bulkhead/linux";
import { bulkhead, missingTool, program, scratchDirectory, tool, unpackDemo, withoutLoopMounts } from "./command.js";
import { debugfs, makeFilledImage, makeImageOf, onTerminal, renameInPlace } from "./filled-image.js";

/** What is known of a file on the host. */
interface HostFile {
  readonly mode: string;
  readonly owner: string;
  readonly mtime: unknown;
  readonly device: string;
  readonly xattrs: readonly string[][];
  readonly size?: number;
  readonly nlink?: number;
  /** The first path of the same inode. */
  readonly first?: string;
  readonly atime?: unknown;
  readonly target?: string;
  /** Where data lies, and its digest. */
  readonly ranges?: readonly string[];
  readonly sha256?: string;
}

type Walk = Map<string, HostFile>;

function walkHost(root: string): Walk {
  const walk: Walk = new Map();
  const names = new Map<number, string>();
  const visit = (path: Buffer, name: string) => {
    const { mode, uid, gid, size, nlink, atime, mtime, rdevMajor, rdevMinor, ino } = lstatx(path);
    const type = mode & 0o170000;
    const isDirectory = type === 0o040000;
    const xattrs = llistxattr(path).map((each) => [latin1(each), latin1(lgetxattr(path, each)!)]);
    const first = names.get(ino) ?? name;
    const isNew = first === name;
    names.set(ino, first);
    walk.set(name, {
      mode: mode.toString(8),
      owner: `${uid}:${gid}`,
      ...(isDirectory ? {} : { size, nlink, first }),
      // What this walk reads, it gives another access time.
      ...(isDirectory || type === 0o120000 || !isNew ? {} : { atime }),
      mtime,
      device: `${rdevMajor}:${rdevMinor}`,
      xattrs: xattrs.sort(),
      ...(type === 0o120000 ? { target: latin1(fs.readlinkSync(path, "buffer")) } : {}),
      ...(type === 0o100000 ? contents(path) : {}),
    });
    if (!isDirectory) return;
    const entries = fs.readdirSync(path, { encoding: "buffer" }).sort(Buffer.compare);
    for (const entry of entries) visit(Buffer.concat([path, Buffer.from("/"), entry]), `${name}/${latin1(entry)}`);
  };
  visit(Buffer.from(root), "");
  return walk;
}

/** Digest of the data and where it lies; holes are not read. */
function contents(path: Buffer): Pick<HostFile, "ranges" | "sha256"> {
  const hash = createHash("sha256");
  const ranges: string[] = [];
  const fd = fs.openSync(path, "r");
  try {
    for (let at = seekData(fd, 0); at >= 0; at = seekData(fd, at)) {
      const end = seekHole(fd, at);
      ranges.push(`${at}-${end}`);
      const bytes = Buffer.alloc(end - at);
      fs.readSync(fd, bytes, 0, bytes.length, at);
      hash.update(bytes);
      at = end;
    }
  } finally {
    fs.closeSync(fd);
  }
  return { ranges, sha256: hash.digest("hex") };
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

/**
 * cp -a copies this file whole, as it has no fewer blocks than bytes; SEEK_DATA on the image's mount finds what was written,
 * and so do we.
 */
function expectPreallocated(copy: string, oracleCopy: string, expected: Walk): void {
  assert.deepEqual(fs.readFileSync(join(copy, "preallocated")), fs.readFileSync(join(oracleCopy, "preallocated")));
  const written = createHash("sha256")
    .update("written")
    .update(Buffer.alloc(4096 - 7))
    .digest("hex");
  expected.set("/preallocated", { ...expected.get("/preallocated")!, ranges: ["8192-12288"], sha256: written });
}

function assertSame(actual: Walk, expected: Walk): void {
  assert.deepEqual([...actual.keys()], [...expected.keys()]);
  for (const [name, record] of expected) assert.deepEqual(actual.get(name), record, name);
}

describe("cp", { skip: withoutLoopMounts() || missingTool("python3", "debugfs") }, () => {
  let directory = "";
  let image = "";
  let oracle = "";
  const path = (name: string) => join(directory, name);
  before(() => {
    directory = scratchDirectory();
    fs.chmodSync(directory, 0o755);
    image = path("disk.img");
    oracle = path("oracle");
    makeFilledImage(image, ["-b", "4096"], oracle);
  });
  after(() => fs.rmSync(directory, { recursive: true, force: true }));

  it("makes what the kernel and cp -a make: types, modes, owners, times, attributes, ACLs, links, holes", () => {
    const { code, stderr, stdout } = bulkhead(["cp", "-r", `${image}:/`, path("copy")]);
    assert.deepEqual([code, stderr, stdout], [0, "", ""]);
    const expected = walkHost(oracle);
    assert.ok(expected.size > 330);
    assert.deepEqual(expected.get("/plain")?.nlink, 3);
    const actual = walkHost(path("copy"));
    expectPreallocated(path("copy"), oracle, expected);
    assertSame(actual, expected);
  });

  it("makes the same of 1 KiB blocks, block pointers and inline data", () => {
    for (const [name, options] of [
      ["ext3", ["-b", "1024", "-I", "256", "-O", "^extents,^64bit,^metadata_csum"]],
      ["inline", ["-b", "4096", "-I", "512", "-O", "inline_data,ea_inode"]],
    ] as const) {
      makeFilledImage(path(`${name}.img`), options, path(`${name}.oracle`));
      const { code, stderr } = bulkhead(["cp", "-r", `${path(`${name}.img`)}:/`, path(`${name}.copy`)]);
      assert.deepEqual([code, stderr], [0, ""]);
      const expected = walkHost(path(`${name}.oracle`));
      const actual = walkHost(path(`${name}.copy`));
      // Without extents nothing can be unwritten.
      if (name !== "ext3") expectPreallocated(path(`${name}.copy`), path(`${name}.oracle`), expected);
      assertSame(actual, expected);
    }
  });

  it("replaces what is there, keeps links over several sources, and can leave things alone", () => {
    fs.mkdirSync(path("into"));
    fs.writeFileSync(path("into/plain"), "old");
    fs.writeFileSync(path("into/empty"), "mine");
    const sources = [`${image}:/plain`, `${image}:/d`];
    assert.equal(bulkhead(["cp", "-r", ...sources, path("into")]).code, 0);
    assert.equal(bulkhead(["cp", "-r", ...sources, path("into")]).code, 0, "again, over itself");
    assert.equal(fs.readFileSync(path("into/plain"), "utf8").length, 6000);
    assert.equal(fs.statSync(path("into/plain")).ino, fs.statSync(path("into/d/linked")).ino);
    assert.equal(bulkhead(["cp", "-n", `${image}:/empty`, path("into")]).code, 0);
    assert.equal(fs.readFileSync(path("into/empty"), "utf8"), "mine");
    assert.equal(bulkhead(["cp", `${image}:/link`, path("into/followed")]).code, 0);
    assert.ok(fs.lstatSync(path("into/followed")).isFile());
    assert.deepEqual(fs.readdirSync(path("into")).sort(), ["d", "empty", "followed", "plain"]);
  });

  it("leaves out what --no-preserve names", () => {
    const what = "--no-preserve=mode,ownership,timestamps,xattr,links";
    const before = Date.now() - 2000;
    assert.equal(bulkhead(["cp", "-r", what, `${image}:/`, path("bare")]).code, 0);
    const bare = walkHost(path("bare"));
    assert.equal(bare.get("/suid")?.owner, "0:0");
    const umask = process.umask();
    assert.equal(bare.get("/suid")?.mode, (0o100666 & ~umask).toString(8), "as GNU cp: nor can it be executed");
    assert.equal(bare.get("/d")?.mode, (0o040777 & ~umask).toString(8));
    assert.deepEqual(bare.get("/attributes")?.xattrs, []);
    assert.equal(bare.get("/plain")?.nlink, 1);
    assert.ok(fs.statSync(path("bare/plain")).mtimeMs > before);
  });

  it("does not hand an ACL of the destination on to copies", () => {
    fs.mkdirSync(path("heirs"));
    assert.equal(bulkhead(["cp", "-r", `${image}:/dir-acl`, path("heirs")]).code, 0);
    assert.ok(lgetxattr(path("heirs/dir-acl"), "system.posix_acl_default") !== undefined);
    assert.equal(bulkhead(["cp", "-r", `${image}:/plain`, `${image}:/d`, path("heirs/dir-acl")]).code, 0);
    assert.deepEqual(llistxattr(path("heirs/dir-acl/d")), []);
    assert.deepEqual(llistxattr(path("heirs/dir-acl/plain")), []);
  });

  it("keeps what a user may keep, and warns once for each kind that needs root", () => {
    const nobody = 65534;
    fs.mkdirSync(path("user"));
    fs.chownSync(path("user"), nobody, nobody);
    fs.chmodSync(image, 0o644);
    const { code, stderr } = bulkhead(["cp", "-r", `${image}:/`, path("user/copy")], { uid: nobody });
    const lines = stderr.trim().split("\n").sort();
    assert.deepEqual(lines, [
      "bulkhead cp: warning: attributes of the namespace security are not kept: that needs root",
      "bulkhead cp: warning: attributes of the namespace trusted are not kept: that needs root",
      "bulkhead cp: warning: device files are left out: they need root",
      "bulkhead cp: warning: owners are not kept: that needs root",
    ]);
    assert.equal(code, 0);
    const walk = walkHost(path("user/copy"));
    assert.deepEqual([walk.has("/disk"), walk.has("/null"), walk.has("/fifo")], [false, false, true]);
    assert.equal(walk.get("/suid")?.mode, "100755", "set-id bits are dropped with the owner");
    assert.equal(walk.get("/readonly")?.mode, "100400");
    assert.deepEqual(walk.get("/readonly")?.xattrs, [["user.kept", "even here"]]);
    assert.deepEqual(walk.get("/big")?.mtime, { seconds: 2 ** 33 + 6, nanoseconds: 123456789 });
  });

  it("says that it is the image's own disk that is full", () => {
    const small = path("small");
    fs.mkdirSync(small);
    tool("mount", "-t", "tmpfs", "-o", "size=4M", "none", small);
    try {
      const image = join(small, "image");
      tool("truncate", "-s", "64M", image);
      tool("mke2fs", "-q", "-F", "-t", "ext4", "-J", "size=1", image);
      fs.writeFileSync(path("large"), Buffer.alloc(8 << 20, 1));
      const { code, stderr } = bulkhead(["cp", path("large"), `${image}:/`]);
      assert.equal(code, 1);
      const [first] = stderr.split("\n");
      assert.match(first!, /ENOSPC.*: what the image lies on is full, not the file system in it$/);
    } finally {
      tool("umount", small);
    }
  });

  it("never writes through a symbolic link that an image brings", () => {
    const hostile = path("hostile.img");
    const outside = path("outside");
    fs.mkdirSync(outside);
    fs.mkdirSync(path("tree"));
    fs.symlinkSync(outside, path("tree/trap"));
    fs.mkdirSync(path("tree/trapped"));
    fs.writeFileSync(path("tree/trapped/file"), "should not escape");
    fs.writeFileSync(path("tree/victim"), "x");
    makeImageOf(hostile, path("tree"));
    const bytes = fs.readFileSync(hostile);
    renameInPlace(bytes, "trapped", "trap");
    fs.writeFileSync(hostile, bytes);
    const { code, stderr } = bulkhead(["cp", "-r", `${hostile}:/`, path("caught")]);
    assert.notEqual(code, 0);
    assert.match(stderr, /trap: .*(symbolic link is in the place|no directory)/);
    assert.deepEqual(fs.readdirSync(outside), []);

    // The same in two steps: the link from one copy, the directory from the next.
    fs.mkdirSync(path("later"));
    fs.symlinkSync(outside, path("later/d"));
    const second = bulkhead(["cp", "-r", `${image}:/d`, path("later")]);
    assert.equal(second.code, 1);
    assert.match(second.stderr, /a symbolic link is in the place of the directory, and is not followed/);
    assert.deepEqual(fs.readdirSync(outside), []);
  });

  it("refuses names that lead elsewhere, and copies the others", () => {
    const hostile = path("names.img");
    fs.mkdirSync(path("names"));
    for (const name of ["aaaaaaaa", "harmless"]) fs.writeFileSync(path(`names/${name}`), name);
    makeImageOf(hostile, path("names"));
    const bytes = fs.readFileSync(hostile);
    renameInPlace(bytes, "aaaaaaaa", "../../xx");
    fs.writeFileSync(hostile, bytes);
    fs.mkdirSync(path("deep"));
    fs.mkdirSync(path("deep/er"));
    const { code, stderr } = bulkhead(["cp", "-r", `${hostile}:/`, path("deep/er/copy")]);
    assert.notEqual(code, 0);
    assert.notEqual(stderr, "");
    assert.equal(fs.existsSync(path("deep/xx")), false);
    assert.deepEqual(fs.readdirSync(path("deep")), ["er"]);
  });

  it("goes on after a damaged file, and says so by its exit code", () => {
    const damaged = path("damaged.img");
    fs.mkdirSync(path("good"));
    for (const name of ["a", "b", "c"]) fs.writeFileSync(path(`good/${name}`), name.repeat(5000));
    makeImageOf(damaged, path("good"));
    debugfs(damaged, ["set_inode_field /b block[0] 0", "set_inode_field /b block[3] 0xffff"]);
    const { code, stderr } = bulkhead(["cp", "-r", `${damaged}:/`, path("rescued")]);
    assert.equal(code, 3);
    assert.match(stderr, /damaged\.img:\/b: corrupt: /);
    assert.deepEqual(fs.readdirSync(path("rescued")).sort(), ["a", "c", "lost+found"]);
  });

  const signals = [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 143],
  ] as const;
  for (const [signal, code] of signals) {
    it(`leaves no half file when it is ended by ${signal}`, () => interrupted(signal, code));
  }

  async function interrupted(signal: NodeJS.Signals, code: number): Promise<void> {
    const long = path("long.img");
    for (const name of ["long", "target"]) fs.rmSync(path(name), { recursive: true, force: true });
    fs.mkdirSync(path("long"));
    fs.writeFileSync(path("long/data"), Buffer.alloc(40 << 20, 7));
    makeImageOf(long, path("long"), 64);
    fs.mkdirSync(path("target"));
    const copies = Array.from({ length: 60 }, () => `${long}:/data`);
    const copying = spawn(process.execPath, [program, "cp", ...copies, path("target")], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let stderr = "";
    copying.stderr.on("data", (piece: Buffer) => {
      stderr += piece.toString();
    });
    const ended = new Promise<number | null>((resolve) => copying.on("exit", resolve));
    for (let tries = 0; tries < 500 && fs.readdirSync(path("target")).length === 0; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    copying.kill(signal);
    assert.equal(await ended, code);
    assert.match(stderr, /interrupted/);
    assert.deepEqual(
      fs.readdirSync(path("target")).filter((name) => name.endsWith(".part")),
      [],
    );
  }

  it("shows a progress bar on a terminal only", { skip: missingTool("script") }, () => {
    const shown = path("shown.log");
    onTerminal(`${process.execPath} ${program} cp -r ${image}:/ ${path("shown")}`, shown);
    assert.match(fs.readFileSync(shown, "utf8"), / \d+% {2}[\d.]+ \w+ of 6\.9 MiB/);
    assert.ok(fs.existsSync(path("shown/plain")));
  });

  it("says what is wrong with a source or a destination", () => {
    const cases: [string[], number, RegExp][] = [
      [["cp", `${image}:/d`, path("x")], 1, /disk\.img:\/d is a directory; copy it with -r/],
      [["cp", `${image}:/nope`, path("x")], 1, /disk\.img has no \/nope: there is no such file/],
      [["cp", `${image}:/plain`, `${image}:/big`, path("x")], 1, /is no directory, and there are 2 sources/],
      [["cp", `${image}:/plain`, path("no/such/place")], 1, /no such file or directory/],
      [["cp", `${image}:/plain`, path("x/")], 1, /there is no directory .*x\//],
      [["cp", program, path("x")], 2, /bulkhead\.js: corrupt: .*; SOURCE or DEST is in an image: name it IMAGE:\/PATH/],
      [["cp", "--no-preserve=modes", `${image}:/plain`, path("x")], 2, /did you mean mode\?/],
      [["cp", `${image}:/plain`], 2, /DEST is missing/],
      [
        ["cp", `${image}:/plain`, `${image}:/${"n".repeat(300)}`],
        1,
        /disk\.img:\/n{300}: a name or path is too long\n/,
      ],
    ];
    for (const [args, expected, message] of cases) {
      const { code, stderr } = bulkhead(args);
      assert.equal(code, expected, stderr);
      assert.match(stderr, message);
    }
    assert.equal(fs.existsSync(path("x")), false);
  });

  it("leaves a file that would be copied onto itself as it is, with its other names", {
    skip: missingTool("mke2fs"),
  }, () => {
    const own = path("own.img");
    fs.writeFileSync(own, "");
    fs.truncateSync(own, 16 << 20);
    tool("mke2fs", "-q", "-F", "-t", "ext4", own);
    const at = (name: string) => `${own}:/${name}`;
    assert.equal(bulkhead(["cp", program, at("a")]).code, 0);
    assert.equal(bulkhead(["ln", at("a"), at("b")]).code, 0);
    assert.equal(bulkhead(["mkdir", at("d")]).code, 0);
    assert.equal(bulkhead(["cp", at("a"), at("b"), at("d")]).code, 0);
    for (const [args, path, kind] of [
      [[at("a"), at("a")], "a", "file"],
      [[at("a"), at("b")], "b", "file"],
      [["-r", at("."), at("")], "", "directory"],
      [["-r", at("d"), at("")], "d", "directory"],
      [["-r", at("d/."), at("d")], "d", "directory"],
    ] as const) {
      const said = `bulkhead cp: ${at(path)}: it is the same ${kind} as what is copied\n`;
      assert.deepEqual(bulkhead(["cp", ...args]), { code: 1, stdout: "", stderr: said });
    }
    assert.match(bulkhead(["stat", at("a")]).stdout, /, 2 links,/);
    assert.equal(bulkhead(["cp", at("a"), at("d")]).code, 0);
    tool("e2fsck", "-fn", own);
  });

  it("says what it is that there is no space for", { skip: missingTool("mke2fs", "setfattr") }, () => {
    const small = path("small.img");
    fs.writeFileSync(small, "");
    fs.truncateSync(small, 4 << 20);
    tool("mke2fs", "-q", "-F", "-b", "1024", small);
    fs.writeFileSync(path("attributed"), "");
    tool("setfattr", "-n", "user.long", "-v", "x".repeat(1500), path("attributed"));
    const { code, stderr } = bulkhead(["cp", path("attributed"), `${small}:/`]);
    assert.deepEqual(
      [code, /attributed: no space is left for its extended attributes: /.test(stderr)],
      [1, true],
      stderr,
    );
  });

  it("says that it copies no pipe without a name", () => {
    const other = path("piped.img");
    unpackDemo(other);
    const { code, stderr } = bulkhead(["cp", "/dev/stdin", `${other}:/new`]);
    assert.deepEqual(
      [code, /\/dev\/stdin is a pipe or socket without a name; write to a file first/.test(stderr)],
      [1, true],
    );
  });

  it("puts no copy in the place of an image, nor of what is no file", { skip: missingTool("mkfifo", "mknod") }, () => {
    const other = path("other.img");
    unpackDemo(other);
    const before = fs.readFileSync(other);
    tool("mkfifo", path("pipe"));
    tool("mknod", path("zero"), "c", "1", "5");
    const disk = Buffer.alloc(1 << 20);
    disk.set([0x55, 0xaa], 510);
    fs.writeFileSync(path("disk"), disk);
    const cases: [string, RegExp][] = [
      [other, /other\.img is an image, and would be replaced; in it, DEST is .*other\.img:\/PATH/],
      [path("disk"), /disk is an image, and would be replaced/],
      [path("pipe"), /pipe is no regular file, and would be replaced/],
      [path("zero"), /zero is no regular file, and would be replaced/],
    ];
    for (const [destination, message] of cases) {
      const { code, stderr } = bulkhead(["cp", `${image}:/plain`, destination]);
      assert.match(stderr, message);
      assert.equal(code, 1);
    }
    assert.deepEqual(fs.readFileSync(other), before);
    assert.deepEqual(fs.readFileSync(path("disk")), disk);
    assert.ok(fs.statSync(path("pipe")).isFIFO() && fs.statSync(path("zero")).isCharacterDevice());
    assert.match(bulkhead(["cp", program, other]).stderr, /other\.img is an image/);
  });

  it("says which end failed, and where it is there", () => {
    const nobody = 65534;
    const own = path("own");
    fs.mkdirSync(own);
    fs.writeFileSync(join(own, "secret"), "s");
    fs.chmodSync(join(own, "secret"), 0);
    const target = path("ends.img");
    unpackDemo(target);
    fs.chownSync(target, nobody, nobody);
    const said = (...args: string[]) => bulkhead(["cp", ...args], { uid: nobody }).stderr;
    assert.equal(said("-r", own, `${target}:/`), `bulkhead cp: ${own}/secret: permission denied\n`);
    assert.match(said(`${image}:/plain`, `${target}:/none/x`), /ends\.img has no directory for \/none\/x: there is no/);
    fs.mkdirSync(join(own, "plain"));
    assert.equal(bulkhead(["cp", `${image}:/plain`, own]).stderr, `bulkhead cp: ${own}/plain: it is a directory\n`);
    fs.mkdirSync(path("clash"));
    fs.writeFileSync(path("clash/log"), "a directory in the image");
    assert.equal(said("-r", `${path("clash")}/.`, `${target}:/`), `bulkhead cp: ${target}:/log: it is a directory\n`);
    assert.equal(bulkhead(["cp", "-v", `${image}:/plain`, `${target}:/`]).stdout, `${target}:/plain\n`);
  });

  it("takes names on the host that are no UTF-8", { skip: process.platform !== "linux" }, () => {
    const line = `set -e
      bytes=$(printf '\\377'); cd "$3"; mkdir "in$bytes" "out$bytes"; echo text > "in$bytes/file$bytes"; cp "$4" "disk$bytes.img"
      "$1" "$2" cp "in$bytes/file$bytes" "disk$bytes.img:/"
      "$1" "$2" cp "disk$bytes.img:/file$bytes" "out$bytes"
      "$1" "$2" cp "disk$bytes.img:/file$bytes" "new$bytes"
      cat "out$bytes/file$bytes" "new$bytes"`;
    const demo = path("bytes.img");
    unpackDemo(demo);
    const { stdout, stderr } = spawnSync("sh", ["-c", line, "sh", process.execPath, program, directory, demo], {
      encoding: "utf8",
    });
    assert.deepEqual([stdout, stderr], ["text\ntext\n", ""]);
  });

  it("needs no kernel feature for a user's small image", () => {
    unpackDemo(path("demo.img"));
    assert.equal(bulkhead(["cp", "-r", `${path("demo.img")}:/log/.`, path("log")]).code, 0);
    assert.deepEqual(fs.readdirSync(path("log")).sort(), ["1912", "cargo"]);
  });
});
