import type { BlockDevice } from "../device/device.js";
import { SubRangeDevice } from "../device/sub-range.js";
import { FileSystemError } from "../errors.js";
import { readGpt } from "./gpt.js";
import { readMbr } from "./mbr.js";

/** One partition of a device. */
export interface Partition {
  /** As Linux numbers it: `sda3` has 3. Logical partitions of a DOS table start at 5. */
  readonly number: number;
  /** Bytes from the start of the device. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
  /** GPT: the type's GUID in upper case. DOS: the type byte, `0x83`. */
  readonly type: string;
  /** GPT: the partition's name. DOS: empty. */
  readonly name: string;
}

export interface PartitionTable {
  readonly scheme: "gpt" | "mbr";
  readonly partitions: readonly Partition[];
}

/** Bytes of a logical sector to try, the usual one first. */
const SECTOR_SIZES = [512, 4096];

/**
 * The partition table of a device; undefined when it has none. A GPT whose primary header or table is damaged is read from its
 * backup at the end of the device. Partitions that do not lie inside the device are left out.
 *
 * @throws DeviceError
 */
export function readPartitions(device: BlockDevice): PartitionTable | undefined {
  for (const sectorSize of SECTOR_SIZES) {
    const partitions = readGpt(device, sectorSize);
    if (partitions !== undefined) return { scheme: "gpt", partitions };
  }
  const partitions = readMbr(device, SECTOR_SIZES[0]!);
  return partitions && { scheme: "mbr", partitions };
}

/**
 * One partition as a device.
 *
 * @param number as Linux numbers it, from 1
 * @throws FileSystemError ENXIO when there is no such partition; the message lists those there are
 */
export function openPartition(device: BlockDevice, number: number): SubRangeDevice {
  const table = readPartitions(device);
  const found = table?.partitions.find((partition) => partition.number === number);
  if (found === undefined) {
    const numbers = table?.partitions.map((partition) => partition.number).join(", ");
    throw new FileSystemError(
      "ENXIO",
      table === undefined
        ? "the device has no partition table"
        : `there is no partition ${number}${numbers ? `; there are ${numbers}` : ""}`,
    );
  }
  return new SubRangeDevice(device, found.offset, found.length);
}
