import type { CachedBlock } from "../cache/block-cache.js";
import { CorruptionError, FileSystemError } from "../errors.js";
import { recordSize } from "../format/directory.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import type { Volume } from "../volume.js";
import { readDirectoryBlock } from "./blocks.js";
import { alreadyThere } from "./entry-errors.js";
import { advance, descend, IndexPath, nextHash, openIndex } from "./htree.js";
import { growIndex, indexHasRoom } from "./index-change.js";
import { verifyLeaf } from "./leaf.js";
import { mostLeavesOfHash } from "./listing.js";
import { forgive } from "./lookup.js";
import { directoryHash, type NameQuery } from "./name-query.js";
import { insertEntry, insertionEnd, type NewEntry } from "./records.js";
import { findRoom, NO_ROOM, roomAt } from "./room.js";
import { leafEnd, sealLeaf } from "./seal.js";
import { splitLeaf } from "./split-leaf.js";

const path = new IndexPath();

/** More often than an index has levels, and one for the split of the leaf, nothing has to grow for one name. */
const MOST_ROUNDS = 8;

/**
 * Adds an entry to an indexed directory (ext4_dx_add_entry).
 *
 * @returns false when the index is of no use and may be ignored, nothing being changed
 * @throws FileSystemError EEXIST, ENOSPC; CorruptionError, DeviceError
 */
export function addIndexed(handle: Handle, dir: Inode, query: NameQuery, entry: NewEntry): boolean {
  const { volume } = handle;
  const { blockSize } = volume.geometry;
  const end = leafEnd(volume);
  const need = recordSize(entry.name.length);
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const major = probe(volume, dir, query);
    if (major < 0) return false;
    let leaf = leafOf(volume, dir);
    let room = query.findOrRoom(leaf.data, 0, end, blockSize, need);
    if (room >= 0) throw alreadyThere(dir);
    if ((nextHash(path) & ~1) >>> 0 === major) {
      // Names of this hash fill more than one leaf, and any of these may have the name, or room.
      for (let leaves = 2; (nextHash(path) & ~1) >>> 0 === major && advance(volume, dir, path); leaves++) {
        const next = leafOf(volume, dir);
        const result = query.findOrRoom(next.data, 0, end, blockSize, need);
        if (result >= 0) throw alreadyThere(dir);
        if (room === NO_ROOM && result !== NO_ROOM) {
          room = result;
          leaf = next;
        }
        if (leaves >= mostLeavesOfHash(volume) && room === NO_ROOM) {
          throw new FileSystemError("ENOSPC", `directory ${dir.ino} has too many names with equal hashes`);
        }
      }
      if (room === NO_ROOM) probe(volume, dir, query);
    }
    if (room === NO_ROOM) {
      if (!indexHasRoom(path)) {
        growIndex(handle, dir, path);
        continue;
      }
      leaf = splitLeaf(handle, dir, path, leaf, major, need);
      room = findRoom(leaf.data, 0, end, blockSize, need);
      if (room === NO_ROOM) break;
    }
    const at = roomAt(room);
    handle.modifyPart(leaf, at, insertionEnd(leaf.data, at, entry), sealLeaf, dir.checksumSeed);
    insertEntry(volume, dir, leaf.data, at, end, entry);
    return true;
  }
  throw new CorruptionError("htree-order", { inode: dir.ino }, "an index that cannot be made to take a name");
}

/** Leaves in `path` the way to the leaf for the name; its major hash, or -1 when the index may be ignored. */
function probe(volume: Volume, dir: Inode, query: NameQuery): number {
  try {
    openIndex(volume, dir, path);
    const hash = directoryHash(volume);
    if (!query.hash(hash, path.hashVersion)) return -1;
    const { major } = hash;
    descend(volume, dir, path, major);
    return major;
  } catch (error) {
    forgive(volume, dir, error);
    return -1;
  }
}

/** The leaf at the end of `path`, verified. A block that is on the way to it as well would be overwritten while it is in use. */
function leafOf(volume: Volume, dir: Inode): CachedBlock {
  const leaf = readDirectoryBlock(volume, dir, path.leaf);
  if (path.node.includes(leaf)) {
    throw new CorruptionError("htree-cycle", { inode: dir.ino, fileBlock: path.leaf }, "an index block as a leaf");
  }
  verifyLeaf(volume, dir, leaf, path.leaf);
  return leaf;
}
