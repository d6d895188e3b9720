/** Specimens whose damage costs more to explore: they are damaged at chosen places, or with larger strides. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../system/process.js";
import { withScratch } from "../system/scratch.js";
import { Editor } from "./editor.js";
import { makeSpecimen } from "./specimen.js";

const LEVELS = "levels";

/** A directory whose index has two levels: names so long that four fill a block, and 1 KiB blocks. */
export function makeTwoLevelSpecimen(): Uint8Array {
  const features = "none,extents,filetype,dir_index,sparse_super,ext_attr,flex_bg,extra_isize,metadata_csum,64bit";
  const specimen = {
    name: LEVELS,
    mke2fs: ["-t", "ext4", "-b", "1024", "-N", "64", "-O", features, "-I", "256"],
    fill: `
      mkdir ${LEVELS}; cd ${LEVELS}; : > target
      name=$(printf 'n%.0s' $(seq 230)); for i in $(seq 520); do ln target $name-$i; done
      for i in 1 2 3; do mkdir ../$i; done`,
  };
  const image = makeSpecimen(specimen, "2M");
  const editor = new Editor(image);
  if (editor.bytes[editor.block(LEVELS, 0) + 30] !== 1) throw new Error("the directory's index has one level");
  return image;
}

/** The root and the other index blocks of that directory, and one leaf. */
export function indexRanges(image: Uint8Array): [number, number][] {
  const editor = new Editor(image);
  const root = editor.block(LEVELS, 0);
  const blocks = [0, 1];
  for (let n = 0; n < editor.u16(root + 34); n++) blocks.push(editor.u32(root + 32 + 8 * n + 4));
  return blocks.map((fileBlock) => {
    const start = editor.block(LEVELS, fileBlock);
    return [start, start + editor.blockSize];
  });
}

/** The part of a journal that a log of a few transactions takes. */
export function journalRanges(image: Uint8Array): [number, number][] {
  const editor = new Editor(image);
  const journal = editor.fs.inode(8);
  return Array.from({ length: 16 }, (_, fileBlock) => {
    const start = editor.block(journal, fileBlock);
    return [start, start + editor.blockSize];
  });
}

/** Blocks of 64 KiB, which not every kernel mounts: filled by mke2fs. */
export function makeLargeBlockSpecimen(): Uint8Array {
  return withScratch("specimen", (directory) => {
    const image = join(directory, "image");
    const root = join(directory, "root");
    const fill = `
      mkdir -p '${root}/sub/many'; cd '${root}/sub'; echo small > small; ln small hard; ln -s ../small soft
      ln -s $(printf 'x%.0s' $(seq 100)) slow; for i in $(seq 40); do echo $i > many/entry-$i; done
      head -c 200000 /dev/zero | tr '\\0' a > blocks; truncate -s 3M sparse; echo end >> sparse`;
    execFileSync("bash", ["-euc", fill]);
    const features = "none,extents,filetype,dir_index,ext_attr,flex_bg,sparse_super,extra_isize,metadata_csum,64bit";
    const options = ["-q", "-F", "-t", "ext4", "-b", "65536", "-N", "256", "-I", "256", "-O", features];
    run("mke2fs", [...options, "-d", root, image, "8M"]);
    run("e2fsck", ["-fn", image]);
    return new Uint8Array(readFileSync(image));
  });
}
