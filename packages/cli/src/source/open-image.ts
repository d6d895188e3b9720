import * as fs from "node:fs";
import {
  type BlockDevice,
  CorruptionError,
  Ext4,
  FileDevice,
  type MountOptions,
  openPartition,
  type Partition,
  readPartitions,
  SubRangeDevice,
  systemEnvironment,
} from "@bulkhead/ext4";
import type { GivenArguments } from "../command-line/declaration.js";
import { CommandError, exitCodeOf, messageOf, report, UsageError } from "../command-line/errors.js";
import { parseBytes, parseCount } from "../command-line/quantity.js";
import { reasonOf } from "../command-line/reason.js";
import { formatBytes } from "../output/format.js";
import { printable } from "../output/printable.js";

/** Where in a source the file system is, and how to open it. */
export interface SourceSettings {
  readonly offset?: number | undefined;
  readonly partition?: number | undefined;
  /** Place of the superblock in units of 1 KiB. */
  readonly superblock?: number | undefined;
  readonly noLoad: boolean;
  readonly cacheBytes?: number | undefined;
}

const SECTOR = 512;

/** Reads the options that every command without a mount has. @throws UsageError */
export function sourceSettings(given: GivenArguments): SourceSettings {
  const offset = given.value("offset");
  const partition = given.value("partition");
  const superblock = given.value("sb");
  const cache = given.value("cache-size");
  if (offset !== undefined && partition !== undefined)
    throw new UsageError("--offset and --partition exclude each other");
  return {
    offset: offset === undefined ? undefined : parseBytes(offset, "--offset"),
    partition: partition === undefined ? undefined : parseCount(partition, "--partition", 1),
    superblock: superblock === undefined ? undefined : parseCount(superblock, "--sb", 1),
    noLoad: given.flag("noload"),
    cacheBytes: cache === undefined ? undefined : parseBytes(cache, "--cache-size"),
  };
}

/**
 * Opens the file system in an image or on a device, read-only. Warnings go to standard error.
 *
 * @throws CommandError with a line that says what to do
 */
export function openImage(path: string, settings: SourceSettings): Ext4 {
  const whole = openDevice(path);
  try {
    const device = within(whole, path, settings);
    const options: MountOptions = {
      loadJournal: !settings.noLoad,
      ...(settings.superblock === undefined ? {} : { superblock: settings.superblock }),
      ...(settings.cacheBytes === undefined ? {} : { cacheBytes: settings.cacheBytes }),
    };
    return Ext4.open(device, options, {
      ...systemEnvironment,
      log(level, message) {
        if (level === "warning" || level === "error")
          report(undefined, `${printable(path)}: ${level}: ${printable(message)}`);
      },
    });
  } catch (error) {
    const choice = partitionChoice(error, whole, path, settings, (number) => `--partition ${number}`);
    whole.close();
    if (error instanceof CommandError) throw error;
    throw new CommandError(choice ?? `${path}: ${messageOf(error)}`, exitCodeOf(error));
  }
}

/** For a source that mounting failed on: a better message, if it has partitions of which one should have been named. */
export function partitionChoiceOf(path: string, settings: SourceSettings): string | undefined {
  let whole: FileDevice | undefined;
  try {
    whole = openDevice(path);
    Ext4.open(within(whole, path, settings), { loadJournal: false });
  } catch (error) {
    if (whole !== undefined) return partitionChoice(error, whole, path, settings, (number) => `-o partition=${number}`);
  } finally {
    whole?.close();
  }
  return undefined;
}

function openDevice(path: string): FileDevice {
  let fd: number;
  try {
    fd = fs.openSync(path, fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0)); // a fifo must not make us wait
  } catch (error) {
    throw new CommandError(`cannot open ${path}: ${reasonOf(error)}`);
  }
  try {
    const stat = fs.fstatSync(fd);
    if (stat.isFile()) return new FileDevice(fs, fd);
    if (stat.isBlockDevice()) return new FileDevice(fs, fd, { size: blockDeviceSize(stat.rdev) });
    throw new CommandError(`${path} is neither a file nor a block device`);
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
}

/** Bytes; sysfs tells the size of a block device without an ioctl. */
function blockDeviceSize(rdev: number): number {
  const major = ((rdev >>> 8) & 0xfff) | (Math.floor(rdev / 2 ** 32) & ~0xfff);
  const minor = (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
  return Number(fs.readFileSync(`/sys/dev/block/${major}:${minor}/size`, "latin1")) * SECTOR;
}

function within(device: FileDevice, path: string, { offset = 0, partition }: SourceSettings): BlockDevice {
  if (partition !== undefined) {
    const there = partitionsOf(device).map(({ number }) => number);
    if (there.length === 0) throw new CommandError(`${path} has no partition table`);
    if (!there.includes(partition))
      throw new CommandError(`${path} has no partition ${partition}; there are ${there.join(", ")}`);
    return openPartition(device, partition);
  }
  if (offset >= device.size) throw new CommandError(`${path} ends at ${device.size}, before offset ${offset}`);
  return offset === 0 ? device : new SubRangeDevice(device, offset, device.size - offset);
}

/** The message for a partitioned source without a file system at its start; undefined for any other. */
function partitionChoice(
  error: unknown,
  whole: FileDevice,
  path: string,
  settings: SourceSettings,
  option: (number: number) => string,
): string | undefined {
  const isElsewhere = settings.offset !== undefined || settings.partition !== undefined;
  if (isElsewhere || !(error instanceof CorruptionError) || error.kind !== "superblock-magic") return undefined;
  const partitions = partitionsUnlessDamaged(whole);
  if (partitions.length === 0) return undefined;
  const lines = partitions.map(({ number, offset, length, name }) => {
    const label = name === "" ? "" : `, ${printable(name)}`;
    return `\n  ${option(number).padEnd(16)} ${formatBytes(length)} at ${offset}${label}`;
  });
  return `${path} starts with a partition table, not with a file system; say which partition is meant:${lines.join("")}`;
}

function partitionsOf(device: FileDevice): readonly Partition[] {
  return readPartitions(device)?.partitions ?? [];
}

function partitionsUnlessDamaged(device: FileDevice): readonly Partition[] {
  try {
    return partitionsOf(device);
  } catch {
    return [];
  }
}
