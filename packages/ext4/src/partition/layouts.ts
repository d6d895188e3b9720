import { bytes, le16, le32, le64, struct, u8 } from "../format/struct.js";

/** One of the four entries of a DOS partition table (MBR, or an extended boot record). */
export const MbrEntryLayout = struct("mbr_partition", 16, {
  status: u8(0x0),
  type: u8(0x4),
  firstSector: le32(0x8),
  sectorCount: le32(0xc),
});

export const MBR_ENTRIES_OFFSET = 446;
export const MBR_SIGNATURE_OFFSET = 510;
export const MBR_SIGNATURE = 0xaa55;

/** The header of a GUID partition table (UEFI specification, 5.3.2). */
export const GptHeaderLayout = struct("gpt_header", 92, {
  signature: bytes(0x0, 8),
  revision: le32(0x8),
  headerSize: le32(0xc),
  headerChecksum: le32(0x10),
  currentLba: le64(0x18),
  backupLba: le64(0x20),
  firstUsableLba: le64(0x28),
  lastUsableLba: le64(0x30),
  diskGuid: bytes(0x38, 16),
  entriesLba: le64(0x48),
  entryCount: le32(0x50),
  entrySize: le32(0x54),
  entriesChecksum: le32(0x58),
});

/** A GPT entry; entries may be longer than this. */
export const GptEntryLayout = struct("gpt_entry", 128, {
  typeGuid: bytes(0x0, 16),
  uniqueGuid: bytes(0x10, 16),
  firstLba: le64(0x20),
  lastLba: le64(0x28),
  attributesLo: le16(0x30),
  name: bytes(0x38, 72),
});
