/** fuse-iomap's numbers, as far as the engine looks at them. */

/** What a mapping is asked for. */
export const IomapOperation = {
  write: 0x1,
  zero: 0x2,
  report: 0x4,
  fault: 0x8,
  direct: 0x10,
  nowait: 0x20,
  overwriteOnly: 0x40,
  unshare: 0x80,
  atomic: 0x200,
  swapfile: 0x4000_0000,
  writeback: 0x8000_0000,
} as const;

/** The operations whose mapping is where to write. */
export const WRITING = IomapOperation.write | IomapOperation.zero | IomapOperation.unshare | IomapOperation.writeback;

/**
 * What a mapping says beside its type. SHARED and BOUNDARY are never said: no two files of ext4 share blocks, and no I/O has to
 * end where a mapping does.
 */
export const IomapFlag = { new: 0x1, dirty: 0x2, merged: 0x8, atomicBio: 0x40 } as const;

/** What the end of a write tells. */
export const IoendFlag = {
  shared: 0x1,
  unwritten: 0x2,
  direct: 0x8,
  append: 0x10,
  writeback: 0x20,
  swapoff: 0x40,
} as const;
