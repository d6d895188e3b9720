import { crc32 } from "../checksum/crc32.js";
import type { BlockDevice } from "../device/device.js";
import { GptEntryLayout, GptHeaderLayout } from "./layouts.js";
import type { Partition } from "./partitions.js";

const SIGNATURE = "EFI PART";
/** Bounds of what is read: honest tables have 128 entries of 128 bytes. */
const MOST_ENTRIES = 1024;
const MOST_ENTRY_SIZE = 4096;
const CHECKSUM_OFFSET = GptHeaderLayout.offset.headerChecksum;

/** The partitions of a GUID partition table, from its backup where the primary one is damaged; undefined when there is none. */
export function readGpt(device: BlockDevice, sectorSize: number): Partition[] | undefined {
  return readTable(device, 1, sectorSize) ?? readTable(device, Math.floor(device.size / sectorSize) - 1, sectorSize);
}

/** The table whose header is in sector `lba`, undefined unless both its checksums are right. */
function readTable(device: BlockDevice, lba: number, sectorSize: number): Partition[] | undefined {
  if (lba < 1 || (lba + 1) * sectorSize > device.size) return undefined;
  const sector = new Uint8Array(sectorSize);
  device.read(lba * sectorSize, sector);
  for (let at = 0; at < SIGNATURE.length; at++) if (sector[at] !== SIGNATURE.charCodeAt(at)) return undefined;
  const header = GptHeaderLayout.at(new DataView(sector.buffer), 0);
  const { headerSize, entryCount, entrySize, entriesLba } = header;
  if (headerSize < GptHeaderLayout.size || headerSize > sectorSize || header.currentLba !== lba) return undefined;
  const summed = sector.slice(0, headerSize);
  summed.fill(0, CHECKSUM_OFFSET, CHECKSUM_OFFSET + 4);
  if (crc32(summed) !== header.headerChecksum) return undefined;
  if (entrySize < GptEntryLayout.size || entrySize > MOST_ENTRY_SIZE || entryCount > MOST_ENTRIES) return undefined;

  const start = entriesLba * sectorSize;
  if (!(start + entryCount * entrySize <= device.size)) return undefined;
  const table = new Uint8Array(entryCount * entrySize);
  device.read(start, table);
  if (crc32(table) !== header.entriesChecksum) return undefined;
  return partitionsOf(device, table, entryCount, entrySize, sectorSize);
}

function partitionsOf(
  device: BlockDevice,
  table: Uint8Array,
  entryCount: number,
  entrySize: number,
  sectorSize: number,
): Partition[] {
  const partitions: Partition[] = [];
  const view = new DataView(table.buffer);
  const entry = GptEntryLayout.at(view, 0);
  for (let n = 0; n < entryCount; n++) {
    entry.at(view, n * entrySize);
    if (entry.typeGuid.every((byte) => byte === 0)) continue;
    const offset = entry.firstLba * sectorSize;
    const length = (entry.lastLba - entry.firstLba + 1) * sectorSize;
    if (!(offset > 0 && length > 0 && offset < device.size)) continue;
    partitions.push({
      number: n + 1,
      offset,
      length: Math.min(length, device.size - offset),
      type: guidToString(entry.typeGuid),
      name: utf16ToString(entry.name),
    });
  }
  return partitions;
}

/** A GUID as UEFI writes it: the first three fields are little-endian. */
function guidToString(guid: Uint8Array): string {
  const hex = (from: number, to: number) =>
    Array.from(guid.subarray(from, to), (byte) => byte.toString(16).padStart(2, "0"));
  const swapped = (from: number, to: number) => hex(from, to).reverse().join("");
  const text = [swapped(0, 4), swapped(4, 6), swapped(6, 8), hex(8, 10).join(""), hex(10, 16).join("")].join("-");
  return text.toUpperCase();
}

function utf16ToString(field: Uint8Array): string {
  let text = "";
  for (let at = 0; at + 1 < field.length; at += 2) {
    const unit = field[at]! | (field[at + 1]! << 8);
    if (unit === 0) break;
    text += String.fromCharCode(unit);
  }
  return text;
}
