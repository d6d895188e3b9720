import { stringToName } from "@bulkhead/ext4/names";
import { ImageSource, type SourceNode, walk } from "@bulkhead/image/copy";
import { parseCount } from "@bulkhead/server/options/quantity";
import type { GivenArguments } from "../command-line/declaration.js";
import { Problems } from "../command-line/problems.js";
import { Output } from "../output/output.js";
import { printableName } from "../output/printable.js";
import { sourceSettings } from "../source/open-disk.js";
import { Session } from "../source/session.js";

export async function run(given: GivenArguments): Promise<number> {
  const session = new Session(sourceSettings(given));
  const problems = new Problems("tree");
  const output = new Output();
  const depth = given.value("depth");
  const limit = depth === undefined ? Number.POSITIVE_INFINITY : parseCount(depth, "--depth", 1);
  try {
    const { disk, node, path } = await session.find(given.positionals[0]!, true);
    output.name(stringToName(path));
    output.line();
    let directories = 0;
    let files = 0;
    if (node.isDirectory) {
      const steps = walk(new ImageSource(disk, node, stringToName(path)), {
        enter: ({ depth }) => depth < limit,
        failed: (error, directory, entry) =>
          problems.add(entry === undefined ? `directory ${directory.stats.ino}` : printableName(entry.name), error),
        skip: (entry) => !given.flag("all") && entry.name[0] === 0x2e,
      });
      /** What the lines of each level start with: how the directories above go on. */
      const indents = [""];
      for (const { kind, at } of steps) {
        if (kind === "end") continue;
        const indent = indents[at.depth - 1] ?? "";
        indents[at.depth] = indent + (at.isLast ? "    " : "│   ");
        output.write(`${indent}${at.isLast ? "└── " : "├── "}`);
        output.name(at.entry.name);
        if (at.node.stats.kind === "directory") directories++;
        else files++;
        if (at.node.stats.kind === "symlink") {
          output.write(" -> ");
          output.name(target(at.node));
        }
        output.line();
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

function target(link: SourceNode): Uint8Array {
  try {
    return link.readLink();
  } catch {
    return stringToName("?");
  }
}
