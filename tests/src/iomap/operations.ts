/** fuse-iomap's operation and ioend flags, by the reference. */
export const Op = {
  write: 1,
  zero: 2,
  report: 4,
  fault: 8,
  direct: 0x10,
  nowait: 0x20,
  overwriteOnly: 0x40,
  unshare: 0x80,
  atomic: 0x200,
  swapfile: 0x4000_0000,
  writeback: 0x8000_0000,
} as const;
export const WRITING = Op.write | Op.zero | Op.unshare | Op.writeback;
export const Ioend = { shared: 1, unwritten: 2, direct: 8, append: 0x10, writeback: 0x20, swapoff: 0x40 } as const;
