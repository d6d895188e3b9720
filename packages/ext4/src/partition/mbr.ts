import type { BlockDevice } from "../device/device.js";
import { MBR_ENTRIES_OFFSET, MBR_SIGNATURE, MBR_SIGNATURE_OFFSET, MbrEntryLayout } from "./layouts.js";
import type { Partition } from "./partitions.js";

const BOOT_RECORD_SIZE = 512;
const FIRST_LOGICAL = 5;
/** As in Linux; also ends a chain that runs in a circle. */
const MOST_LOGICAL = 256;

/** Types of the entry that holds the chain of logical partitions: DOS, Windows, Linux. */
const extendedTypes = new Set([0x05, 0x0f, 0x85]);

interface Entry {
  readonly type: number;
  readonly firstSector: number;
  readonly sectorCount: number;
}

/** The partitions of a DOS partition table, undefined when the device has none. */
export function readMbr(device: BlockDevice, sectorSize: number): Partition[] | undefined {
  const entries = readEntries(device, 0);
  if (entries === undefined) return undefined;
  const partitions: Partition[] = [];
  let extended: Entry | undefined;
  entries.forEach((entry, index) => {
    if (entry.type === 0 || entry.sectorCount === 0) return;
    if (extendedTypes.has(entry.type)) extended ??= entry;
    else add(partitions, device, index + 1, entry, 0, sectorSize);
  });
  if (extended !== undefined) readLogical(device, extended.firstSector, sectorSize, partitions);
  return partitions;
}

/** The chain of extended boot records: in each, a partition, and an entry that leads to the next record. */
function readLogical(device: BlockDevice, base: number, sectorSize: number, partitions: Partition[]): void {
  let record = base;
  for (let number = FIRST_LOGICAL; number < FIRST_LOGICAL + MOST_LOGICAL; ) {
    const entries = readEntries(device, record * sectorSize);
    if (entries === undefined) return;
    let next: Entry | undefined;
    for (const entry of entries) {
      if (entry.type === 0 || entry.sectorCount === 0) continue;
      if (extendedTypes.has(entry.type)) next ??= entry;
      else add(partitions, device, number++, entry, record, sectorSize);
    }
    if (next === undefined || next.firstSector === 0) return;
    record = base + next.firstSector;
  }
}

/** The four entries of a boot record; undefined when it is none. */
function readEntries(device: BlockDevice, offset: number): Entry[] | undefined {
  if (offset + BOOT_RECORD_SIZE > device.size) return undefined;
  const record = new Uint8Array(BOOT_RECORD_SIZE);
  device.read(offset, record);
  const view = new DataView(record.buffer);
  if (view.getUint16(MBR_SIGNATURE_OFFSET, true) !== MBR_SIGNATURE) return undefined;
  const entries: Entry[] = [];
  const entry = MbrEntryLayout.at(view, MBR_ENTRIES_OFFSET);
  for (let n = 0; n < 4; n++) {
    entry.at(view, MBR_ENTRIES_OFFSET + n * MbrEntryLayout.size);
    // The boot sector of a FAT or NTFS file system has the signature too, but seldom four plausible status bytes.
    if ((entry.status & 0x7f) !== 0) return undefined;
    entries.push({ type: entry.type, firstSector: entry.firstSector, sectorCount: entry.sectorCount });
  }
  return entries;
}

function add(
  partitions: Partition[],
  device: BlockDevice,
  number: number,
  entry: Entry,
  relativeTo: number,
  sectorSize: number,
): void {
  const offset = (relativeTo + entry.firstSector) * sectorSize;
  if (offset === 0 || offset >= device.size) return;
  const length = Math.min(entry.sectorCount * sectorSize, device.size - offset);
  partitions.push({ number, offset, length, type: `0x${entry.type.toString(16).padStart(2, "0")}`, name: "" });
}
