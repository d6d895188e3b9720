import { CorruptionError, DeviceError, FileSystemError } from "../errors.js";
import { readInode } from "../inode/inode-table.js";
import { MappingType } from "../map/mapping.js";
import { forEachMapping } from "../map/walk.js";
import type { Volume } from "../volume.js";

/** Runs of the journal that are known at most; mke2fs makes it of a few. */
const MOST_RUNS = 65_536;

/**
 * Has the blocks of the journal known for metadata, which no other file may map. A journal that cannot be mapped protects
 * nothing; a file system that needs it is not mounted at all.
 *
 * @param forWriting whether transactions will be written to it
 * @throws CorruptionError journal-inode when one that will be written has a block twice, as in the kernel
 */
export function protectJournal(volume: Volume, forWriting = false): void {
  const { systemZone, superblock, features, geometry } = volume;
  const ino = superblock.journalInode;
  if (systemZone === undefined || !features.hasJournal || ino === 0) return;
  const found: [start: number, end: number][] = [];
  try {
    const inode = readInode(volume, ino);
    forEachMapping(volume, inode, 0, Math.ceil(inode.size / geometry.blockSize), ({ type, block, length }) => {
      if (type === MappingType.mapped) found.push([block, block + length]);
      return found.length < MOST_RUNS;
    });
  } catch (error) {
    if (!(error instanceof CorruptionError || error instanceof DeviceError || error instanceof FileSystemError)) {
      throw error;
    }
    volume.environment.log("warning", `the journal's blocks are not known: ${error.message}`);
  }
  found.sort(([a], [b]) => a - b);
  for (let n = 1; forWriting && n < found.length; n++) {
    const block = found[n]![0];
    if (block >= found[n - 1]![1]) continue;
    throw new CorruptionError("journal-inode", { inode: ino, block }, "the journal maps the block twice");
  }
  systemZone.protectJournal(ino, Float64Array.from(found.flat()));
}
