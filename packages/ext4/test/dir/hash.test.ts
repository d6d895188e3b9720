// Oracle: debugfs dx_hash.
import assert from "node:assert/strict";
import { test } from "node:test";
import { DirectoryHash } from "../../src/dir/hash.js";
import { HashVersion } from "../../src/format/directory.js";
import { bytesOf, debugfs, seededRandom, skipWithout } from "./images.js";

const SEED_UUID = "01234567-89ab-cdef-0123-456789abcdef";
const SEED = Uint8Array.from(Buffer.from(SEED_UUID.replaceAll("-", ""), "hex"));

/** Names that debugfs's command line takes as they are: no spaces, quotes, backslashes or control characters. */
function names(): string[] {
  const random = seededRandom(20);
  const usable = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).filter((c) =>
    /[^\0-\x20"'\\\x7f]/.test(c),
  );
  const all: string[] = [];
  for (let length = 1; length <= 255; length++) {
    const ascii = random(2) === 0;
    let name = "n";
    while (name.length < length) name += ascii ? String.fromCharCode(48 + random(10)) : usable[random(usable.length)];
    all.push(name);
  }
  return all;
}

test("every hash of names of every length, signed and unsigned, is that of debugfs", {
  skip: skipWithout("debugfs"),
}, () => {
  const versions = [0, 1, 2, 3, 4, 5];
  const commands: string[] = [];
  const ours: string[] = [];
  for (const [uuid, seed] of [
    [SEED_UUID, SEED],
    [undefined, new Uint8Array(16)],
  ] as const) {
    const hash = new DirectoryHash(seed);
    for (const version of versions) {
      for (const name of names()) {
        commands.push(`dx_hash -h ${version} ${uuid === undefined ? "" : `-s ${uuid} `}${name}`);
        assert.ok(hash.compute(version, bytesOf(name), 0, name.length));
        ours.push(`${name} is 0x${hash.major.toString(16)} (minor 0x${hash.minor.toString(16)})`);
      }
    }
  }
  const theirs = debugfs(undefined, commands)
    .split("\n")
    .filter((line) => line.startsWith("Hash of "))
    .map((line) => line.slice("Hash of ".length));
  assert.equal(theirs.length, 2 * 6 * 255);
  assert.deepEqual(ours, theirs);
});

test("a hash reads only the bytes it is given", () => {
  const hash = new DirectoryHash(SEED);
  hash.compute(HashVersion.halfMd4, bytesOf("hello"), 0, 5);
  const { major, minor } = hash;
  hash.compute(HashVersion.halfMd4, bytesOf("xxhelloyy"), 2, 7);
  assert.deepEqual([hash.major, hash.minor], [major, minor]);
});

test("hash versions that need a key or that nobody knows are not computed", () => {
  const hash = new DirectoryHash(SEED);
  assert.equal(hash.compute(HashVersion.siphash, bytesOf("a"), 0, 1), false);
  assert.equal(hash.compute(77, bytesOf("a"), 0, 1), false);
});
