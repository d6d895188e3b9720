import {
  CorruptionError,
  Ext4,
  isEngineError,
  type MountOptions,
  type Partition,
  readPartitions,
  systemEnvironment,
} from "@bulkhead/ext4";
import { openSource, SourceError, type SourceOptions } from "@bulkhead/server/source";
import type { GivenArguments } from "../command-line/declaration.js";
import { CommandError, exitCodeOf, messageOf, report, UsageError } from "../command-line/errors.js";
import { parseBytes, parseCount } from "../command-line/quantity.js";
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
  const options: MountOptions = {
    loadJournal: !settings.noLoad,
    ...(settings.superblock === undefined ? {} : { superblock: settings.superblock }),
    ...(settings.cacheBytes === undefined ? {} : { cacheBytes: settings.cacheBytes }),
  };
  try {
    const device = openSource(sourceOptions(path, settings));
    try {
      return Ext4.open(device, options, {
        ...systemEnvironment,
        log(level, message) {
          if (level === "warning" || level === "error")
            report(undefined, `${printable(path)}: ${level}: ${printable(message)}`);
        },
      });
    } catch (error) {
      device.close();
      throw error;
    }
  } catch (error) {
    if (error instanceof SourceError) throw new CommandError(error.message);
    const choice = partitionChoice(error, path, settings, (number) => `--partition ${number}`);
    if (choice !== undefined) throw new CommandError(choice);
    throw new CommandError(`${path}: ${messageOf(error)}`, exitCodeOf(error));
  }
}

/** Where in a source the file system is, as `openSource` takes it. */
export function sourceOptions(
  path: string,
  { offset, partition }: Pick<SourceSettings, "offset" | "partition">,
): SourceOptions {
  return {
    path,
    ...(offset === undefined ? {} : { offset }),
    ...(partition === undefined ? {} : { partition }),
  };
}

/** For a source that mounting failed on: a better message, if it has partitions of which one should have been named. */
export function partitionChoiceOf(path: string, settings: SourceSettings): string | undefined {
  try {
    const device = openSource(sourceOptions(path, settings));
    try {
      Ext4.open(device, { loadJournal: false });
    } finally {
      device.close();
    }
  } catch (error) {
    return partitionChoice(error, path, settings, (number) => `-o partition=${number}`);
  }
  return undefined;
}

/** The message for a partitioned source without a file system at its start; undefined for any other. */
function partitionChoice(
  error: unknown,
  path: string,
  settings: SourceSettings,
  option: (number: number) => string,
): string | undefined {
  const isElsewhere = settings.offset !== undefined || settings.partition !== undefined;
  if (isElsewhere || !(error instanceof CorruptionError) || error.kind !== "superblock-magic") return undefined;
  const partitions = partitionsOf(path);
  if (partitions.length === 0) return undefined;
  const lines = partitions.map(({ number, offset, length, name }) => {
    const label = name === "" ? "" : `, ${printable(name)}`;
    return `\n  ${option(number).padEnd(16)} ${formatBytes(length)} at ${offset}${label}`;
  });
  return `${path} starts with a partition table, not with a file system; say which partition is meant:${lines.join("")}`;
}

/** None where there is no table, or a damaged one. */
function partitionsOf(path: string): readonly Partition[] {
  const whole = openSource({ path });
  try {
    return readPartitions(whole)?.partitions ?? [];
  } catch (error) {
    if (!isEngineError(error)) throw error;
    return [];
  } finally {
    whole.close();
  }
}
