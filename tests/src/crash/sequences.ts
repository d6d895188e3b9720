/** Every operation, alone and in pairs around fsync: all sequences of length 2 over a small namespace (after ACE). */
import type { Actor } from "./actor.js";

/** Something that is done to a file system. */
export interface Operation {
  readonly name: string;
  readonly act: (actor: Actor) => unknown;
}

/** Two files with blocks, one that may be inline, directories to move them between, a block of 4 KiB as unit of ranges. */
const BLOCK = 4096;

export const OPERATIONS: readonly Operation[] = [
  { name: "create", act: (a) => a.create("A/bar") },
  { name: "create elsewhere", act: (a) => a.create("B/foo") },
  { name: "mkdir", act: (a) => a.mkdir("A/new") },
  { name: "rmdir", act: (a) => a.mkdir("B/gone") && a.rmdir("B/gone") },
  { name: "mkfifo", act: (a) => a.mkfifo("A/fifo") },
  { name: "short symlink", act: (a) => a.symlink("foo", "A/short") },
  { name: "long symlink", act: (a) => a.symlink("x/".repeat(60), "A/long") },
  { name: "link", act: (a) => a.link("A/foo", "B/linked") },
  { name: "link over a directory", act: (a) => a.link("B/bar", "A/sub/linked") },
  { name: "unlink", act: (a) => a.unlink("A/foo") },
  { name: "unlink elsewhere", act: (a) => a.unlink("B/bar") },
  { name: "rename over a file", act: (a) => a.rename("A/foo", "B/bar") },
  { name: "rename over a file, back", act: (a) => a.rename("B/bar", "A/foo") },
  { name: "rename", act: (a) => a.rename("A/foo", "A/other") },
  { name: "rename a directory", act: (a) => a.rename("A/sub", "B/sub") },
  { name: "exchange", act: (a) => a.exchange("A/foo", "B/bar") },
  { name: "exchange with a directory", act: (a) => a.exchange("A/sub", "B/bar") },
  { name: "overwrite", act: (a) => a.write("A/foo", 1000, 5000) },
  { name: "append", act: (a) => a.append("A/foo", 6000) },
  { name: "append beyond the inode", act: (a) => a.append("B/bar", 3000) },
  { name: "write into the inode", act: (a) => a.write("B/bar", 10, 50) },
  { name: "write behind a hole", act: (a) => a.write("A/foo", 5 * BLOCK + 77, 1500) },
  { name: "create with contents", act: (a) => a.create("B/full") && a.write("B/full", 0, 10_000) },
  { name: "truncate", act: (a) => a.truncate("A/foo", 2500) },
  { name: "truncate to nothing", act: (a) => a.truncate("A/foo", 0) },
  { name: "truncate to more", act: (a) => a.truncate("A/foo", 20_000) },
  { name: "truncate what may be inline", act: (a) => a.truncate("B/bar", 11) },
  { name: "allocate", act: (a) => a.allocate("A/foo", 2 * BLOCK, 4 * BLOCK, false) },
  { name: "allocate behind the end", act: (a) => a.allocate("B/bar", 0, 3 * BLOCK, true) },
  {
    name: "write into what was allocated",
    act: (a) => a.allocate("A/foo", 3 * BLOCK, 4 * BLOCK, true) && a.write("A/foo", 4 * BLOCK + 100, 5000),
  },
  { name: "punch", act: (a) => a.punch("A/foo", 700, BLOCK + 4000) },
  { name: "zero range", act: (a) => a.zeroRange("A/foo", 300, BLOCK + 4500) },
  { name: "collapse", act: (a) => a.collapse("A/foo", 0, BLOCK) },
  { name: "insert", act: (a) => a.insert("A/foo", BLOCK, 2 * BLOCK) },
  { name: "small attribute", act: (a) => a.setXattr("A/foo", "user.small", 10) },
  { name: "attribute in a block", act: (a) => a.setXattr("A/foo", "user.large", 700) },
  { name: "larger attribute", act: (a) => a.setXattr("B/bar", "user.large", 2500) },
  {
    name: "shared attribute",
    act: (a) => a.setXattr("A/foo", "user.large", 600, true) && a.setXattr("A/sub", "user.large", 600, true),
  },
  { name: "remove an attribute", act: (a) => a.removeXattr("B/bar", "user.first") },
  { name: "chmod", act: (a) => a.chmod("A/foo", 0o4711) },
  { name: "temporary file", act: (a) => a.linkTemporary("A", "A/named", 5000) },
  { name: "temporary file that is open", act: (a) => a.openTemporary("B", 5000) },
  { name: "unlink what is open", act: (a) => a.unlinkOpen("A/foo") },
  { name: "journal the data", act: (a) => a.setJournalled("A/foo", true) && a.write("A/foo", 500, 3000) },
  {
    name: "journal the data no more",
    act: (a) => {
      a.setJournalled("A/foo", true);
      a.write("A/foo", 2000, 9000);
      a.setJournalled("A/foo", false);
      a.write("A/foo", 1000, 4000);
    },
  },
  { name: "trim", act: (a) => a.trim() },
];

export const SYNCS: readonly Operation[] = [
  { name: "nothing", act: () => {} },
  { name: "fsync", act: (a) => a.fsync("A/foo") },
  { name: "fsync elsewhere", act: (a) => a.fsync("B/bar") },
  { name: "fdatasync", act: (a) => a.fsync("A/foo", true) },
  { name: "fdatasync of what was read again", act: (a) => a.readAgain("A/foo") && a.fsync("A/foo", true) },
  { name: "fsync of the directory", act: (a) => a.fsync("A") },
  { name: "fdatasync of the directory", act: (a) => a.fsync("A", true) },
  { name: "sync", act: (a) => a.sync() },
  { name: "commit", act: (a) => a.commit() },
];
