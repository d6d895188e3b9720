// Oracle: none; that a kernel looks up again what it is refused to move, and only then moves it, is tested on a mount (tests/src/posix).
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Inode } from "@bulkhead/ext4";
import { MOVED_NAMES, MovedNames } from "../src/moved-names.js";
import { bytes } from "./client.js";

const dir = { ino: 12 } as Inode;
const name = bytes("name");

test("a name is remembered, as one of its directory, and by the server that goes on", () => {
  const keys = new Float64Array(MOVED_NAMES);
  const names = new MovedNames(keys);
  assert.equal(names.has(dir, name), false);
  names.add(dir, name);
  assert.equal(names.has(dir, name), true);
  assert.equal(names.has({ ino: 13 } as Inode, name), false);
  assert.equal(names.has(dir, bytes("names")), false);
  assert.equal(new MovedNames(keys).has(dir, name), true);
});

test("only the last names are remembered", () => {
  const names = new MovedNames();
  names.add(dir, name);
  for (let n = 0; n < MOVED_NAMES; n++) names.add(dir, bytes(`other ${n}`));
  assert.equal(names.has(dir, name), false);
  assert.equal(names.has(dir, bytes("other 0")), true);
});
