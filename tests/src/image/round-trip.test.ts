/**
 * Trees into images and out again, by an ordinary user, without a mount. Oracles: the kernel's walk of the tree that was copied, of
 * the image on a loop mount, and of the copy that came out; e2fsck.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { lchown, lsetxattr, lutimens, mknod } from "@bulkhead/linux";
import { withoutLoopMounts, withoutTools } from "../facilities.js";
import { withLoopMountAsync } from "../system/loop.js";
import { run } from "../system/process.js";
import { removeScratch, scratchDirectory } from "../system/scratch.js";
import { compareWalks, type Field } from "../walk/compare.js";
import { MountedWalker } from "../walk/mounted.js";
import type { Walk, WalkRecord } from "../walk/record.js";
import { bulkhead, checkImage, makeImage, NOBODY, PROGRAM, succeeds } from "./user.js";

/** What a copy has of its own. */
const OWN: Field[] = ["ino", "blocks", "ctime", "statistics"];
/** What only root may keep on the host. */
const ROOTS: Field[] = ["uid", "gid"];

/** The kernel's walk; of directories the times of access change by it. */
async function walkOf(root: string): Promise<Walk> {
  const records = new Map<string, WalkRecord>();
  await new MountedWalker(root).walk((record) => {
    if (record.path.startsWith("lost+found")) return;
    const directory = record.type === "directory";
    records.set(record.path, directory ? { ...record, atime: "", size: 0, nlink: 0 } : { ...record, atime: "" });
  });
  records.delete("");
  return { records, duplicates: [] };
}

