// Oracle: partx of util-linux.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, describe, it } from "node:test";
import { crc32 } from "../../src/checksum/crc32.js";
import { MemoryDevice } from "../../src/device/memory.js";
import { FileSystemError } from "../../src/errors.js";
import { openPartition, readPartitions } from "../../src/partition/partitions.js";
import { ImageDirectory, missingTool, run } from "../images.js";

const SECTOR = 512;
const SECTORS = 40_960;
const LINUX_GUID = Buffer.from("AF3DC60F838472478E793D69D8477DE4", "hex");

/** A disk with a GPT: entries as [number, first sector, last sector, name]. */
function gptDisk(entries: ReadonlyArray<readonly [number, number, number, string]>): Buffer {
  const disk = Buffer.alloc(SECTORS * SECTOR);
  mbrEntry(disk, 0, 0, 0xee, 1, SECTORS - 1);
  disk.writeUInt16LE(0xaa55, 510);
  const table = Buffer.alloc(128 * 128);
  for (const [number, first, last, name] of entries) {
    const at = (number - 1) * 128;
    LINUX_GUID.copy(table, at);
    Buffer.from("0123456789abcdef").copy(table, at + 16);
    table.writeUInt8(number, at + 31);
    table.writeBigUInt64LE(BigInt(first), at + 32);
    table.writeBigUInt64LE(BigInt(last), at + 40);
    table.write(name, at + 56, "utf16le");
  }
  const copies = [
    [1, 2, SECTORS - 1],
    [SECTORS - 1, SECTORS - 33, 1],
  ] as const;
  for (const [lba, tableLba, otherLba] of copies) {
    const header = disk.subarray(lba * SECTOR, lba * SECTOR + 92);
    header.write("EFI PART", "latin1");
    header.writeUInt32LE(0x10000, 8);
    header.writeUInt32LE(92, 12);
    header.writeBigUInt64LE(BigInt(lba), 24);
    header.writeBigUInt64LE(BigInt(otherLba), 32);
    header.writeBigUInt64LE(34n, 40);
    header.writeBigUInt64LE(BigInt(SECTORS - 34), 48);
    header.writeBigUInt64LE(BigInt(tableLba), 72);
    header.writeUInt32LE(128, 80);
    header.writeUInt32LE(128, 84);
    header.writeUInt32LE(crc32(table), 88);
    header.writeUInt32LE(crc32(header), 16);
    table.copy(disk, tableLba * SECTOR);
  }
  return disk;
}

function mbrEntry(disk: Buffer, record: number, index: number, type: number, first: number, count: number): void {
  const at = record * SECTOR + 446 + index * 16;
  disk.writeUInt8(type, at + 4);
  disk.writeUInt32LE(first, at + 8);
  disk.writeUInt32LE(count, at + 12);
}

/** A disk with primary partitions 1 and 3, an extended one as number 2, and logical ones at the given sectors. */
function mbrDisk(logical: ReadonlyArray<number>, extendedType = 0x05): Buffer {
  const disk = Buffer.alloc(SECTORS * SECTOR);
  mbrEntry(disk, 0, 0, 0x83, 64, 1000);
  mbrEntry(disk, 0, 2, 0x0c, 2000, 3000);
  if (logical.length > 0) mbrEntry(disk, 0, 1, extendedType, 8192, 32_000);
  disk.writeUInt16LE(0xaa55, 510);
  logical.forEach((record, index) => {
    mbrEntry(disk, record, 0, 0x83, 16, 200 + index);
    const next = logical[index + 1];
    if (next !== undefined) mbrEntry(disk, record, 1, 0x05, next - 8192, 300);
    disk.writeUInt16LE(0xaa55, record * SECTOR + 510);
  });
  return disk;
}

function ours(disk: Buffer): Array<[number, number, number]> {
  const table = readPartitions(new MemoryDevice(disk));
  return (table?.partitions ?? []).map(({ number, offset, length }) => [number, offset / SECTOR, length / SECTOR]);
}

