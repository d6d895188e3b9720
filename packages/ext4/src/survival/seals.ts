import type { Seal } from "../cache/block-cache.js";
import { sealIndexNode, sealIndexRoot, sealLeaf } from "../dir/seal.js";
import { sealDescriptors } from "../groups/group-table.js";
import { sealExtentNode } from "../map/extent-edit.js";
import { sealOrphanBlock } from "../orphan/orphan-file.js";
import { sealSuperblock } from "../superblock/write-superblock.js";
import { sealXattrBlock } from "../xattr/write-block.js";

/** All seals; the place of one is how memory that outlives a process names it. */
const SEALS: readonly (Seal | undefined)[] = [
  undefined,
  sealSuperblock,
  sealDescriptors,
  sealLeaf,
  sealIndexRoot,
  sealIndexNode,
  sealExtentNode,
  sealXattrBlock,
  sealOrphanBlock,
];

const numbers = new Map(SEALS.map((seal, number) => [seal, number]));

export function numberOfSeal(seal: Seal | undefined): number {
  const number = numbers.get(seal);
  if (number === undefined) throw new Error(`the seal ${seal?.name} has no number`);
  return number;
}

/** Whether `number` is a seal's, or says that there is none. */
export function isSealNumber(number: number): boolean {
  return number >= 0 && number < SEALS.length && Number.isInteger(number);
}

export function sealOfNumber(number: number): Seal | undefined {
  return SEALS[number];
}
