import type { FileSystem } from "../filesystem.js";
import { featureNames } from "../format/features.js";
import { CREATOR_OS_HURD, SuperblockFlag, SuperblockState, type SuperblockView } from "../format/superblock.js";
import { orphans } from "../orphan/orphans.js";
import { nameToString } from "./names.js";

/** One remembered error (s_first_error_*, s_last_error_*). */
export interface RecordedError {
  /** Seconds since 1970. */
  readonly time: number;
  readonly function: string;
  readonly line: number;
  readonly inode: number;
  readonly block: number;
}

/** The superblock as plain data that JSON can hold. Times are seconds since 1970, 0 for never. */
export interface SuperblockInfo {
  readonly uuid: string;
  readonly label: string;
  readonly lastMounted: string;
  readonly revision: number;
  readonly features: { readonly compat: string[]; readonly incompat: string[]; readonly roCompat: string[] };
  readonly flags: string[];
  /** `clean`, `not clean`, `clean with errors`, `not clean with errors`, as dumpe2fs says. */
  readonly state: string;
  readonly needsRecovery: boolean;
  readonly errorsBehaviour: "continue" | "remount-ro" | "panic";
  readonly creatorOs: string;
  /** Bytes. */
  readonly blockSize: number;
  /** Bytes. */
  readonly clusterSize: number;
  readonly blockCount: number;
  readonly reservedBlockCount: number;
  readonly freeBlockCount: number;
  /** Blocks that the file system's own structures take, as the superblock has it; 0 when it does not say. */
  readonly overheadClusters: number;
  readonly firstBlock: number;
  readonly blocksPerGroup: number;
  readonly clustersPerGroup: number;
  readonly groupCount: number;
  readonly descriptorSize: number;
  readonly reservedDescriptorBlocks: number;
  readonly flexGroupSize: number;
  readonly inodeCount: number;
  readonly freeInodeCount: number;
  readonly inodesPerGroup: number;
  readonly inodeTableBlocksPerGroup: number;
  readonly firstInode: number;
  /** Bytes. */
  readonly inodeSize: number;
  readonly requiredExtraInodeSize: number;
  readonly desiredExtraInodeSize: number;
  readonly createdTime: number;
  readonly mountTime: number;
  readonly writeTime: number;
  readonly checkTime: number;
  /** Seconds; 0 for never. */
  readonly checkInterval: number;
  readonly mountCount: number;
  /** -1 for no limit. */
  readonly maximumMountCount: number;
  readonly lifetimeKibWritten: number;
  readonly reservedUid: number;
  readonly reservedGid: number;
  readonly raidStride: number;
  readonly raidStripeWidth: number;
  readonly journal:
    | { readonly inode: number; readonly uuid: string; readonly device: number; readonly blocks: number | undefined }
    | undefined;
  readonly quotaInodes: { readonly user: number; readonly group: number; readonly project: number };
  readonly orphanFileInode: number;
  readonly lastOrphan: number;
  readonly hash: { readonly version: string; readonly seed: string };
  readonly checksum: { readonly type: string; readonly value: number; readonly seed: number } | undefined;
  readonly mmp: { readonly block: number; readonly interval: number } | undefined;
  readonly encoding: { readonly name: string; readonly strict: boolean } | undefined;
  readonly errorCount: number;
  readonly firstError: RecordedError | undefined;
  readonly lastError: RecordedError | undefined;
  /** What the replay of the journal found, when there was one. */
  readonly replay:
    | {
        readonly transactions: number;
        readonly blocks: number;
        readonly revoked: number;
        readonly fastCommits: number;
        /** Why fast commits were left out; undefined if none were. */
        readonly fastCommitsStopped: string | undefined;
      }
    | undefined;
  /**
   * Files that had no name left but were open, or were being truncated, when the system stopped; undefined when their list is
   * damaged. A mount for writing frees what they hold.
   */
  readonly orphanCount: number | undefined;
}

const hashVersions = ["legacy", "half_md4", "tea", "legacy_unsigned", "half_md4_unsigned", "tea_unsigned", "siphash"];
const creators = ["Linux", "GNU/Hurd", "Masix", "FreeBSD", "Lites"];

