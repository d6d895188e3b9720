import type { Preserve } from "@bulkhead/image/copy";
import { suggestion } from "@bulkhead/server/options/suggestion";
import { UsageError } from "../command-line/errors.js";

const kept = ["mode", "ownership", "timestamps", "xattr", "links"] as const satisfies readonly (keyof Preserve)[];

/** Reads the values of `--no-preserve`. @throws UsageError */
export function parsePreserve(lists: readonly string[]): Preserve {
  const left = new Set<string>();
  for (const name of lists.flatMap((list) => list.split(",")).filter((item) => item !== "")) {
    if (name === "all") for (const every of kept) left.add(every);
    else if ((kept as readonly string[]).includes(name)) left.add(name);
    else
      throw new UsageError(
        `--no-preserve does not know ${name}${suggestion(name, kept)}; it knows ${kept.join(", ")}, all`,
      );
  }
  return {
    mode: !left.has("mode"),
    ownership: !left.has("ownership"),
    timestamps: !left.has("timestamps"),
    xattr: !left.has("xattr"),
    links: !left.has("links"),
  };
}
