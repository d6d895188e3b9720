// Oracle: debugfs dx_hash -c, which hashes the folded form; a hash of our folded form equals it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { casefold, FOLDED_MAX } from "../../src/dir/casefold.js";
import { DirectoryHash } from "../../src/dir/hash.js";
import { entryHash } from "../../src/dir/sorted-entries.js";
import { HashVersion } from "../../src/format/directory.js";
import { debugfs, run, seededRandom, skipWithout } from "./images.js";

const out = new Uint8Array(FOLDED_MAX);
const encoder = new TextEncoder();

function folded(name: string): string | undefined {
  const length = casefold(encoder.encode(name), out);
  return length < 0 ? undefined : new TextDecoder().decode(out.subarray(0, length));
}

/** The characters that differ from themselves in some form, samples of the others, and combinations of marks. */
function names(): string[] {
  const random = seededRandom(7);
  const all: string[] = [];
  const marks: string[] = [];
  const letters: string[] = [];
  for (let code = 0xa1; code < 0xe1000; code++) {
    if (code >= 0xd800 && code <= 0xdfff) continue;
    const hangul = code >= 0xac00 && code <= 0xd7a3;
    const character = String.fromCodePoint(code);
    const mark = /\p{M}/u.test(character);
    const changes = character.normalize("NFD") !== character || character.toLowerCase() !== character.toUpperCase();
    if (mark) marks.push(character);
    else if (changes) letters.push(character);
    const interesting = (changes && !hangul) || mark || /\p{DI}/u.test(character);
    if (interesting ? code < 0x1_0000 || code % 16 < 14 || random(8) === 0 : random(400) === 0)
      all.push(`a${character}z`);
  }
  for (let i = 0; i < 3000; i++) {
    let name = "";
    for (let n = 1 + random(4); n > 0; n--) {
      name += letters[random(letters.length)]!;
      for (let m = random(4); m > 0; m--) name += marks[random(marks.length)]!;
    }
    all.push(name);
  }
  return all.filter((name) => encoder.encode(name).length <= 255);
}

test("every character folds as in Unicode 12.1", { skip: skipWithout("debugfs") }, () => {
  const all = names();
  assert.ok(all.length > 8000);
  const printed = debugfs(
    undefined,
    all.map((name) => `dx_hash -c -e utf8 -h half_md4 ${Buffer.from(name).toString("latin1")}`),
  );
  const theirs = printed.split("\n").filter((line) => line.startsWith("Hash of "));
  assert.equal(theirs.length, all.length);
  const hash = new DirectoryHash(new Uint8Array(16));
  const wrong: string[] = [];
  for (const [i, name] of all.entries()) {
    const bytes = encoder.encode(name);
    const length = casefold(bytes, out);
    hash.compute(HashVersion.halfMd4, length < 0 ? bytes : out, 0, length < 0 ? bytes.length : length);
    if (!theirs[i]!.endsWith(` is 0x${hash.major.toString(16)} (minor 0x${hash.minor.toString(16)})`)) {
      wrong.push([...name].map((c) => c.codePointAt(0)!.toString(16)).join(" "));
    }
  }
  assert.deepEqual(wrong, []);
});

test("the table is what its generator makes of perl's Unicode data", { skip: skipWithout("perl") }, () => {
  const generator = new URL("../../../scripts/make-casefold-table.mjs", import.meta.url);
  const table = new URL("../../../src/dir/casefold-table.ts", import.meta.url);
  assert.equal(run(process.execPath, [generator.pathname, "--perl"]), readFileSync(table, "latin1"));
});

test("names that fold alike", () => {
  assert.equal(folded("STRASSE"), folded("straße"));
  assert.equal(folded("ΌΣΟΣ"), folded("όσος"));
  assert.equal(folded("\u00c5"), folded("a\u030a"));
  assert.equal(folded("co\u00adop"), "coop");
  assert.equal(folded("İ"), "i\u0307");
  assert.notEqual(folded("ı"), folded("i"));
  assert.equal(folded("a\u0301\u0323"), folded("A\u0323\u0301"));
});

test("what is no UTF-8 has no folded form", () => {
  for (const bytes of [
    [0xff],
    [0xc0, 0x80],
    [0xe0, 0x80, 0x80],
    [0xed, 0xa0, 0x80],
    [0xf4, 0x90, 0x80, 0x80],
    [0x61, 0xc3],
  ]) {
    assert.equal(casefold(Uint8Array.from(bytes), out), -1, String(bytes));
  }
});

test("what is no UTF-8 is hashed as it is", { skip: skipWithout("debugfs") }, () => {
  // Without -c: e2fsprogs 1.47.0 cannot hash it with, where the kernel's ext4fs_dirhash takes the bytes for opaque.
  const names = ["\xff\xfe4", "ABC\xff", "A\xed\xa0\x80", "\xc3"];
  const printed = debugfs(
    undefined,
    names.map((name) => `dx_hash -h half_md4 ${name}`),
  );
  const hash = new DirectoryHash(new Uint8Array(16));
  for (const name of names) {
    const entry = Buffer.concat([Buffer.from([12, 0, 0, 0, 0, 1, name.length, 1]), Buffer.from(name, "latin1")]);
    entryHash(entry, 0, name.length, hash, HashVersion.halfMd4, true);
    assert.ok(printed.includes(` is 0x${hash.major.toString(16)} (minor 0x${hash.minor.toString(16)})`), name);
  }
});

test("the longest names stay inside the room for their folded form", () => {
  for (let code = 0x80; code < 0x11_0000; code++) {
    if (code >= 0xd800 && code <= 0xdfff) continue;
    const bytes = encoder.encode(String.fromCodePoint(code));
    const length = casefold(bytes, out);
    assert.ok(length >= 0 && length <= 4 * bytes.length, code.toString(16));
  }
});
