// Oracle: what debugfs was told to set, and dumpe2fs for what we set; the request numbers are those of linux/fs.h. A real mount is compared with the kernel's
// ext4 in tests/src/mount.
import assert from "node:assert/strict";
import { test } from "node:test";
import { labelOf } from "./checked-image.js";
import { Client, ROOT, text } from "./client.js";
import { cannotMakeImages, LABEL, makeImage, UUID } from "./image.js";
import { Writer } from "./writer.js";

const skip = cannotMakeImages;
const ENOTTY = -25;
const EINVAL = -22;
const EPERM = -1;
const EROFS = -30;

function ioctl(client: Client, node: number, cmd: number, size: number) {
  return client.ask("IOCTL", node, { request: { cmd, out_size: size } }, size);
}

function u32(data: Uint8Array, at = 0): number {
  return new DataView(data.buffer, data.byteOffset, data.length).getUint32(at, true);
}

test("FS_IOC_GETFLAGS gives four bytes, whatever room there is", { skip }, () => {
  const client = new Client(makeImage());
  for (const [cmd, size] of [
    [0x80086601, 8],
    [0x80086601, 4],
    [0x80046601, 4],
  ] as const) {
    const { data } = ioctl(client, client.node("hello"), cmd, size);
    assert.equal(data.length, 4);
    assert.equal(u32(data), 0x1000_00f0);
  }
  assert.equal(u32(ioctl(client, client.node("many"), 0x80086601, 8).data), 0x2008_0000);
  assert.equal(ioctl(client, ROOT, 0x80086601, 3).error, EINVAL);
});

test("FS_IOC_FSGETXATTR gives extended flags and the project", { skip }, () => {
  const client = new Client(makeImage());
  const many = ioctl(client, client.node("many"), 0x801c581f, 28).data.slice();
  assert.deepEqual([many.length, u32(many), u32(many, 4), u32(many, 8), u32(many, 12)], [28, 0x200, 0, 0, 4711]);
  const hello = ioctl(client, client.node("hello"), 0x801c581f, 28).data.slice();
  assert.deepEqual([u32(hello), u32(hello, 12)], [0x8 | 0x10 | 0x40 | 0x80, 0]);
});

test("FS_IOC_GETVERSION and ext4's own give the generation, in four bytes", { skip }, () => {
  const client = new Client(makeImage());
  for (const [cmd, size] of [
    [0x80087601, 8],
    [0x80086603, 8],
    [0x80047601, 4],
    [0x80046603, 4],
  ] as const) {
    const { data } = ioctl(client, client.node("hello"), cmd, size);
    assert.equal(data.length, 4);
    assert.equal(u32(data), 305_419_896);
  }
});

test("FS_IOC_GETFSLABEL and FS_IOC_GETFSUUID", { skip }, () => {
  const client = new Client(makeImage());
  ioctl(client, ROOT, 0x80086601, 8);
  const label = ioctl(client, ROOT, 0x81009431, 256).data;
  assert.equal(label.length, 17, "the label and its NUL");
  assert.equal(text(label).replace(/\0+$/, ""), LABEL);
  const uuid = ioctl(client, ROOT, 0x80111500, 17).data;
  assert.equal(uuid[0], 16);
  assert.equal(Buffer.from(uuid.subarray(1)).toString("hex"), UUID.replaceAll("-", ""));
});

test("FS_IOC_SETFSLABEL, at once where dumpe2fs reads it", { skip }, () => {
  const client = new Writer();
  const set = (label: string, header = {}) =>
    client.ask("IOCTL", ROOT, { request: { cmd: 0x41009432, in_size: 256 }, data: room(label) }, 0, header).error;
  client.make("before");
  for (const label of ["", "sixteen bytes .."]) {
    assert.equal(set(label), 0);
    assert.equal(text(ioctl(client, ROOT, 0x81009431, 256).data).replace(/\0+$/, ""), label);
    assert.equal(labelOf(client.image), label === "" ? "<none>" : label);
  }
  assert.equal(set("seventeen bytes .."), EINVAL);
  assert.equal(set("x".repeat(256)), EINVAL);
  assert.equal(set("others", { uid: 1000 }), EPERM);
  client.closed();
  assert.equal(labelOf(client.image), "sixteen bytes ..");
});

test("FS_IOC_SETFSLABEL on a read-only mount is EROFS", { skip }, () => {
  const client = new Client(makeImage());
  const request = { request: { cmd: 0x41009432, in_size: 256 }, data: room("new") };
  assert.equal(client.ask("IOCTL", ROOT, request).error, EROFS);
});

function room(label: string): Uint8Array {
  const data = Buffer.alloc(256);
  data.write(label, "latin1");
  return data;
}

test("an unknown request is ENOTTY", { skip }, () => {
  const client = new Client(makeImage());
  for (const cmd of [0, 1, 0x5401, 0xc020660b, 0xffff_ffff]) assert.equal(ioctl(client, ROOT, cmd, 64).error, ENOTTY);
});
