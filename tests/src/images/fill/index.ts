/** Fills a mounted filesystem with a tree that holds at least one of everything a reader must cope with. */
import { fillFragmented, fillInline, fillReused, fillSizes, fillSparse, fillUnwritten } from "./contents.js";
import { Filler, type FillProfile } from "./filler.js";
import { fillBigDirectory, fillDirectories, fillHoles, fillNames } from "./names.js";
import { fillFlags, fillModes, fillSymlinks, fillTimes, fillTypes, fillXattrs } from "./nodes.js";

export type { FillProfile } from "./filler.js";

/** Returns the steps that this filesystem has no means for, with the errno each got. */
export function fillTree(root: string, blockSize: number, seed: number, profile: FillProfile): Map<string, string> {
  const fill = new Filler(root, blockSize, seed, profile);
  fillNames(fill);
  fillBigDirectory(fill);
  fillHoles(fill);
  fillDirectories(fill);
  fillSizes(fill);
  fillInline(fill);
  fillSparse(fill);
  fillFragmented(fill);
  fillUnwritten(fill);
  fillReused(fill);
  fillTypes(fill);
  fillSymlinks(fill);
  fillModes(fill);
  fillFlags(fill);
  fillXattrs(fill);
  fillTimes(fill);
  return fill.refused;
}
