import { bytes, le16, le32, le64, struct, type ViewOf } from "./struct.js";

export const MMP_MAGIC = 0x004d_4d50;

/** Values of mmp_seq that are no counts: nobody has the file system, or a checker has. Counts are up to `most`. */
export const MmpSequence = { clean: 0xff4d_4d50, fsck: 0xe24d_4d50, most: 0xe24d_4d4f } as const;

/** struct mmp_struct: who uses the file system. */
export const MmpBlock = struct("mmp_struct", 1024, {
  magic: le32(0x0),
  sequence: le32(0x4),
  /** Seconds since 1970. */
  time: le64(0x8),
  nodeName: bytes(0x10, 64),
  deviceName: bytes(0x50, 32),
  /** Seconds. */
  checkInterval: le16(0x70),
  checksum: le32(0x3fc, "metadata_csum"),
});

export type MmpView = ViewOf<typeof MmpBlock>;
