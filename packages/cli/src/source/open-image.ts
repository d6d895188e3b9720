import { Ext4, type MountOptions, systemEnvironment } from "@bulkhead/ext4";
import { openSource, orPartitionChoice, SourceError, type SourceOptions } from "@bulkhead/server/source";
import { CommandError, exitCodeOf, messageOf, report } from "../command-line/errors.js";
import { printable } from "../output/printable.js";
import { type SourceSettings, withDashes } from "./open-disk.js";

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
      const explained = orPartitionChoice(error, device, sourceOptions(path, settings));
      device.close();
      throw explained;
    }
  } catch (error) {
    if (error instanceof SourceError) throw new CommandError(withDashes(error.message));
    throw new CommandError(`${path}: ${withDashes(messageOf(error))}`, exitCodeOf(error));
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
