// Oracle: what debugfs put into the journal and the list of orphans.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { SuperblockInfo } from "@bulkhead/ext4";
import { describe as lines } from "../src/commands/info.js";
import { openImage } from "../src/source/open-image.js";
import { bulkhead, missingTool, scratchDirectory, tool } from "./command.js";
import { debugfs } from "./filled-image.js";

describe("info of an image that was not unmounted", { skip: missingTool("mke2fs", "debugfs") }, () => {
  let directory = "";
  let image = "";
  before(() => {
    directory = scratchDirectory();
    image = join(directory, "image");
    const source = join(directory, "file");
    fs.writeFileSync(source, "x".repeat(3000));
    tool("mke2fs", "-q", "-F", "-t", "ext4", "-b", "1024", "-O", "^orphan_file", image, "16M");
    debugfs(image, [
      `write ${source} gone`,
      "set_inode_field gone links_count 0",
      "set_inode_field gone dtime 0",
      "set_super_value last_orphan 12",
      "set_super_value free_inodes_count 7",
      "jo",
      `jw -b 9000 ${source}`,
      "jc",
    ]);
  });
  after(() => fs.rmSync(directory, { recursive: true, force: true }));

  it("tells what was recovered and what is to be freed", () => {
    const { stdout, stderr } = bulkhead(["info", image]);
    assert.match(stdout, /^Recovered: +1 transactions, \d+ blocks, in memory only$/m, stderr);
    assert.match(stdout, /^Journal: +inode 8, .*, needs recovery$/m);
    assert.match(stdout, /^Orphans: +1 files to be freed or truncated$/m);
    const info = JSON.parse(bulkhead(["info", "--json", image]).stdout) as SuperblockInfo;
    assert.deepEqual([info.replay?.transactions, info.replay?.fastCommits, info.orphanCount], [1, 0, 1]);
  });

  it("counts what is free by group, as a mount does: the superblock may be behind", () => {
    const groups = tool("dumpe2fs", image).matchAll(/^ +\d+ free blocks, (\d+) free inodes/gm);
    const free = [...groups].reduce((sum, [, count]) => sum + Number(count), 0);
    assert.match(bulkhead(["info", image]).stdout, new RegExp(`^Inodes: +4096 of 256 bytes, ${free} free$`, "m"));
  });

  it("tells of fast commits, of those left out, and of a damaged list", () => {
    const ext4 = openImage(image, { noLoad: false });
    const info = ext4.info();
    const usage = ext4.statfs();
    ext4.close();
    const replay = { ...info.replay!, fastCommits: 3, fastCommitsStopped: "an unknown tag" };
    const told = new Map(lines({ ...info, replay, orphanCount: undefined }, usage));
    assert.match(told.get("Recovered")!, /, 3 fast commits, in memory only$/);
    assert.equal(told.get("Left out"), "fast commits after number 3: an unknown tag");
    assert.match(told.get("Orphans")!, /damaged/);
    const clean = new Map(lines({ ...info, replay: undefined, orphanCount: 0 }, usage));
    assert.equal(clean.has("Orphans") || clean.has("Recovered"), false);
  });
});
