/**
 * Case-insensitive directories: a name is found in any case where the directory's flag asks for it, and nowhere else.
 * Oracle: e2fsck, which built the folded index and checks its hashes; Unicode's own upper and lower case.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { describe, test } from "node:test";
import { Ext4, FileDevice } from "@bulkhead/ext4";
import { withoutLoopMounts } from "./facilities.js";
import { checkImage } from "./images/build.js";
import { findVariant } from "./images/variants.js";
import { withZooImage } from "./zoo.js";

/** Stored name, and spellings that name the same file. */
const SPELLINGS: readonly (readonly [string, readonly string[]])[] = [
  ["/folded/ReadMe", ["readme", "README", "rEADmE"]],
  ["/folded/STRASSE", ["strasse", "Stra\u00dfe"]],
  ["/folded/\u03a9\u03bc\u03ad\u03b3\u03b1", ["\u03c9\u03bc\u03ad\u03b3\u03b1", "\u03a9\u039c\u0388\u0393\u0391"]],
  ["/folded/\u00c4\u00d6\u00dc", ["\u00e4\u00f6\u00fc", "a\u0308O\u0308u\u0308"]],
];

describe("case-insensitive directories", { skip: withoutLoopMounts() }, () => {
  test("names are found in any case there, and in their own elsewhere", async () => {
    await withZooImage(findVariant("casefold"), async (image) => {
      const ext4 = Ext4.open(new FileDevice(fs, fs.openSync(image.path, "r")));
      try {
        for (const [stored, spellings] of SPELLINGS) {
          const { ino } = ext4.inode(stored);
          for (const spelling of spellings) assert.equal(ext4.inode(`/folded/${spelling}`).ino, ino, spelling);
        }
        for (let i = 0; i < 500; i++) {
          const { ino } = ext4.inode(`/folded-big/Name-${i}-\u00c4bC`);
          assert.equal(ext4.inode(`/folded-big/nAME-${i}-\u00e4Bc`).ino, ino);
        }
        assert.equal(ext4.exists("/folded/readme-"), false);
        assert.equal(ext4.exists("/folded-big/name-500-\u00e4bc"), false);
        assert.equal(ext4.exists("/names/UPPER"), true);
        assert.equal(ext4.exists("/Names/UPPER"), false, "the root is not folded");
        assert.equal(ext4.exists("/names/uPPer"), false);
      } finally {
        ext4.close();
      }
      checkImage(image.path);
    });
  });
});
