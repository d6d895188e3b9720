// Oracle: what is known of the demonstration image, which Linux wrote.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { bulkhead, missingTool, packageRoot, program, scratchDirectory, unpackDemo } from "./command.js";
import { makeImageOf, onTerminal, renameInPlace } from "./filled-image.js";

interface JsonFile {
  readonly name: string;
  readonly kind: string;
  readonly mode: number;
  readonly links: number;
  readonly size: number;
  readonly mtime: string;
  readonly target?: string;
}

const CARGO_SHA256 = "4dee400da20bb6b7cfd1721c3383c86bb26571402edfe6631109445b28632130";

describe("commands without a mount", () => {
  let directory = "";
  let image = "";
  const path = (name: string) => join(directory, name);
  before(() => {
    directory = scratchDirectory();
    image = path("demo.img");
    unpackDemo(image);
  });
  after(() => fs.rmSync(directory, { recursive: true, force: true }));

  const succeeds = (...args: string[]): string => {
    const { code, stdout, stderr } = bulkhead(args);
    assert.deepEqual([code, stderr], [0, ""]);
    return stdout;
  };
  const fails = (code: number, message: RegExp, ...args: string[]) => {
    const result = bulkhead(args);
    assert.match(result.stderr, message);
    assert.equal(result.code, code, result.stderr);
    return result;
  };

  it("ls lists names, long and with inodes, hidden ones on demand, directories inside", () => {
    const names = "README\nStraße nach Süden\nlog\nlost+found\nmanifest\n";
    assert.equal(succeeds("ls", image), names);
    assert.equal(succeeds("ls", `${image}:/log/..`), names);
    const long = succeeds("ls", "-li", `${image}:/manifest`).split("\n");
    assert.match(long[0]!, /^ *\d+ -rw-r----- 2 0 0 +228894 \d{4}-\d\d-\d\d \d\d:\d\d cargo-again\.txt$/);
    assert.match(succeeds("ls", "-l", `${image}:/log/cargo`), / \/log\/cargo -> \.\.\/manifest\/cargo\.txt\n$/);
    assert.equal(succeeds("ls", `${image}:/log/cargo`), "/log/cargo\n");
    const deep = succeeds("ls", "-R", `${image}:/`);
    assert.match(deep, /^\/:\nREADME\n/);
    assert.match(deep, /\n\n\/log\/1912:\nday-001\.txt\n/);
    assert.match(deep, /\n\n\/manifest:\ncargo-again\.txt\n/);
  });

  it("ls --json gives what programs need", () => {
    const [root] = JSON.parse(succeeds("ls", "--json", image)) as [{ path: string; entries: JsonFile[] }];
    assert.equal(root.path, "/");
    const readme = root.entries.find(({ name }) => name === "README")!;
    assert.deepEqual([readme.kind, readme.mode, readme.links, readme.size], ["file", 0o100664, 1, 92]);
    assert.equal(readme.mtime, "2026-04-14T23:40:00.123456789Z");
  });

  it("tree draws what is there, no deeper than asked", () => {
    const tree = succeeds("tree", image);
    assert.match(tree, /^\/\n├── README\n/);
    assert.match(tree, /\n│ {3}├── 1912\n│ {3}│ {3}├── day-001\.txt\n/);
    assert.match(tree, /\n│ {3}└── cargo -> \.\.\/manifest\/cargo\.txt\n/);
    assert.match(tree, /\n {4}└── sparse\.bin\n\n5 directories, 206 files\n$/);
    assert.doesNotMatch(succeeds("tree", "-L", "1", image), /cargo/);
    fails(2, /--depth takes a whole number of at least 1, not 0/, "tree", "-L0", image);
  });

  it("stat tells everything, of a link itself", () => {
    const text = succeeds("stat", `${image}:/README`);
    assert.match(text, /^Modify: {3}2026-04-14 23:40:00\.123456789 \+0000$/m);
    assert.match(text, /^Xattr: {4}user\.captain="E\. J\."$/m);
    const [link] = JSON.parse(succeeds("stat", "--json", `${image}:/log/cargo`)) as JsonFile[];
    assert.deepEqual([link!.kind, link!.target, link!.size], ["symlink", "../manifest/cargo.txt", 21]);
  });

  it("cat writes files one after the other, and goes on after an error", () => {
    const { stdout } = spawnSync(process.execPath, [program, "cat", `${image}:/log/cargo`]);
    assert.equal(createHash("sha256").update(stdout).digest("hex"), CARGO_SHA256);
    const twice = fails(1, /^bulkhead cat: .*\/log: it is a directory\n$/, "cat", `${image}:/log`, `${image}:/README`);
    assert.match(twice.stdout, /^This image was written by Linux/);
  });

  it("cat and extents say of what has no contents that it has none", { skip: missingTool("mke2fs", "mkfifo") }, () => {
    fs.mkdirSync(path("pipes"));
    spawnSync("mkfifo", [path("pipes/fifo")]);
    makeImageOf(path("pipes.img"), path("pipes"));
    for (const command of ["cat", "extents"]) {
      fails(
        1,
        /^bulkhead \w+: .*:\/fifo: it is no regular file, and has no contents\n$/,
        command,
        `${path("pipes.img")}:/fifo`,
      );
    }
  });

  it("cat stops without a word when nobody reads on", { skip: missingTool("bash", "head") }, () => {
    const line = `"${process.execPath}" "${program}" cat "$1" | head -c 1 >&2; exit \${PIPESTATUS[0]}`;
    const { status, stderr } = spawnSync("bash", ["-c", line, "bash", `${image}:/manifest/sparse.bin`]);
    assert.deepEqual([status, stderr.length], [141, 1]);
  });

  it("extents shows where data lies", () => {
    const [extent] = JSON.parse(succeeds("extents", "--json", `${image}:/manifest/cargo.txt`)) as [
      { kind: string; offset: number; length: number; address: number },
    ];
    const bytes = fs.readFileSync(image).subarray(extent.address, extent.address + 228894);
    assert.equal(createHash("sha256").update(bytes).digest("hex"), CARGO_SHA256);
    fails(1, /^bulkhead extents: .*:\/manifest: it is a directory\n$/, "extents", `${image}:/manifest`);
    const sparse = succeeds("extents", `${image}:/manifest/sparse.bin`);
    assert.match(sparse, /^ +0 +\d+ +hole +-$/m);
    assert.match(sparse, /5368709120 bytes, \d+ extents?\n$/);
  });

  it("info shows the file system for people and for programs", () => {
    const text = succeeds("info", image);
    assert.match(text, /^Label: +harbour$/m);
    assert.match(text, /^Features: +has_journal ext_attr .* metadata_csum$/m);
    const info = JSON.parse(succeeds("info", "--json", image)) as {
      label: string;
      blockSize: number;
      blockCount: number;
    };
    assert.deepEqual([info.label, info.blockSize, info.blockCount], ["harbour", 1024, 8192]);
  });

  it("find the file system in a partition or at an offset, and say which partitions there are", () => {
    const disk = path("disk.img");
    const start = 2048;
    const bytes = Buffer.alloc(16 << 20);
    for (const [index, first, count] of [
      [0, 64, 100],
      [1, start, 16384],
    ] as const) {
      bytes[446 + index * 16 + 4] = 0x83;
      bytes.writeUInt32LE(first, 446 + index * 16 + 8);
      bytes.writeUInt32LE(count, 446 + index * 16 + 12);
    }
    bytes.writeUInt16LE(0xaa55, 510);
    fs.readFileSync(image).copy(bytes, start * 512);
    fs.writeFileSync(disk, bytes);
    for (const option of ["--partition=2", "--offset=1M", `--offset=${start * 512}`]) {
      assert.match(succeeds("ls", option, disk), /^README\n/);
    }
    const choice =
      /starts with a partition table.* by --partition=N: 1 \(50 KiB at 32768\), 2 \(8192 KiB at 1048576\)\n$/;
    fails(1, choice, "ls", disk);
    fails(1, choice, "info", disk);
    fails(1, /has no partition 3; there are 1, 2/, "info", "--partition", "3", disk);
    fails(1, /has no partition table/, "info", "--partition", "1", image);
    fails(2, /exclude each other/, "info", "--partition", "1", "--offset", "1", disk);
    fails(2, /--sb is for reading/, "cp", "--sb", "8193", "/etc/passwd", `${image}:/copy`);
    fails(2, /unknown option --sb/, "mkdir", "--sb", "8193", `${disk}:/new`);
    fails(1, /ends at 16777216, before offset 17179869184/, "info", "--offset", "16G", disk);
  });

  it("say what, where and what to do", () => {
    fs.writeFileSync(path("junk"), Buffer.alloc(100_000, 0x5a));
    fs.mkdirSync(path("folder"));
    fails(3, /^bulkhead info: .*junk: corrupt: .*0xEF53\n$/, "info", path("junk"));
    fails(1, /^bulkhead info: cannot open .*none: there is no such file or directory\n$/, "info", path("none"));
    fails(1, /folder is neither a file nor a block device/, "info", path("folder"));
    fails(2, /^bulkhead ls: there is no image .*none; name a file in it as IMAGE:\/PATH/, "ls", `${path("none")}:/x`);
    fails(1, /^bulkhead stat: .*demo\.img has no \/x: there is no such file/, "stat", `${image}:/x`);
    fails(1, /has no \/README\/x: it is no directory/, "ls", `${image}:/README/x`);
    fails(2, /^bulkhead: unknown command lss; did you mean ls\?/, "lss");
    fails(2, /unknown option --jsn; did you mean --json\?/, "info", "--jsn", image);
  });

  it("say where in the program an error came from when they are asked to, and send no control characters with it", () => {
    for (const what of [`${path("none\u001b[2J")}:/x`, `${image}:/none\u001b[2J`]) {
      const env = { ...process.env, BULKHEAD_DEBUG: "1" };
      const { stderr } = spawnSync(process.execPath, [program, "ls", what], { encoding: "utf8", env });
      assert.match(stderr, /^bulkhead ls: .*\n(.*\n)* {4}at /);
      assert.ok(!stderr.includes("\u001b"));
    }
  });

  it("say of an image that cannot be reached why", { skip: process.getuid?.() !== 0 }, () => {
    fs.chmodSync(directory, 0o755);
    fs.mkdirSync(path("locked"), { mode: 0o700 });
    fs.copyFileSync(image, path("locked/disk.img"));
    fs.symlinkSync("loop", path("loop"));
    const { code, stderr } = bulkhead(["ls", `${path("locked/disk.img")}:/`], { uid: 65534 });
    assert.match(stderr, /^bulkhead ls: cannot open .*locked\/disk\.img: permission denied\n$/);
    assert.equal(code, 1);
    fails(1, /cannot open .*loop: too many symbolic links/, "ls", `${path("loop")}:/`);
  });

  it("advise options as they are written here", { skip: missingTool("mke2fs") }, () => {
    const copies = path("copies.img");
    fs.mkdirSync(path("nothing"));
    makeImageOf(copies, path("nothing"), 16);
    fs.writeFileSync(copies, fs.readFileSync(copies).fill(0, 1024, 2048));
    fails(3, /there are copies of a superblock: try --sb=8193/, "ls", copies);
    fails(3, /there are copies of a superblock: try --sb=8193/, "info", copies);
    fails(3, /there are copies of a superblock: e2fsck -b repairs it by one \(/, "mkdir", `${copies}:/new`);
  });

  it("say that their output cannot be written, and end without a word when nobody reads it", {
    skip: missingTool("bash"),
  }, () => {
    const helper = join(packageRoot, "bin", "mount.bulkhead.js");
    const lines: [string, number, RegExp][] = [
      [`"$1" "$2" --help`, 141, /^bulkhead: cannot write the output: ENOSPC.*\n$/],
      [`"$1" "$2" ls --help`, 141, /^bulkhead ls: cannot write the output: ENOSPC.*\n$/],
      [`"$1" "$2" completion bash`, 141, /^bulkhead completion: cannot write the output: ENOSPC.*\n$/],
      [`"$1" "$3" --help`, 0, /^mount\.bulkhead: cannot write the output: ENOSPC.*\n$/],
    ];
    const run = (script: string) => {
      const args = ["-c", script, "bash", process.execPath, program, helper];
      const { status, stderr } = spawnSync("bash", args, { encoding: "utf8", timeout: 60_000 });
      return { status, stderr };
    };
    for (const [command, closed, message] of lines) {
      const full = run(`${command} > /dev/full`);
      assert.match(full.stderr, message);
      assert.notEqual(full.status, 0);
      assert.deepEqual(run(`(sleep 0.3; ${command}) | true; exit \${PIPESTATUS[0]}`), { status: closed, stderr: "" });
    }
    assert.equal(run('"$1" "$2" lss 2> /dev/full').status, 2);
  });

  describe("on names that an image made up", { skip: missingTool("mke2fs", "script") }, () => {
    const name = "\x1b]0;x\x07";
    let hostile = "";
    before(() => {
      hostile = path("names.img");
      fs.mkdirSync(path("names"));
      for (const file of ["AAAAAA", "bbbb", "plain"]) fs.writeFileSync(path(`names/${file}`), file);
      fs.symlinkSync("to\nthere", path("names/zlink"));
      makeImageOf(hostile, path("names"));
      const bytes = fs.readFileSync(hostile);
      renameInPlace(bytes, "AAAAAA", name);
      renameInPlace(bytes, "bbbb", "\xff\xfe\\n");
      fs.writeFileSync(hostile, bytes);
    });

    it("write bytes to a pipe as they are", () => {
      const { stdout } = bulkhead(["ls", hostile], { binary: true });
      assert.equal(stdout, `${name}\nlost+found\nplain\nzlink\n\xff\xfe\\n\n`);
      const tree = bulkhead(["tree", hostile], { binary: true }).stdout;
      assert.ok(tree.includes(" plain\n") && tree.includes(" zlink -> to\nthere\n"));
    });

    it("write nothing to a terminal that it would obey", () => {
      for (const args of ["ls", "ls -la", "tree", "cat"]) {
        const log = path("terminal.log");
        const target = args === "cat" ? `'${hostile}:/${"$(printf '\\033]0;x')"}'` : hostile;
        onTerminal(`${process.execPath} ${program} ${args} ${target} || true`, log);
        const shown = fs.readFileSync(log, "latin1").split("\n").slice(1, -2).join("\n");
        for (const byte of ["\x07", "\x1b", "\xff"]) assert.ok(!shown.includes(byte), args);
        if (args !== "cat") assert.match(shown, /\\x1b\]0;x\\x07[\s\S]*\\xff\\xfe\\\\n/);
      }
    });

    it("write JSON that says the same, and nothing that a terminal would obey", () => {
      const odd = "\u009b2J\u202etxt.\u0007";
      const [names, copy] = [path("odd-names"), path("odd-names.img")];
      fs.mkdirSync(names);
      fs.writeFileSync(join(names, odd), "");
      makeImageOf(copy, names);
      const listed = succeeds("ls", "--json", copy);
      assert.match(listed, /^[\n\x20-\x7e]*$/);
      const [root] = JSON.parse(listed) as [{ entries: JsonFile[] }];
      assert.ok(root.entries.some((entry) => entry.name === odd));
      const stated = succeeds("stat", "--json", `${copy}:/${odd}`);
      assert.match(stated, /^[\n\x20-\x7e]*$/);
      assert.equal((JSON.parse(stated) as [{ path: string }])[0].path, `/${odd}`);
    });

    it("take names that are no UTF-8 from the command line", { skip: process.platform !== "linux" }, () => {
      const line = `"${process.execPath}" "${program}" cat "$1":/"$(printf '\\377\\376\\\\n')"`;
      const { status, stdout } = spawnSync("sh", ["-c", line, "sh", hostile], { encoding: "utf8" });
      assert.deepEqual([status, stdout], [0, "bbbb"]);
    });
  });
});
