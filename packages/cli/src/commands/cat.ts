import { type Image, ImageError, type ImageNode } from "@bulkhead/image";
import { errnoName } from "@bulkhead/linux";
import type { GivenArguments } from "../command-line/declaration.js";
import { Problems } from "../command-line/problems.js";
import { Output, OutputClosed } from "../output/output.js";
import { printable } from "../output/printable.js";
import { sourceSettings } from "../source/open-disk.js";
import { Session } from "../source/session.js";

const CHUNK = 1024 * 1024;

export async function run(given: GivenArguments): Promise<number> {
  const session = new Session(sourceSettings(given));
  const problems = new Problems("cat");
  const output = new Output();
  const buffer = new Uint8Array(CHUNK);
  try {
    for (const argument of given.positionals) {
      try {
        const { disk, node } = await session.find(argument, true);
        if (node.isDirectory) throw Object.assign(new Error("a directory"), { code: "EISDIR" });
        if (node.stats.kind !== "file") throw new Error("it is no regular file, and has no contents");
        let position = 0;
        for (let count = read(disk, node, 0, buffer); count > 0; count = read(disk, node, position, buffer)) {
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

function read(disk: Image, node: ImageNode, position: number, buffer: Uint8Array): number {
  const got = disk.tree.data.read(node, position, buffer);
  if (got < 0) throw new ImageError(errnoName(got), -got, "read", "");
  return got;
}
