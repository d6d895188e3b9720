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
import { CommandError, exitCodeOf, messageOf, report } from "../command-line/errors.js";
import { formatBytes } from "../output/format.js";
import { printable } from "../output/printable.js";
import type { SourceSettings } from "./open-disk.js";

/**
 * Opens the file system in an image or on a device with the engine itself, read-only: for what only that tells. Warnings go to standard error.
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
    const choice = partitionChoice(error, path, settings);
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
  option?: (number: number) => string,
): string | undefined {
  if (!(error instanceof CorruptionError) || error.kind !== "superblock-magic") return undefined;
  return partitionsToChoose(path, settings, option);
}

/** The message that lists the partitions of a source, of which none was named; undefined where there are none. */
export function partitionsToChoose(
  path: string,
  settings: Pick<SourceSettings, "offset" | "partition">,
  option: (number: number) => string = (number) => `--partition ${number}`,
): string | undefined {
  if (settings.offset !== undefined || settings.partition !== undefined) return undefined;
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
