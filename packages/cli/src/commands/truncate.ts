import { parseBytes } from "@bulkhead/server/options/quantity";
import type { GivenArguments } from "../command-line/declaration.js";
import { UsageError } from "../command-line/errors.js";
import { changeEach } from "../source/change.js";

export function run(given: GivenArguments): Promise<number> {
  const size = given.value("size");
  if (size === undefined) throw new UsageError("--size BYTES is missing");
  const bytes = parseBytes(size, "--size");
  return changeEach("truncate", given, given.positionals, ({ disk, path }) => {
    if (!disk.exists(path)) {
      if (given.flag("no-create")) return;
      disk.writeFile(path, "");
    }
    disk.truncate(path, bytes);
  });
}
