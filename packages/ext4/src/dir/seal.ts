import type { CachedBlock } from "../cache/block-cache.js";
import { crc32c, crc32cLe32, crc32cZeros } from "../checksum/crc32c.js";
import {
  DirectoryTailLayout,
  INDEX_NODE_ENTRIES,
  INDEX_ROOT_ENTRIES,
  IndexCountLimitLayout,
  IndexEntryLayout,
  IndexTailLayout,
  TAIL_FILE_TYPE,
} from "../format/directory.js";
import type { Volume } from "../volume.js";

/** Bytes of a block of entries before its checksum. */
export function leafEnd(volume: Volume): number {
  const { blockSize } = volume.geometry;
  return volume.features.metadataCsum ? blockSize - DirectoryTailLayout.size : blockSize;
}

/** Puts an empty checksum at the end of a block of entries, where the file system has checksums. */
export function writeLeafTail(volume: Volume, block: CachedBlock): void {
  if (!volume.features.metadataCsum) return;
  const tail = DirectoryTailLayout.at(block.view, leafEnd(volume));
  tail.inode = 0;
  tail.recordLength = DirectoryTailLayout.size;
  tail.nameLength = 0;
  tail.fileType = TAIL_FILE_TYPE;
}

/** The checksum of a block of entries. */
export function sealLeaf(volume: Volume, block: CachedBlock): void {
  if (!volume.features.metadataCsum) return;
  const base = leafEnd(volume);
  const at = base + DirectoryTailLayout.offset.checksum;
  block.view.setUint32(at, crc32c(block.sealSeed, block.data, 0, base), true);
}

/** The checksum of an index's root. */
export function sealIndexRoot(volume: Volume, block: CachedBlock): void {
  sealIndex(volume, block, INDEX_ROOT_ENTRIES);
}

/** The checksum of an index block below the root. */
export function sealIndexNode(volume: Volume, block: CachedBlock): void {
  sealIndex(volume, block, INDEX_NODE_ENTRIES);
}

/** Covers the entries in use; the checksum lies behind the room for all of them. */
function sealIndex(volume: Volume, block: CachedBlock, entries: number): void {
  if (!volume.features.metadataCsum) return;
  const { view, data } = block;
  const limit = view.getUint16(entries + IndexCountLimitLayout.offset.limit, true);
  const count = view.getUint16(entries + IndexCountLimitLayout.offset.count, true);
  const base = entries + limit * IndexEntryLayout.size;
  // What never was an index block, or is none any more, has no place for it.
  if (count > limit || base + IndexTailLayout.size > data.length) return;
  const tail = IndexTailLayout.at(view, base);
  const sum = crc32c(block.sealSeed, data, 0, entries + count * IndexEntryLayout.size);
  tail.checksum = crc32cZeros(crc32cLe32(sum, tail.reserved), 4);
}
