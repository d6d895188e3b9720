/** Partition tables, written by the specification, to put a filesystem somewhere inside a disk image. */
import { closeSync, openSync, writeSync } from "node:fs";
import { crc32 } from "node:zlib";

const SECTOR = 512;
const ENTRY_SIZE = 128;
const ENTRY_COUNT = 128;
const LINUX_DATA = Buffer.from("af3dc60f838472478e793d69d8477de4", "hex");

/** Where the first partition (of 1 MiB) and the second (the filesystem's) start. */
const FIRST_START = 1 << 20;
export const PARTITION_OFFSET = 2 << 20;
/** Room behind the filesystem for the backup of a GPT. */
export const PARTITION_TAIL = 1 << 20;

/** The number of the filesystem's partition, as `bulkhead mount` counts them. */
export const PARTITION_NUMBER = 2;

/** Writes a table of two partitions into a disk image; the second has `size` bytes at PARTITION_OFFSET. */
export function writePartitionTable(image: string, kind: "gpt" | "mbr", size: number): void {
  const fd = openSync(image, "r+");
  try {
    if (kind === "mbr") writeMbr(fd, size);
    else writeGpt(fd, size);
  } finally {
    closeSync(fd);
  }
}

function mbrEntry(sector: Buffer, index: number, type: number, start: number, count: number): void {
  const at = 446 + 16 * index;
  sector.fill(0xff, at + 1, at + 8);
  sector[at] = 0;
  sector[at + 4] = type;
  sector.writeUInt32LE(start, at + 8);
  sector.writeUInt32LE(count, at + 12);
}

function writeMbr(fd: number, size: number): void {
  const sector = Buffer.alloc(SECTOR);
  mbrEntry(sector, 0, 0x83, FIRST_START / SECTOR, (PARTITION_OFFSET - FIRST_START) / SECTOR);
  mbrEntry(sector, 1, 0x83, PARTITION_OFFSET / SECTOR, size / SECTOR);
  sector.writeUInt16LE(0xaa55, 510);
  writeSync(fd, sector, 0, SECTOR, 0);
}

function writeGpt(fd: number, size: number): void {
  const sectors = (PARTITION_OFFSET + size + PARTITION_TAIL) / SECTOR;
  const entries = Buffer.alloc(ENTRY_SIZE * ENTRY_COUNT);
  gptEntry(entries, 0, FIRST_START / SECTOR, PARTITION_OFFSET / SECTOR - 1, "small");
  gptEntry(entries, 1, PARTITION_OFFSET / SECTOR, (PARTITION_OFFSET + size) / SECTOR - 1, "filesystem");
  const entrySectors = entries.length / SECTOR;
  const protective = Buffer.alloc(SECTOR);
  mbrEntry(protective, 0, 0xee, 1, Math.min(sectors - 1, 0xffff_ffff));
  protective.writeUInt16LE(0xaa55, 510);
  writeSync(fd, protective, 0, SECTOR, 0);
  const last = sectors - 1;
  writeSync(fd, gptHeader(1, last, 2, sectors, entries), 0, SECTOR, SECTOR);
  writeSync(fd, entries, 0, entries.length, 2 * SECTOR);
  writeSync(fd, entries, 0, entries.length, (last - entrySectors) * SECTOR);
  writeSync(fd, gptHeader(last, 1, last - entrySectors, sectors, entries), 0, SECTOR, last * SECTOR);
}

function gptEntry(entries: Buffer, index: number, first: number, last: number, name: string): void {
  const entry = entries.subarray(index * ENTRY_SIZE, (index + 1) * ENTRY_SIZE);
  LINUX_DATA.copy(entry, 0);
  entry.fill(0x11 * (index + 1), 16, 32);
  entry.writeBigUInt64LE(BigInt(first), 32);
  entry.writeBigUInt64LE(BigInt(last), 40);
  entry.write(name, 56, "utf16le");
}

function gptHeader(self: number, other: number, table: number, sectors: number, entries: Buffer): Buffer {
  const header = Buffer.alloc(SECTOR);
  header.write("EFI PART", 0, "latin1");
  header.writeUInt32LE(0x0001_0000, 8);
  header.writeUInt32LE(92, 12);
  header.writeBigUInt64LE(BigInt(self), 24);
  header.writeBigUInt64LE(BigInt(other), 32);
  const entrySectors = entries.length / SECTOR;
  header.writeBigUInt64LE(BigInt(2 + entrySectors), 40);
  header.writeBigUInt64LE(BigInt(sectors - entrySectors - 2), 48);
  header.fill(0xab, 56, 72);
  header.writeBigUInt64LE(BigInt(table), 72);
  header.writeUInt32LE(ENTRY_COUNT, 80);
  header.writeUInt32LE(ENTRY_SIZE, 84);
  header.writeUInt32LE(crc32(entries), 88);
  header.writeUInt32LE(crc32(header.subarray(0, 92)), 16);
  return header;
}
