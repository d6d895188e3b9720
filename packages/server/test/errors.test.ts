// Oracle: DESIGN.md's rule for what is wrong on disk: EUCLEAN, put on record as ext4 does, one line in the log.
import assert from "node:assert/strict";
import { test } from "node:test";
import { DeviceError, InodeLayout, MemoryDevice } from "@bulkhead/ext4";
import type { RequestParts } from "@bulkhead/fuse";
import { Client, ROOT, records } from "./client.js";
import { cannotMakeImages, makeImage } from "./image.js";
import { writingOperations } from "./writing.js";

const skip = cannotMakeImages;
const EIO = -5;
const EUCLEAN = -117;
const ENOSYS = -38;
const EROFS = -30;

/** A device that can be unplugged. */
class FailingDevice extends MemoryDevice {
  fails = false;

  override read(offset: number, target: Uint8Array): void {
    if (this.fails) throw new DeviceError("read", offset, target.length, "unplugged");
    super.read(offset, target);
  }
}

/** An image in which one byte of the inode of `path` is wrong; what that is called, and the inode's number. */
function damaged(path: string): { image: Uint8Array; ino: number } {
  const image = makeImage();
  const client = new Client(image);
  const ino = client.node(path);
  image[inodeAt(client, ino) + InodeLayout.offset.uidLo]! ^= 1;
  return { image, ino };
}

/** Byte offset of an inode in the image. */
function inodeAt(client: Client, ino: number): number {
  const { blockSize, inodeSize, firstDataBlock } = client.fs.geometry;
  const block = new Uint8Array(blockSize);
  client.fs.device.read((firstDataBlock + 1) * blockSize, block);
  const table = new DataView(block.buffer).getUint32(8, true); // all inodes are in group 0
  return table * blockSize + (ino - 1) * inodeSize;
}

test("a damaged inode is EUCLEAN, on record, and one line in the log", { skip }, () => {
  const { image, ino } = damaged("hello");
  const client = new Client(image);
  const { superblock } = client.fs;
  assert.deepEqual([superblock.errorCount, superblock.firstErrorTime], [0, 0]);
  assert.equal(client.lookup(ROOT, "hello").error, EUCLEAN);
  assert.deepEqual(
    [superblock.errorCount, superblock.firstErrorInode, superblock.lastErrorInode, superblock.firstErrorTime],
    [1, ino, ino, 1_800_000_000 % 2 ** 32],
  );
  assert.equal(superblock.state & 2, 2, "marked as having errors");
  assert.equal(client.lines.length, 1);
  assert.match(client.lines[0]!, new RegExp(`^error: .*inode ${ino}.*checksum.*e2fsck`));
  assert.equal(client.lookup(ROOT, "hello").error, EUCLEAN);
  assert.equal(superblock.errorCount, 2);
  assert.equal(client.lookup(ROOT, "big").error, 0, "the rest can still be read");
});

test("a directory lists a damaged inode by name, without attributes", { skip }, () => {
  const { image, ino } = damaged("hello");
  const client = new Client(image);
  const list = records(client.ask("READDIRPLUS", ROOT, { request: { size: 8192 } }, 8192).data, true);
  const hello = list.find(({ name }) => name === "hello");
  assert.deepEqual([hello?.ino, hello?.nodeid], [ino, 0]);
  assert.ok(list.filter(({ nodeid }) => nodeid !== 0).length > 5);
});

test("a directory with a damaged block lists what comes before it, then fails", { skip }, () => {
  const image = makeImage();
  const whole = new Client(image);
  const many = whole.node("many");
  const view = new DataView(image.buffer);
  const first = view.getUint32(inodeAt(whole, many) + 0x28 + 12 + 8, true); // the first extent's start
  image[(first + 5) * 1024 + 8]! ^= 0xff;
  const client = new Client(image);
  const names: string[] = [];
  let cookie = 0n;
  for (;;) {
    const request = { offsetLo: Number(cookie & 0xffff_ffffn), offsetHi: Number(cookie >> 32n), size: 65_536 };
    const reply = client.ask("READDIR", many, { request }, 65_536);
    if (reply.error !== 0) {
      assert.equal(reply.error, EUCLEAN);
      break;
    }
    const list = records(reply.data, false);
    assert.ok(list.length > 0, "an empty reply would hide the damage");
    names.push(...list.map(({ name }) => name));
    cookie = list.at(-1)!.next;
  }
  assert.ok(names.length > 10 && names.length < 302, `${names.length} names`);
  assert.equal(new Set(names).size, names.length);
  assert.ok(client.fs.superblock.errorCount > 0);
});

