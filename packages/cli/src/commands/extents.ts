import { type Ext4, Ext4File, type Inode } from "@bulkhead/ext4";
import type { GivenArguments } from "../command-line/declaration.js";
import { CommandError, exitCodeOf } from "../command-line/errors.js";
import { Problems } from "../command-line/problems.js";
import { reasonOf } from "../command-line/reason.js";
import { Output, OutputClosed } from "../output/output.js";
import { printable } from "../output/printable.js";
import { parseImagePath } from "../source/image-path.js";
import { sourceSettings } from "../source/open-disk.js";
import { openImage } from "../source/open-image.js";

export function run(given: GivenArguments): number {
  const argument = given.positionals[0]!;
  const { image, path } = parseImagePath(argument);
  const ext4 = openImage(image, sourceSettings(given));
  const problems = new Problems("extents");
  const output = new Output();
  try {
    const inode = inodeAt(ext4, image, path);
    if (!inode.isRegular && !inode.isDirectory) throw new Error("it is no regular file, and has no contents");
    const file = new Ext4File(ext4.fs, inode);
    if (given.flag("json")) printJson(file, output);
    else printTable(file, output);
    output.flush();
  } catch (error) {
    if (error instanceof OutputClosed) throw error;
    problems.add(printable(argument), error);
  } finally {
    ext4.close();
  }
  return problems.exitCode;
}

function inodeAt(ext4: Ext4, image: string, path: string): Inode {
  try {
    return ext4.inode(path);
  } catch (error) {
    throw new CommandError(`${image} has no ${path}: ${reasonOf(error)}`, exitCodeOf(error));
  }
}

/** One object a line inside the array: a file may have millions of extents. */
function printJson(file: Ext4File, output: Output): void {
  output.write("[");
  let separator = "\n";
  for (const extent of file.extents()) {
    output.write(`${separator}${JSON.stringify(extent)}`);
    separator = ",\n";
  }
  output.line("\n]");
}

function printTable(file: Ext4File, output: Output): void {
  const row = (offset: string, length: string, kind: string, address: string) =>
    output.line(`${offset.padStart(16)} ${length.padStart(16)}  ${kind.padEnd(9)} ${address.padStart(16)}`);
  row("offset", "length", "kind", "address");
  let extents = 0;
  for (const { offset, length, kind, address } of file.extents()) {
    if (kind !== "hole") extents++;
    row(String(offset), String(length), kind, address === undefined ? "-" : String(address));
  }
  output.line(`${file.size} bytes, ${extents} ${extents === 1 ? "extent" : "extents"}`);
}
