import { Ext4File } from "@bulkhead/ext4";
import type { GivenArguments } from "../command-line/declaration.js";
import { Problems } from "../command-line/problems.js";
import { Output, OutputClosed } from "../output/output.js";
import { printable } from "../output/printable.js";
import { sourceSettings } from "../source/open-image.js";
import { Session } from "../source/session.js";

const CHUNK = 1024 * 1024;

export function run(given: GivenArguments): number {
  const session = new Session(sourceSettings(given));
  const problems = new Problems("cat");
  const output = new Output();
  const buffer = new Uint8Array(CHUNK);
  try {
    for (const argument of given.positionals) {
      try {
        const { ext4, inode } = session.find(argument, true);
        const file = new Ext4File(ext4.fs, inode);
        let position = 0;
        for (let count = file.read(0, buffer); count > 0; count = file.read(position, buffer)) {
          output.writeNow(buffer.subarray(0, count));
          position += count;
        }
      } catch (error) {
        if (error instanceof OutputClosed) throw error;
        problems.add(printable(argument), error);
      }
    }
  } finally {
    session.close();
  }
  return problems.exitCode;
}
