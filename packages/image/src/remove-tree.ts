import { FuseAnswerError } from "@bulkhead/fuse/client";
import type { ImageNode } from "./node.js";
import type { Entry, ImageTree } from "./tree.js";

const EUCLEAN = 117;

/**
 * Removes a directory with all that is in it: bottom up, without recursion, and each once. A hostile image may have directories
 * without end.
 *
 * @throws FuseAnswerError EUCLEAN for a directory that is in two places, and what the server answers
 */
export function removeTree(tree: ImageTree, parent: ImageNode, top: Uint8Array, root: ImageNode): void {
  const entered = new Set([root.id]);
  const levels: { parent: ImageNode; name: Uint8Array; node: ImageNode; listed: boolean }[] = [
    { parent, name: top, node: root, listed: false },
  ];
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    if (level.listed) {
      tree.removeDirectory(level.parent, level.name, level.node);
      levels.pop();
      continue;
    }
    level.listed = true;
    const entries: Entry[] = [];
    tree.list(level.node, entries);
    for (const { name, node } of entries) {
      const child = node ?? tree.lookup(level.node, name);
      if (child?.isDirectory !== true) {
        tree.unlink(level.node, name, child);
        continue;
      }
      if (entered.has(child.id)) throw new FuseAnswerError("RMDIR", EUCLEAN);
      entered.add(child.id);
      levels.push({ parent: level.node, name, node: child, listed: false });
    }
  }
}
