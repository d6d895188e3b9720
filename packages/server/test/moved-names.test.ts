// Oracle: none; that a kernel looks up again what it is refused to move, and only then moves it, is tested on a mount (tests/src/posix).
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Inode } from "@bulkhead/ext4";
import { MOVED_NAMES, MovedNames } from "../src/moved-names.js";
import { bytes } from "./client.js";

const dir = { ino: 12 } as Inode;
const name = bytes("name");

test("a name is refused once, and again after it has been moved", () => {
  const names = new MovedNames();
  assert.deepEqual([names.has(dir, name), names.refuses(dir, name)], [false, true]);
  assert.deepEqual([names.has(dir, name), names.refuses(dir, name)], [true, false]);
  assert.equal(names.refuses({ ino: 13 } as Inode, name), true, "another directory's");
  names.moved(dir, name);
  assert.deepEqual([names.has(dir, name), names.refuses(dir, name)], [false, true]);
});

test("a server that goes on knows what was refused, also where its move was under way", () => {
  const keys = new Float64Array(MOVED_NAMES);
  const before = new MovedNames(keys);
  before.refuses(dir, name);
  assert.equal(new MovedNames(keys).refuses(dir, name), false);
  before.moved(dir, name);
  assert.equal(new MovedNames(keys).refuses(dir, name), false);
});

test("only the last ones are remembered", () => {
  const names = new MovedNames();
  names.refuses(dir, name);
  for (let n = 0; n < MOVED_NAMES; n++) names.refuses(dir, bytes(`other ${n}`));
  assert.equal(names.has(dir, name), false);
  assert.equal(names.refuses(dir, bytes(`other ${MOVED_NAMES - 1}`)), false);
});