test("a device that fails is EIO, on record, and one line in the log", { skip }, () => {
  const device = new FailingDevice(makeImage());
  const client = new Client(device);
  device.fails = true;
  assert.equal(client.lookup(ROOT, "hello").error, EIO);
  assert.equal(client.fs.superblock.errorCount, 1);
  assert.equal(client.lines.length, 1);
  assert.match(client.lines[0]!, /^error: device read of \d+ bytes at \d+ failed: unplugged/);
  device.fails = false;
  assert.equal(client.lookup(ROOT, "hello").error, 0, "and is read again when it works again");
});

test("file data that the device cannot read is EIO and a line in the log, and no error of the file system", {
  skip,
}, () => {
  const device = new FailingDevice(makeImage());
  const client = new Client(device);
  const node = client.node("big");
  const read = () => client.ask("READ", node, { request: { offset: 0, size: 4096 } }, 4096);
  assert.equal(read().error, 0);
  device.fails = true;
  assert.equal(read().error, EIO);
  assert.equal(client.lines.length, 1);
  assert.match(client.lines[0]!, /^error: device read of \d+ bytes at \d+ failed: unplugged/);
  assert.equal(client.fs.superblock.errorCount, 0);
});

test("callers' mistakes are nobody else's business; ours are logged", { skip }, () => {
  const client = new Client(makeImage());
  client.lookup(ROOT, "n".repeat(300));
  client.lookup(client.node("hello"), "x");
  client.ask("GETATTR", 500, {});
  assert.deepEqual([client.lines, client.fs.superblock.errorCount], [[], 0]);
  client.fs.lookup = () => {
    throw new TypeError("a bug");
  };
  assert.equal(client.lookup(ROOT, "hello").error, EIO);
  assert.match(client.lines[0] ?? "", /LOOKUP of nodeid 1 failed.*a bug/);
});

test("errors=panic calls for the end", { skip }, () => {
  const { image } = damaged("hello");
  let panics = 0;
  const client = new Client(image, { errors: "panic", onPanic: () => panics++ });
  client.lookup(ROOT, "big");
  assert.equal(panics, 0);
  assert.equal(client.lookup(ROOT, "hello").error, EUCLEAN);
  assert.equal(panics, 1);
});

test("errors=continue and remount-ro go on", { skip }, () => {
  const { image } = damaged("hello");
  for (const errors of ["continue", "remount-ro"] as const) {
    const client = new Client(image, { errors, onPanic: () => assert.fail("no panic was asked for") });
    assert.equal(client.lookup(ROOT, "hello").error, EUCLEAN);
    assert.equal(client.lookup(ROOT, "big").error, 0);
  }
});

test("a flood of errors does not flood the log", { skip }, () => {
  const { image } = damaged("hello");
  const client = new Client(image);
  for (let n = 0; n < 1000; n++) client.lookup(ROOT, "hello");
  assert.equal(client.fs.superblock.errorCount, 1000);
  assert.ok(client.lines.length < 20, `${client.lines.length} lines`);
});

test("what would write is EROFS; the kernel stops it before, a host may not", { skip }, () => {
  const client = new Client(makeImage());
  for (const [name, parts] of writingOperations) {
    // The parts were checked against the operation where they were made.
    assert.equal(client.ask(name, ROOT, parts as RequestParts<typeof name>).error, EROFS, name);
  }
});

test("what is not there is ENOSYS, so that the kernel does not ask again", { skip }, () => {
  const client = new Client(makeImage());
  for (const name of ["FLUSH", "FSYNC", "FSYNCDIR", "OPENDIR", "ACCESS", "OPEN"] as const) {
    assert.equal(client.ask(name, ROOT, {}).error, ENOSYS, name);
  }
});
