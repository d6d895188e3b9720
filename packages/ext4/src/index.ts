export { crc32c } from "./checksum/crc32c.js";
export { BlobDevice, type BlobLike, type BlobReader } from "./device/blob.js";
export type { BlockDevice } from "./device/device.js";
export { FileDevice, type FileDeviceOptions, type FileIo } from "./device/file.js";
export { IoLater } from "./device/io-later.js";
export type { IoSequence } from "./device/io-sequence.js";
export { MemoryDevice } from "./device/memory.js";
export { type DeviceEvent, RecordingDevice } from "./device/recording.js";
export { SubRangeDevice } from "./device/sub-range.js";
export type { DirectoryVisitor } from "./dir/directory.js";
export {
  type Clock,
  type Environment,
  type LogLevel,
  type Random,
  systemEnvironment,
  type Timestamp,
} from "./environment.js";
export {
  CorruptionError,
  type CorruptionKind,
  type CorruptionLocation,
  corruptionKinds,
  DeviceError,
  type ErrnoName,
  errno,
  errnoOf,
  FileSystemError,
  isEngineError,
  UnsupportedFeatureError,
} from "./errors.js";
export { type ErrorsOption, FileSystem, type MountOptions, type SurvivalOptions } from "./filesystem.js";
export { compatFeature, featureNames, incompatFeature, roCompatFeature } from "./format/features.js";
export { GroupDescriptorLayout } from "./format/group-descriptor.js";
export { FileType, InodeFlag, InodeLayout, ReservedInode } from "./format/inode.js";
export { DefaultMountOption, SuperblockLayout } from "./format/superblock.js";
export { Inode } from "./inode/inode.js";
export { type IomapMapping, NULL_ADDR } from "./iomap/begin.js";
export type { IomapConfig } from "./iomap/config.js";
export type { ReplayReport } from "./journal/replay.js";
export { type DirectoryEntry, DirectoryListing } from "./library/directory.js";
export { Ext4, type Target } from "./library/ext4.js";
export { Ext4File, type FileExtent } from "./library/file.js";
export { nameToString, stringToName } from "./library/names.js";
export { type ResolveOptions, resolvePath } from "./library/path.js";
export { type FileKind, kindOfEntryType, kindOfMode, type Stats, statsOf } from "./library/stats.js";
export { type RecordedError, type SuperblockInfo, superblockInfo, uuidToString } from "./library/superblock-info.js";
export { type ExtentTree, type ExtentTreeEntry, type ExtentTreeNode, extentTree } from "./map/extent-tree.js";
export { BlockMapping, MappingType } from "./map/mapping.js";
export type { AttributeChanges } from "./namespace/attributes.js";
export type { Creation } from "./namespace/create.js";
export { FallocateMode } from "./namespace/fallocate.js";
export { RenameFlag } from "./namespace/rename.js";
export { orphans } from "./orphan/orphans.js";
export { openPartition, type Partition, type PartitionTable, readPartitions } from "./partition/partitions.js";
export type { FileSystemStatistics } from "./superblock/statfs.js";
export { KeptChanges } from "./survival/kept-changes.js";
export { KeptState } from "./survival/kept-state.js";
export { MOST_NOTE } from "./survival/layout.js";
export { ArrayRegion, type SurvivalRegion } from "./survival/region.js";
export type { Features, Geometry, Volume } from "./volume.js";