describe("a tree goes into an image and out again", { skip: withoutLoopMounts() || withoutTools("setpriv") }, () => {
  let directory = "";
  const path = (name: string) => join(directory, name);
  before(() => {
    directory = scratchDirectory("round-trip");
    fs.chownSync(directory, NOBODY, NOBODY);
    fs.chmodSync(directory, 0o755);
  });
  after(() => removeScratch(directory));

  const kernelWalk = (image: string) => withLoopMountAsync(image, { options: ["ro"] }, walkOf);

  /** One of everything, with owners, times and attributes; readable by all, as who copies it has to read it. */
  function fill(root: string): void {
    fs.mkdirSync(root);
    const at = (name: string) => join(root, name);
    fs.writeFileSync(at("plain"), "plain\n".repeat(1000));
    fs.writeFileSync(at("empty"), "");
    fs.writeFileSync(at("big"), Buffer.alloc(9_000_001, "0123456789"));
    const sparse = fs.openSync(at("sparse"), "w");
    fs.writeSync(sparse, "x".repeat(5000), 1 << 20);
    fs.writeSync(sparse, "end", 5 * 2 ** 30);
    fs.ftruncateSync(sparse, 6 * 2 ** 30);
    fs.closeSync(sparse);
    fs.mkdirSync(at("d"));
    fs.mkdirSync(at("d/e"));
    for (const name of ["d/linked", "d/e/linked again"]) fs.linkSync(at("plain"), at(name));
    fs.symlinkSync("nowhere", at("link"));
    fs.symlinkSync("x".repeat(1000), at("long link"));
    fs.writeFileSync(Buffer.concat([Buffer.from(at("d/")), Buffer.from([0xff, 0xfe, 0x0a])]), "no UTF-8");
    mknod(at("fifo"), 0o010622);
    mknod(at("null"), 0o020666, 0x103);
    lsetxattr(at("plain"), "user.text", Buffer.from("value"));
    lsetxattr(at("d"), "user.of directory", Buffer.alloc(700, 1));
    const acl = Buffer.from(
      "0200000001000700ffffffff02000500e803000004000500ffffffff10000700ffffffff20000400ffffffff",
      "hex",
    );
    lsetxattr(at("big"), "system.posix_acl_access", acl);
    lsetxattr(at("d/e"), "system.posix_acl_default", acl);
    fs.writeFileSync(at("d/e/heir"), "heir");
    fs.chmodSync(at("d"), 0o2775);
    lchown(at("big"), 70_000, 4242);
    lchown(at("link"), 5, 6);
    fs.chmodSync(at("big"), 0o4755);
    const times = [at("plain"), at("big"), at("link"), at("d/e"), at("fifo")];
    for (const [n, name] of times.entries()) {
      lutimens(name, { seconds: n - 2, nanoseconds: 1 }, { seconds: 2 ** 31 + n, nanoseconds: 999_999_000 + n });
    }
  }

  test("with all that it has: the kernel sees the same in the image", async () => {
    fill(path("tree"));
    const truth = await walkOf(path("tree"));
    for (const [name, options] of [
      ["4k", ["-b", "4096"]],
      ["1k", ["-b", "1024", "-O", "^extents,^64bit,^metadata_csum"]],
      ["inline", ["-b", "4096", "-I", "512", "-O", "inline_data"]],
    ] as const) {
      const image = makeImage(directory, `${name}.img`, 96, ...options);
      succeeds("cp", "-r", `${path("tree")}/.`, `${image}:/`);
      checkImage(image);
      assert.deepEqual(compareWalks(truth, await kernelWalk(image), { ignore: [...OWN, "layout"] }), [], name);

      const out = path(`${name}.out`);
      const { code, stderr } = bulkhead("cp", "-r", `${image}:/`, out);
      assert.match(stderr, /owners are not kept: that needs root/);
      assert.match(stderr, /device files are left out: they need root/);
      assert.equal(code, 0);
      const copy = await walkOf(out);
      const expected = new Map(truth.records);
      for (const missing of ["null"]) expected.delete(missing);
      // Set-id bits stay with the owner that they are for.
      expected.set("big", { ...expected.get("big")!, mode: 0o755 });
      const ignore: Field[] = [...OWN, ...ROOTS, "layout"];
      const there = new Map([...copy.records].filter(([name]) => !name.startsWith("lost+found")));
      const walks = compareWalks({ records: expected, duplicates: [] }, { records: there, duplicates: [] }, { ignore });
      assert.deepEqual(walks, [], name);
      assert.ok(fs.statSync(join(out, "sparse")).blocks * 512 < 2 ** 20, "holes stay holes");
    }
  });

  test("from image to image, and over itself", async () => {
    const from = path("4k.img");
    const to = makeImage(directory, "second.img", 96, "-b", "1024");
    for (let times = 0; times < 2; times++) succeeds("cp", "-r", `${from}:/.`, `${to}:/`);
    checkImage(to);
    const truth = await kernelWalk(from);
    assert.deepEqual(compareWalks(truth, await kernelWalk(to), { ignore: [...OWN, "layout"] }), []);
    const { code, stderr } = bulkhead("cp", "-r", `${to}:/d`, `${to}:/d/inside`);
    assert.match(stderr, /the copy is inside of what is copied/);
    assert.equal(code, 1);
    succeeds("rm", "-r", `${to}:/d`, `${to}:/big`);
    checkImage(to);
  });

  test("of 1,500 files", async () => {
    const root = path("many");
    for (let n = 0; n < 1500; n++) {
      const dir = join(root, `dir${n % 30}`);
      fs.mkdirSync(dir, { recursive: true });
      fs.writeFileSync(join(dir, `file ${n}`), Buffer.alloc(n % 9000, n));
    }
    run("chown", ["-R", `${NOBODY}:${NOBODY}`, root]);
    const image = makeImage(directory, "many.img", 64);
    succeeds("cp", "-r", root, `${image}:/`);
    checkImage(image);
    succeeds("cp", "-r", `${image}:/many`, path("many.out"));
    const truth = await walkOf(root);
    assert.equal(truth.records.size, 1530);
    assert.deepEqual(compareWalks(truth, await walkOf(path("many.out")), { ignore: [...OWN, "layout"] }), []);
  });

  test("until there is no space: what is complete stays, the rest is said, the image is clean", () => {
    fs.mkdirSync(path("heavy"));
    for (let n = 0; n < 10; n++) fs.writeFileSync(path(`heavy/${n}`), Buffer.alloc(1_500_000, n));
    const image = makeImage(directory, "small.img", 8, "-m", "0");
    const { code, stderr } = bulkhead("cp", "-r", path("heavy"), `${image}:/`);
    assert.equal(code, 1);
    assert.match(stderr, /\/heavy\/\d: no space is left/);
    checkImage(image);
    const listed = succeeds("ls", "-l", `${image}:/heavy`).trim().split("\n");
    assert.ok(listed.length > 0 && listed.length < 10);
    for (const line of listed) assert.match(line, / 1500000 /, "no half of a file");
    succeeds("rm", "-r", `${image}:/heavy`);
    succeeds("cp", "-r", `${path("heavy")}/1`, `${image}:/again`);
    checkImage(image);
  });

  test("but not into an image that is write-protected", () => {
    const image = makeImage(directory, "protected.img", 8);
    fs.chmodSync(image, 0o444);
    fs.chownSync(image, 0, 0);
    const bytes = fs.readFileSync(image);
    const { code, stderr } = bulkhead("cp", "-r", path("heavy"), `${image}:/`);
    assert.equal(code, 1);
    assert.match(stderr, /cannot open .*protected\.img for writing: permission denied/);
    assert.equal(succeeds("ls", image), "lost+found\n");
    assert.ok(bytes.equals(fs.readFileSync(image)));
  });

  test("until the server is killed: the command says so at once, and what is left is a file system", async () => {
    const image = makeImage(directory, "killed.img", 64);
    const copying = spawn(process.execPath, [PROGRAM, "cp", "-r", path("many"), `${image}:/`], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let stderr = "";
    copying.stderr.on("data", (piece: Buffer) => {
      stderr += piece.toString();
    });
    const ended = new Promise<number | null>((resolve) => copying.on("exit", resolve));
    const server = await childOf(copying.pid ?? 0);
    await new Promise((resolve) => setTimeout(resolve, 900));
    process.kill(server, "SIGKILL");
    assert.equal(await ended, 1);
    assert.match(stderr, /the server ended before it answered/);
    // The next one replays the journal.
    assert.match(bulkhead("ls", image).stdout, /lost\+found/);
    run("e2fsck", ["-fp", image], { accept: [1] });
    checkImage(image);
  });
});

/** The process that another one started, as soon as there is one. */
async function childOf(pid: number): Promise<number> {
  for (let tries = 0; tries < 500; tries++) {
    const children = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    if (children !== "") return Number(children.split(" ")[0]);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`process ${pid} started nothing`);
}
