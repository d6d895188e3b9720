/** Names and directories: every byte, every length, many entries, many holes, deep nesting, many links. */
import { linkSync, mkdirSync, renameSync, rmdirSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import type { Filler } from "./filler.js";

const NAME_MAX = 255;
const UTF8_ALPHABETS = ["äöüß", "漢字かな", "🧱🚢", "عربى", "éèê", "Ωμέγα"];
/** Below the 65,000 links an inode may have, and ext2's 32,000. */
const LINKS_PER_INODE = 20_000;

export function fillNames(fill: Filler): void {
  mkdirSync(fill.at("names"));
  fill.file(fill.at("names", "target"), 10);
  const taken = new Set<string>(["target"]);
  const link = (name: Buffer): void => {
    const key = name.toString("latin1");
    if (taken.has(key)) return;
    taken.add(key);
    linkSync(fill.at("names", "target"), fill.at("names", name));
  };
  for (let length = 1; length <= NAME_MAX; length++) link(Buffer.alloc(length, "n"));
  for (const [index, alphabet] of UTF8_ALPHABETS.entries()) {
    let name = `${index}-`;
    for (let i = 0; Buffer.byteLength(name + alphabet) <= NAME_MAX; i++)
      name += [...alphabet][i % [...alphabet].length];
    link(Buffer.from(name));
  }
  if (!fill.profile.plainNames) {
    for (let byte = 1; byte < 256; byte++) {
      if (byte === 0x2f) continue;
      if (byte !== 0x2e) link(Buffer.from([byte]));
      link(Buffer.concat([Buffer.from([byte, byte]), Buffer.from("-byte-"), Buffer.from([byte])]));
    }
    for (let i = 0; i < 40; i++) link(anyName(fill, 1 + fill.random.below(NAME_MAX)));
  }
  for (const name of ["...", ". ", ".hidden", "~", "-rf", "a b", "CON", "name.", "UPPER", "upper"]) {
    link(Buffer.from(name));
  }
}

/** A name of random bytes: all but NUL and the slash. */
function anyName(fill: Filler, length: number): Buffer {
  const name = fill.random.bytes(length + 2);
  for (let i = 0; i < name.length; i++) if (name[i] === 0 || name[i] === 0x2f) name[i] = 0xff;
  return name.subarray(0, Math.max(3, length));
}

/** The big directory: mostly links, which cost no inode, and some files and directories of their own. */
export function fillBigDirectory(fill: Filler): void {
  const count = fill.profile.names;
  mkdirSync(fill.at("many"));
  mkdirSync(fill.at("many-targets"));
  const targets = Math.ceil(count / LINKS_PER_INODE) + 1;
  for (let i = 0; i < targets; i++) fill.file(fill.at("many-targets", `t${i}`), 100 + i);
  for (let i = 0; i < count; i++) {
    const path = fill.at("many", `entry-${i}-${"x".repeat(fill.profile.longNames ? 240 : i % 24)}`);
    if (i % 500 === 7) mkdirSync(path);
    else if (i % 500 === 9) symlinkSync(`../many/entry-${i}`, path);
    else if (i % 100 === 3) writeFileSync(path, `contents of ${i}\n`);
    else linkSync(fill.at("many-targets", `t${i % targets}`), path);
  }
}

/** A directory most of whose entries went away again: holes in its blocks, names of other lengths in some of them. */
export function fillHoles(fill: Filler): void {
  mkdirSync(fill.at("holes"));
  fill.file(fill.at("holes-target"), 1);
  const name = (i: number): Buffer => fill.at("holes", `hole-${i}-${"y".repeat((i * 7) % 60)}`);
  const count = Math.min(2000, fill.profile.names);
  for (let i = 0; i < count; i++) linkSync(fill.at("holes-target"), name(i));
  for (let i = 0; i < count; i++) if (fill.random.below(10) < 7) unlinkSync(name(i));
  for (let i = 0; i < 100; i++) linkSync(fill.at("holes-target"), fill.at("holes", `new-${i}-${"z".repeat(i)}`));
  for (let i = 0; i < 50; i++) renameSync(fill.at("holes", `new-${i}-${"z".repeat(i)}`), fill.at("holes", `r${i}`));
  mkdirSync(fill.at("emptied"));
  for (let i = 0; i < 300; i++) linkSync(fill.at("holes-target"), fill.at("emptied", `e${i}${"e".repeat(200)}`));
  for (let i = 0; i < 300; i++) unlinkSync(fill.at("emptied", `e${i}${"e".repeat(200)}`));
}

/** Deep paths, and directories at the sizes where inline data ends and where a linear directory becomes indexed. */
export function fillDirectories(fill: Filler): void {
  let deep = "deep";
  mkdirSync(fill.at(deep));
  for (let depth = 0; depth < 30; depth++) {
    deep += `/level-${depth}`;
    mkdirSync(fill.at(deep));
  }
  fill.file(fill.at(deep, "bottom"), 33);
  mkdirSync(fill.at("small"));
  for (let entries = 0; entries <= 24; entries++) {
    const directory = `small/d${String(entries).padStart(2, "0")}`;
    mkdirSync(fill.at(directory));
    for (let i = 0; i < entries; i++) linkSync(fill.at("holes-target"), fill.at(directory, `f${i}`));
  }
  for (let i = 4; i < 20; i++) unlinkSync(fill.at("small/d24", `f${i}`));
  for (const entries of [60, 120, 240]) {
    const directory = `small/e${entries}`;
    mkdirSync(fill.at(directory));
    for (let i = 0; i < entries; i++) linkSync(fill.at("holes-target"), fill.at(directory, `name-${i}`));
  }
  mkdirSync(fill.at("gone"));
  rmdirSync(fill.at("gone"));
  mkdirSync(fill.at("subdirectories"));
  for (let i = 0; i < 40; i++) mkdirSync(fill.at("subdirectories", `s${i}`));
}