describe("partition tables", () => {
  const images = new ImageDirectory();
  after(() => images.remove());

  /** What partx finds; it lists an extended partition too, which holds no file system. */
  function partx(disk: Buffer): Array<[number, number, number]> {
    const path = images.file("disk");
    fs.writeFileSync(path, disk);
    const lines = run("partx", ["--show", "--noheadings", "-o", "NR,START,SECTORS,TYPE", path]).trim().split("\n");
    return lines
      .map((line) => line.trim().split(/ +/))
      .filter(([, , , type]) => !["0x5", "0x85"].includes(type!))
      .map(([number, start, sectors]) => [Number(number), Number(start), Number(sectors)]);
  }

  const disks: ReadonlyArray<readonly [name: string, disk: () => Buffer]> = [
    [
      "GPT",
      () =>
        gptDisk([
          [1, 34, 2047, "boot"],
          [2, 2048, 30_000, "Größe"],
          [128, 30_001, 30_001, ""],
        ]),
    ],
    ["DOS, primary only", () => mbrDisk([])],
    ["DOS with logical partitions", () => mbrDisk([8192, 9000, 10_000, 12_000])],
    ["DOS, extended for Linux", () => mbrDisk([8192, 20_000], 0x85)],
  ];
  for (const [name, disk] of disks) {
    it(`are read as partx reads them: ${name}`, { skip: missingTool("partx") ?? false }, () => {
      const truth = partx(disk());
      assert.ok(truth.length > 0);
      assert.deepEqual(ours(disk()), truth);
    });
  }

  it("of GPT come from the backup when the primary header or table is damaged, and are none when both are", () => {
    const pristine = gptDisk([[3, 4096, 8191, "root"]]);
    for (const at of [SECTOR, SECTOR + 40, 2 * SECTOR + 2 * 128 + 32]) {
      const disk = Buffer.from(pristine);
      disk[at]! ^= 1;
      assert.deepEqual(ours(disk), [[3, 4096, 4096]], `byte ${at}`);
      disk[(SECTORS - 1) * SECTOR + 20]! ^= 1;
      assert.equal(readPartitions(new MemoryDevice(disk))?.scheme, "mbr");
    }
    const [partition] = readPartitions(new MemoryDevice(pristine))!.partitions;
    assert.deepEqual(partition, {
      number: 3,
      offset: 4096 * SECTOR,
      length: 4096 * SECTOR,
      type: "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
      name: "root",
    });
  });

  it("that run in a circle or out of the device end", () => {
    const circle = mbrDisk([8192, 9000]);
    mbrEntry(circle, 9000, 1, 0x05, 808, 300);
    assert.ok(ours(circle).length <= 258);
    const outside = mbrDisk([8192]);
    mbrEntry(outside, 8192, 1, 0x05, 0xffff_0000, 300);
    mbrEntry(outside, 0, 2, 0x83, 0xffff_fff0, 0xffff_ffff);
    assert.deepEqual(ours(outside), [
      [1, 64, 1000],
      [5, 8208, 200],
    ]);
  });

  it("whatever single byte is wrong give a list of ranges inside the device", () => {
    for (const pristine of [gptDisk([[1, 34, 2047, "boot"]]), mbrDisk([8192, 9000])]) {
      for (let at = 446; at < 3 * SECTOR; at++) {
        const disk = Buffer.from(pristine.subarray(0, 9100 * SECTOR));
        disk[at] = 0xff;
        for (const { offset, length } of readPartitions(new MemoryDevice(disk))?.partitions ?? []) {
          assert.ok(offset > 0 && length > 0 && offset + length <= disk.length);
        }
        at += at < 600 ? 0 : 7;
      }
    }
  });

  it("open one partition as a device, and say which there are when asked for another", () => {
    const disk = gptDisk([[2, 100, 199, ""]]);
    disk.fill(0x5a, 100 * SECTOR, 200 * SECTOR);
    const device = openPartition(new MemoryDevice(disk), 2);
    const bytes = new Uint8Array(device.size);
    device.read(0, bytes);
    assert.equal(bytes.length, 100 * SECTOR);
    assert.ok(bytes.every((byte) => byte === 0x5a));
    assert.throws(
      () => openPartition(new MemoryDevice(disk), 1),
      (error: unknown) =>
        error instanceof FileSystemError && error.code === "ENXIO" && /there are 2/.test(error.message),
    );
    assert.throws(() => openPartition(new MemoryDevice(new Uint8Array(9000)), 1), { code: "ENXIO" });
  });
});