/** Reads the superblock in memory into plain data. */
export function superblockInfo(fs: FileSystem): SuperblockInfo {
  const { superblock, geometry, features, replay } = fs;
  const wide = features.is64Bit;
  const count = (low: number, high: number) => low + (wide ? high * 0x1_0000_0000 : 0);
  return {
    uuid: uuidToString(superblock.uuid),
    label: text(superblock.volumeName),
    lastMounted: text(superblock.lastMounted),
    revision: superblock.revLevel,
    features: {
      compat: featureNames("compat", features.compat),
      incompat: featureNames("incompat", superblock.featureIncompat),
      roCompat: featureNames("ro_compat", features.roCompat),
    },
    flags: flagNames(superblock.flags),
    state: stateOf(superblock.state),
    needsRecovery: featureNames("incompat", superblock.featureIncompat).includes("needs_recovery"),
    errorsBehaviour: superblock.errors === 3 ? "panic" : superblock.errors === 2 ? "remount-ro" : "continue",
    creatorOs: creators[superblock.creatorOs] ?? (superblock.creatorOs === CREATOR_OS_HURD ? "GNU/Hurd" : "unknown"),
    blockSize: geometry.blockSize,
    clusterSize: geometry.clusterSize,
    blockCount: geometry.blockCount,
    reservedBlockCount: count(superblock.reservedBlocksCountLo, superblock.reservedBlocksCountHi),
    freeBlockCount: count(superblock.freeBlocksCountLo, superblock.freeBlocksCountHi),
    overheadClusters: superblock.overheadClusters,
    firstBlock: geometry.firstDataBlock,
    blocksPerGroup: geometry.blocksPerGroup,
    clustersPerGroup: geometry.clustersPerGroup,
    groupCount: geometry.groupCount,
    descriptorSize: geometry.descriptorSize,
    reservedDescriptorBlocks: superblock.reservedGdtBlocks,
    flexGroupSize: superblock.logGroupsPerFlex < 32 ? 2 ** superblock.logGroupsPerFlex : 0,
    inodeCount: geometry.inodeCount,
    freeInodeCount: superblock.freeInodesCount,
    inodesPerGroup: geometry.inodesPerGroup,
    inodeTableBlocksPerGroup: geometry.inodeTableBlocks,
    firstInode: geometry.firstInode,
    inodeSize: geometry.inodeSize,
    requiredExtraInodeSize: superblock.minExtraInodeSize,
    desiredExtraInodeSize: superblock.wantExtraInodeSize,
    createdTime: time(superblock.mkfsTime, superblock.mkfsTimeHi),
    mountTime: time(superblock.mountTime, superblock.mountTimeHi),
    writeTime: time(superblock.writeTime, superblock.writeTimeHi),
    checkTime: time(superblock.lastCheck, superblock.lastCheckHi),
    checkInterval: superblock.checkInterval,
    mountCount: superblock.mountCount,
    maximumMountCount:
      superblock.maxMountCount >= 0x8000 ? superblock.maxMountCount - 0x1_0000 : superblock.maxMountCount,
    lifetimeKibWritten: superblock.kbytesWritten,
    reservedUid: superblock.defaultResuid,
    reservedGid: superblock.defaultResgid,
    raidStride: superblock.raidStride,
    raidStripeWidth: superblock.raidStripeWidth,
    journal: features.hasJournal
      ? {
          inode: superblock.journalInode,
          uuid: uuidToString(superblock.journalUuid),
          device: superblock.journalDevice,
          blocks: journalBlocks(fs),
        }
      : undefined,
    quotaInodes: {
      user: superblock.userQuotaInode,
      group: superblock.groupQuotaInode,
      project: superblock.projectQuotaInode,
    },
    orphanFileInode: superblock.orphanFileInode,
    lastOrphan: superblock.lastOrphan,
    hash: {
      version: hashVersions[superblock.defaultHashVersion] ?? `unknown (${superblock.defaultHashVersion})`,
      seed: uuidToString(superblock.hashSeed),
    },
    checksum: features.metadataCsum
      ? { type: "crc32c", value: superblock.checksum, seed: fs.volume.checksumSeed }
      : undefined,
    mmp: superblock.mmpBlock !== 0 ? { block: superblock.mmpBlock, interval: superblock.mmpUpdateInterval } : undefined,
    encoding: features.casefold
      ? {
          name: superblock.encoding === 1 ? "utf8-12.1" : `unknown (${superblock.encoding})`,
          strict: (superblock.encodingFlags & 1) !== 0,
        }
      : undefined,
    errorCount: superblock.errorCount,
    firstError: firstErrorOf(superblock),
    lastError: lastErrorOf(superblock),
    replay: replay && {
      transactions: replay.transactions,
      blocks: replay.blocks,
      revoked: replay.revoked,
      fastCommits: replay.fastCommits,
      fastCommitsStopped: replay.fastCommitsStopped,
    },
    orphanCount: orphanCount(fs),
  };
}

function orphanCount(fs: FileSystem): number | undefined {
  try {
    return orphans(fs.volume).length;
  } catch {
    return undefined;
  }
}

function journalBlocks(fs: FileSystem): number | undefined {
  const { journalInode } = fs.superblock;
  if (journalInode === 0) return undefined;
  try {
    return Math.floor(fs.inode(journalInode).size / fs.geometry.blockSize);
  } catch {
    return undefined;
  }
}

function firstErrorOf(superblock: SuperblockView): RecordedError | undefined {
  const at = time(superblock.firstErrorTime, superblock.firstErrorTimeHi);
  if (at === 0) return undefined;
  return {
    time: at,
    function: text(superblock.firstErrorFunction),
    line: superblock.firstErrorLine,
    inode: superblock.firstErrorInode,
    block: superblock.firstErrorBlock,
  };
}

function lastErrorOf(superblock: SuperblockView): RecordedError | undefined {
  const at = time(superblock.lastErrorTime, superblock.lastErrorTimeHi);
  if (at === 0) return undefined;
  return {
    time: at,
    function: text(superblock.lastErrorFunction),
    line: superblock.lastErrorLine,
    inode: superblock.lastErrorInode,
    block: superblock.lastErrorBlock,
  };
}

function time(low: number, high: number): number {
  return low + high * 0x1_0000_0000;
}

/** A field that a NUL ends early. */
function text(field: Uint8Array): string {
  const end = field.indexOf(0);
  return nameToString(end < 0 ? field : field.subarray(0, end));
}

function stateOf(state: number): string {
  const clean = state & SuperblockState.valid ? "clean" : "not clean";
  return state & SuperblockState.error ? `${clean} with errors` : clean;
}

function flagNames(flags: number): string[] {
  const names: string[] = [];
  if (flags & SuperblockFlag.signedHash) names.push("signed_directory_hash");
  if (flags & SuperblockFlag.unsignedHash) names.push("unsigned_directory_hash");
  if (flags & SuperblockFlag.testFilesystem) names.push("test_filesystem");
  return names;
}

/** A UUID in its usual form. */
export function uuidToString(uuid: Uint8Array): string {
  const hex = Array.from(uuid, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");
}
