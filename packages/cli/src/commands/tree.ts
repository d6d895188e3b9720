import { nameToString } from "@bulkhead/ext4";
import type { GivenArguments } from "../command-line/declaration.js";
import { Problems } from "../command-line/problems.js";
import { parseCount } from "../command-line/quantity.js";
import { Output } from "../output/output.js";
import { printable, printableName } from "../output/printable.js";
import { sourceSettings } from "../source/open-image.js";
import { Session } from "../source/session.js";
import { walk } from "../source/walk.js";

export function run(given: GivenArguments): number {
  const session = new Session(sourceSettings(given));
  const problems = new Problems("tree");
  const output = new Output();
  const depth = given.value("depth");
  const limit = depth === undefined ? Number.POSITIVE_INFINITY : parseCount(depth, "--depth", 1);
  try {
    const { ext4, inode, path } = session.find(given.positionals[0]!, true);
    output.line(output.isTerminal ? printable(path) : path);
    let directories = 0;
    let files = 0;
    if (inode.isDirectory) {
      const steps = walk(ext4.fs, inode, {
        enter: ({ depth }) => depth < limit,
        failed: (error, directory, entry) =>
          problems.add(entry === undefined ? `directory ${directory.ino}` : printableName(entry.nameBytes), error),
        skip: (entry) => !given.flag("all") && entry.nameBytes[0] === 0x2e,
      });
      /** What the lines of each level start with: how the directories above go on. */
      const indents = [""];
      for (const { kind, at } of steps) {
        if (kind === "end") continue;
        const indent = indents[at.depth - 1] ?? "";
        indents[at.depth] = indent + (at.isLast ? "    " : "│   ");
        output.write(`${indent}${at.isLast ? "└── " : "├── "}`);
        output.name(at.entry.nameBytes);
        if (at.inode.isDirectory) directories++;
        else files++;
        output.line(at.inode.isSymlink ? ` -> ${target(ext4.fs.readLink(at.inode))}` : "");
      }
    } else {
      files++;
    }
    const count = (number: number, one: string, many: string) => `${number} ${number === 1 ? one : many}`;
    output.line(`\n${count(directories, "directory", "directories")}, ${count(files, "file", "files")}`);
    output.flush();
  } finally {
    session.close();
  }
  return problems.exitCode;
}

function target(bytes: Uint8Array): string {
  return printable(nameToString(bytes));
}
