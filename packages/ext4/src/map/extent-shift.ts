import { FileSystemError } from "../errors.js";
import { MAX_WRITTEN_EXTENT } from "../format/extent.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import { modifyNode, pullUp, rewriteExtents, updateKeys } from "./extent-edit.js";
import { ExtentList } from "./extent-list.js";
import { entryFileBlock, extentStart, lengthOf, rawLength } from "./extent-node.js";
import { ExtentPath } from "./extent-path.js";
import { makeRoomForStep } from "./map-allocation.js";
import { MAX_FILE_BLOCKS } from "./mapping.js";

/** Moves all extents from `from` on towards the beginning of the file, leaf by leaf, the first first. */
export function shiftDown(handle: Handle, inode: Inode, from: number, delta: number): void {
  const path = new ExtentPath(handle.volume, inode);
  for (let at = from; at < MAX_FILE_BLOCKS; ) {
    makeRoomForStep(handle, inode);
    const leaf = path.find(at).depth;
    const next = path.end[leaf]!;
    shiftLeaf(handle, path, at, -delta);
    at = next;
  }
  joinAt(handle, path, from - delta);
  pullUp(handle, inode);
}

/** Moves all extents from `from` on towards the end of the file, leaf by leaf, the last first. */
export function shiftUp(handle: Handle, inode: Inode, from: number, delta: number): void {
  const path = new ExtentPath(handle.volume, inode).find(MAX_FILE_BLOCKS);
  const leaf = path.depth;
  const last = path.index[leaf]!;
  if (last === 0) return;
  const at = path.at(leaf, last);
  const end = entryFileBlock(path.view(leaf), at) + lengthOf(rawLength(path.view(leaf), at));
  if (end <= from) return;
  if (end + delta > MAX_FILE_BLOCKS) {
    throw new FileSystemError("EINVAL", `inode ${inode.ino} maps blocks up to ${end}, which cannot move by ${delta}`);
  }
  makeRoomForStep(handle, inode);
  splitAt(handle, path, from);
  for (let cursor = MAX_FILE_BLOCKS; cursor >= from; ) {
    makeRoomForStep(handle, inode);
    const leaf = path.find(cursor).depth;
    if (path.index[leaf] === 0) break; // nothing is left before what has moved
    const first = entryFileBlock(path.view(leaf), path.at(leaf, 1));
    shiftLeaf(handle, path, from, delta);
    cursor = first - 1;
  }
}

/** Moves the extents of the leaf that start at `from` or behind. */
function shiftLeaf(handle: Handle, path: ExtentPath, from: number, delta: number): void {
  const leaf = path.depth;
  const view = path.view(leaf);
  const count = path.count(leaf);
  let index = count;
  while (index > 0 && entryFileBlock(view, path.at(leaf, index)) >= from) index--;
  if (index === count) return;
  modifyNode(handle, path, leaf);
  for (let n = index + 1; n <= count; n++) {
    const at = path.at(leaf, n);
    view.setUint32(at, entryFileBlock(view, at) + delta, true);
  }
  if (index === 0) updateKeys(handle, path, leaf);
}

/** Cuts the extent that `fileBlock` is in the middle of. */
function splitAt(handle: Handle, path: ExtentPath, fileBlock: number): void {
  const index = path.find(fileBlock).index[path.depth]!;
  if (index === 0) return;
  const { depth: leaf } = path;
  const view = path.view(leaf);
  const at = path.at(leaf, index);
  const first = entryFileBlock(view, at);
  const raw = rawLength(view, at);
  const length = lengthOf(raw);
  if (first >= fileBlock || first + length <= fileBlock) return;
  const unwritten = raw > MAX_WRITTEN_EXTENT;
  const block = extentStart(view, at);
  const list = new ExtentList();
  list.append(first, fileBlock - first, block, unwritten);
  list.append(fileBlock, first + length - fileBlock, block + fileBlock - first, unwritten);
  rewriteExtents(handle, path, index, 1, list, block);
}

/** Joins the extent that starts at `fileBlock` with the one before it, if they continue each other. */
function joinAt(handle: Handle, path: ExtentPath, fileBlock: number): void {
  const index = path.find(fileBlock).index[path.depth]!;
  if (index < 2) return;
  const { depth: leaf } = path;
  const view = path.view(leaf);
  const list = new ExtentList();
  for (let n = index - 1; n <= index; n++) {
    const at = path.at(leaf, n);
    const raw = rawLength(view, at);
    list.add(entryFileBlock(view, at), lengthOf(raw), extentStart(view, at), raw > MAX_WRITTEN_EXTENT);
  }
  if (list.count === 1) rewriteExtents(handle, path, index - 1, 2, list, 0);
}
