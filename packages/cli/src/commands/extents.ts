import { Ext4File } from "@bulkhead/ext4";
import type { GivenArguments } from "../command-line/declaration.js";
import { ExitCode } from "../command-line/exit-code.js";
import { Output } from "../output/output.js";
import { sourceSettings } from "../source/open-image.js";
import { Session } from "../source/session.js";

export function run(given: GivenArguments): number {
  const session = new Session(sourceSettings(given));
  const output = new Output();
  try {
    const { ext4, inode } = session.find(given.positionals[0]!, true);
    const file = new Ext4File(ext4.fs, inode);
    if (given.flag("json")) printJson(file, output);
    else printTable(file, output);
    output.flush();
  } finally {
    session.close();
  }
  return ExitCode.success;
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
