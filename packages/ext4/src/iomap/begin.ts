import type { Inode } from "../inode/inode.js";
import { mapBlocks } from "../map/map-blocks.js";
import { BlockMapping, MAX_FILE_BLOCKS, MappingType } from "../map/mapping.js";
import type { Volume } from "../volume.js";

/** A mapping in bytes: what fuse-iomap's `fuse_iomap_io` holds. Filled by the engine, owned and reused by the host. */
export interface IomapMapping {
  /** MappingType. */
  type: number;
  flags: number;
  /** Byte offset in the file, a multiple of the block size. */
  offset: number;
  /** Bytes, a multiple of the block size. */
  length: number;
  /** Byte address on the device, or NULL_ADDR. */
  addr: number;
  /** Number of the device, 0 for none. */
  dev: number;
}

/** `addr` of a mapping that has none; 2^64 - 1 on the wire. */
export const NULL_ADDR = -1;

/** Neighbours that are joined at most: bounds the work that a hostile image can make of one call. */
const MOST_JOINED = 4096;

const run = new BlockMapping();
const next = new BlockMapping();

/**
 * Answers *where*: the mapping that covers byte `pos`, from its block on. Neighbours that continue each other are joined as far
 * as `count` asks. A hole reaches to the next mapping or to the end of the file rounded up to a block, and beyond the end as
 * far as was asked.
 *
 * @param pos bytes, 0 or more
 * @param count bytes that the operation has to do from `pos` on, 1 or more; may be huge
 * @param dev the number of the device that addresses belong to
 * @returns how many neighbours were joined
 * @throws CorruptionError, DeviceError
 */
export function mapBytes(
  volume: Volume,
  inode: Inode,
  pos: number,
  count: number,
  dev: number,
  out: IomapMapping,
): number {
  const { blockSize } = volume.geometry;
  const fileBlock = Math.floor(pos / blockSize);
  const wanted = Math.max(fileBlock + 1, Math.min(Math.ceil((pos + count) / blockSize), MAX_FILE_BLOCKS));
  mapBlocks(volume, inode, fileBlock, run);
  let end = fileBlock + run.length;
  let joined = 0;
  for (; end < wanted && joined < MOST_JOINED; joined++) {
    if (run.type === MappingType.inline) break;
    mapBlocks(volume, inode, end, next);
    const continues = run.type === MappingType.hole || run.block + (end - fileBlock) === next.block;
    if (next.type !== run.type || !continues) break;
    end += next.length;
  }
  const onDevice = run.type === MappingType.mapped || run.type === MappingType.unwritten;
  if (run.type === MappingType.hole) {
    const fileEnd = Math.ceil(inode.size / blockSize);
    end = Math.min(end, fileEnd > fileBlock ? fileEnd : wanted);
  }
  out.type = run.type;
  out.flags = 0;
  out.offset = fileBlock * blockSize;
  out.length = (end - fileBlock) * blockSize;
  out.addr = onDevice ? run.block * blockSize : NULL_ADDR;
  out.dev = onDevice ? dev : 0;
  return joined;
}
