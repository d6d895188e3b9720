import { type BlockDevice, CorruptionError, isEngineError, type Partition, readPartitions } from "@bulkhead/ext4";
import { SourceError, type SourceOptions } from "./descriptor.js";

/**
 * What a failure to open a file system means where the source is a whole disk and nobody said which of its partitions to take: that,
 * with those that there are. Any other failure is returned as it is.
 */
export function orPartitionChoice(error: unknown, device: BlockDevice, source: SourceOptions): unknown {
  if (!(error instanceof CorruptionError) || error.kind !== "superblock-magic") return error;
  if (source.offset !== undefined || source.partition !== undefined) return error;
  const choices = partitionsOf(device).map(({ number, offset, length, name }) => {
    const label = name === "" ? "" : `, ${name.replaceAll(/[^\x20-\x7e]/g, "?")}`;
    return `${number} (${Math.ceil(length / 1024)} KiB at ${offset}${label})`;
  });
  if (choices.length === 0) return error;
  return new SourceError(
    `${source.path} starts with a partition table, not with a file system; say which is meant by partition=N: ${choices.join(", ")}`,
  );
}

/** None where there is no table, or a damaged one. */
function partitionsOf(device: BlockDevice): readonly Partition[] {
  try {
    return readPartitions(device)?.partitions ?? [];
  } catch (error) {
    if (!isEngineError(error)) throw error;
    return [];
  }
}
