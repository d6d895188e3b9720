/** Calls on inodes known by descriptor. Oracle: what Node's own calls see by path. */
import assert from "node:assert/strict";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  chownDescriptor,
  close,
  descriptorPath,
  Errno,
  getdents,
  getxattr,
  linkAt,
  listxattr,
  mkdirAt,
  mknodAt,
  O_PATH,
  openAt,
  Rename,
  readlinkDescriptor,
  removexattr,
  renameAt,
  seekDirectory,
  setxattr,
  statxDescriptor,
  symlinkAt,
  unlinkAt,
} from "../src/index.js";

const O_NOFOLLOW = 0o400000;
const folder = mkdtempSync(join(tmpdir(), "linux-at-"));
const directory = openSync(folder, "r");
after(() => {
  close(directory);
  rmSync(folder, { recursive: true, force: true });
});
const at = (name: string) => join(folder, name);

/** Calls `use` with an O_PATH descriptor of `name` itself. */
function held<T>(name: string, use: (fd: number) => T): T {
  const fd = openAt(directory, name, O_PATH | O_NOFOLLOW);
  assert.ok(fd >= 0, `openat ${name}: ${fd}`);
  try {
    return use(fd);
  } finally {
    close(fd);
  }
}

test("names are opened below a directory, and failures are numbers", () => {
  writeFileSync(at("file"), "x");
  assert.equal(
    held("file", (fd) => statSync(descriptorPath(fd)).ino),
    statSync(at("file")).ino,
  );
  assert.equal(openAt(directory, "none", O_PATH), -Errno.ENOENT);
  assert.equal(openAt(directory, "a\0b", O_PATH), -Errno.EINVAL);
  assert.equal(openAt(directory, "n".repeat(256), O_PATH), -Errno.ENAMETOOLONG);
  assert.equal(openAt(directory, "n".repeat(5000), O_PATH), -Errno.ENAMETOOLONG);
  assert.equal(openAt(-1, "file", O_PATH), -Errno.EBADF);
});

test("statx of a held inode is what stat says, of a symbolic link as well", () => {
  writeFileSync(at("sized"), "12345");
  symlinkSync("elsewhere", at("link"));
  const bytes = new Uint8Array(256);
  const view = new DataView(bytes.buffer);
  for (const name of ["sized", "link"]) {
    held(name, (fd) => assert.equal(statxDescriptor(fd, bytes), 0));
    const stat = lstatSync(at(name));
    assert.deepEqual(
      [view.getUint16(28, true), Number(view.getBigUint64(32, true)), Number(view.getBigUint64(40, true))],
      [stat.mode, stat.ino, stat.size],
    );
  }
  assert.equal(statxDescriptor(-1, bytes), -Errno.EBADF);
  assert.throws(() => statxDescriptor(directory, new Uint8Array(255)), RangeError);
});

test("things are made, moved, linked and removed below a directory", () => {
  mkdirAt(directory, "made", 0o755);
  mknodAt(directory, "fifo", 0o010644);
  symlinkAt("target/of it", directory, "symbolic");
  assert.ok(lstatSync(at("made")).isDirectory());
  assert.ok(lstatSync(at("fifo")).isFIFO());
  assert.equal(readlinkSync(at("symbolic")), "target/of it");
  held("symbolic", (fd) => assert.equal(Buffer.from(readlinkDescriptor(fd)).toString(), "target/of it"));
  writeFileSync(at("one"), "1");
  held("one", (fd) => linkAt(fd, directory, "two"));
  assert.equal(lstatSync(at("two")).nlink, 2);
  assert.throws(() => renameAt(directory, "one", directory, "fifo", Rename.NOREPLACE), { code: "EEXIST" });
  renameAt(directory, "one", directory, "three");
  assert.equal(readFileSync(at("three"), "latin1"), "1");
  unlinkAt(directory, "three");
  unlinkAt(directory, "made", true);
  assert.throws(() => unlinkAt(directory, "made", true), { code: "ENOENT", syscall: "unlinkat" });
  assert.throws(() => mkdirAt(directory, "two", 0o755), { code: "EEXIST" });
});

test("owners change by descriptor", { skip: process.getuid?.() === 0 ? false : "needs root" }, () => {
  symlinkSync("nowhere", at("owned"));
  held("owned", (fd) => chownDescriptor(fd, 7, -1));
  assert.deepEqual([lstatSync(at("owned")).uid, lstatSync(at("owned")).gid], [7, 0]);
});

test("attributes of a held inode are set, listed and removed", () => {
  writeFileSync(at("noted"), "");
  held("noted", (fd) => {
    const path = descriptorPath(fd);
    setxattr(path, "user.a", Buffer.from("value"));
    setxattr(path, "user.b", new Uint8Array(0));
    assert.equal(Buffer.from(getxattr(path, "user.a") ?? []).toString(), "value");
    assert.deepEqual([...Buffer.from(listxattr(path)).toString().split("\0")].sort(), ["", "user.a", "user.b"]);
    removexattr(path, "user.a");
    assert.equal(getxattr(path, "user.a"), undefined);
    assert.throws(() => removexattr(path, "user.a"), { code: "ENODATA" });
  });
});

test("directory records name what is there", () => {
  mkdirSync(at("list"));
  for (const name of ["a", "bb", "ccc"]) writeFileSync(join(at("list"), name), "");
  const fd = openSync(at("list"), "r");
  const bytes = new Uint8Array(4096);
  const view = new DataView(bytes.buffer);
  const names: string[] = [];
  const n = getdents(fd, bytes);
  for (let record = 0; record < n; record += view.getUint16(record + 16, true)) {
    names.push(Buffer.from(bytes.subarray(record + 19, bytes.indexOf(0, record + 19))).toString());
  }
  assert.deepEqual(names.sort(), [".", "..", "a", "bb", "ccc"]);
  const [low, high, length] = [view.getUint32(8, true), view.getUint32(12, true), view.getUint16(16, true)];
  assert.equal(getdents(fd, bytes), 0);
  seekDirectory(fd, low, high);
  assert.equal(getdents(fd, bytes), n - length, "all but the first");
  seekDirectory(fd, 0, 0);
  assert.equal(getdents(fd, bytes), n);
  close(fd);
  assert.equal(getdents(-1, bytes), -Errno.EBADF);
  assert.equal(readdirSync(at("list")).length, 3);
});
