// Oracle: the attributes that debugfs was told to set.
import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, Client, text } from "./client.js";
import { cannotMakeImages, makeImage } from "./image.js";

const skip = cannotMakeImages;
const ERANGE = -34;
const ENODATA = -61;
const EOPNOTSUPP = -95;
const EINVAL = -22;
const USER = { uid: 1000, gid: 1000 };

function get(client: Client, path: string, name: string, size: number) {
  return client.ask("GETXATTR", client.node(path), { request: { size }, names: [bytes(name)] }, size);
}

/** The length that a request of size 0 is answered with. */
function lengthIn(data: Uint8Array): number {
  return new DataView(data.buffer, data.byteOffset, data.length).getUint32(0, true);
}

test("GETXATTR tells the length first, then gives the value", { skip }, () => {
  const client = new Client(makeImage());
  assert.equal(lengthIn(get(client, "hello", "user.note", 0).data), 6);
  assert.equal(text(get(client, "hello", "user.note", 6).data), "a note");
  assert.equal(text(get(client, "hello", "user.note", 65_536).data), "a note");
  assert.equal(text(get(client, "hello", "security.label", 100).data), "for the kernel");
  assert.equal(get(client, "hello", "user.note", 5).error, ERANGE);
});

test("GETXATTR of what is not there, before and after that is remembered", { skip }, () => {
  const client = new Client(makeImage());
  for (const path of ["hello", "big", "many"]) {
    for (let again = 0; again < 2; again++) {
      assert.equal(get(client, path, "user.other", 100).error, ENODATA);
      assert.equal(get(client, path, "security.capability", 0).error, ENODATA);
      assert.equal(get(client, path, "system.posix_acl_access", 0).error, ENODATA);
      assert.equal(get(client, path, "system.unknown", 100).error, EOPNOTSUPP);
      assert.equal(get(client, path, "nothing", 100).error, EOPNOTSUPP);
      assert.equal(get(client, path, "user.", 100).error, EINVAL);
    }
  }
});

test("inline data's own attribute is hidden", { skip }, () => {
  const client = new Client(makeImage());
  assert.equal(get(client, "hello", "system.data", 100).error, EOPNOTSUPP);
});

test("LISTXATTR tells the length first, then the names", { skip }, () => {
  const client = new Client(makeImage());
  const hello = client.node("hello");
  const list = (size: number) => client.ask("LISTXATTR", hello, { request: { size } }, size);
  const expected = ["security.label", "trusted.secret", "user.note"];
  const length = lengthIn(list(0).data);
  assert.equal(length, expected.join("").length + expected.length);
  assert.deepEqual(text(list(length).data).split("\0").sort(), ["", ...expected]);
  assert.equal(list(length - 1).error, ERANGE);
});

test("LISTXATTR shows trusted attributes to the administrator alone", { skip }, () => {
  const client = new Client(makeImage());
  const reply = client.ask("LISTXATTR", client.node("hello"), { request: { size: 1000 } }, 1000, USER);
  assert.deepEqual(text(reply.data).split("\0").sort(), ["", "security.label", "user.note"]);
});

test("LISTXATTR of a file without attributes is empty", { skip }, () => {
  const client = new Client(makeImage());
  for (const path of ["big", "many", "link", "device"]) {
    const reply = client.ask("LISTXATTR", client.node(path), { request: { size: 100 } }, 100);
    assert.equal(reply.error, 0);
    assert.equal(reply.data.length, 0);
  }
});
