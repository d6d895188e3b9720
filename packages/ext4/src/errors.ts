/** Every way the bytes of an image can be wrong. The text says which rule the format states. */
export const corruptionKinds = {
  "superblock-magic": "the superblock's magic number is 0xEF53",
  "superblock-checksum": "the superblock's checksum matches its contents",
  "superblock-geometry": "sizes and counts in the superblock agree with each other and with the device",
  "group-descriptor-checksum": "a group descriptor's checksum matches its contents",
  "block-bitmap": "a group's block bitmap matches its descriptor, and what is freed was in use",
  "inode-bitmap": "a group's inode bitmap matches its checksum, and what is freed was in use",
  "group-descriptor-location": "bitmaps and inode tables lie inside the file system, in blocks of their own",
  "block-range": "a block number lies inside the file system and outside its fixed metadata",
  "inode-number": "an inode number lies between 1 and the inode count",
  "inode-checksum": "an inode's checksum matches its contents",
  "inode-deleted": "a directory entry names an inode that is in use",
  "inode-geometry": "sizes in the inode agree with each other and with the file system",
  "inode-type": "the mode names a file type, and its contents fit the type",
  "extent-header": "an extent block starts with a header whose magic, depth and entry counts are right",
  "extent-checksum": "an extent block's checksum matches its contents",
  "extent-order": "extents are sorted, disjoint and inside the range that their parent covers",
  "extent-range": "an extent's blocks lie inside the file system",
  "extent-cycle": "an extent tree is a tree",
  "indirect-range": "an indirect block's entries lie inside the file system",
  "indirect-cycle": "a chain of indirect blocks does not meet itself",
  "inline-data": "inline data fits the inode",
  "directory-entry": "a directory entry's length, name and inode number are in range",
  "directory-checksum": "a directory block's checksum matches its contents",
  "directory-hole": "a directory has no holes",
  "htree-header": "a directory index's header, limits and hash version are right",
  "htree-order": "hashes in a directory index are sorted and its blocks in range",
  "htree-checksum": "a directory index block's checksum matches its contents",
  "htree-cycle": "a directory index is a tree",
  "xattr-header": "an extended attribute block's header is right",
  "xattr-checksum": "an extended attribute block's checksum matches its contents",
  "xattr-entry": "an extended attribute's name and value lie inside their space",
  "xattr-value-inode": "an extended attribute's value inode is of the right kind, size and hash",
  "acl-format": "a stored ACL has the right version and entries",
  "symlink-target": "a symbolic link's target is between 1 byte and one block long",
  "journal-superblock": "the journal's superblock is right",
  "journal-inode": "the journal's inode is a regular file big enough for a journal",
  "journal-block": "a block of the journal is what its header says, and its tags stay inside the file system",
  "journal-checksum": "a journal block's checksum matches its contents",
  "quota-file": "a quota file's header, tree and lists are right",
  mmp: "the block of multi-mount protection is right",
  "orphan-list": "the list of orphaned inodes ends",
} as const;

export type CorruptionKind = keyof typeof corruptionKinds;

/** Where the evidence lies; what is known of it. */
export interface CorruptionLocation {
  /** Block number in the file system. */
  readonly block?: number;
  /** Inode number. */
  readonly inode?: number;
  /** Block group. */
  readonly group?: number;
  /** Byte offset in the structure or block. */
  readonly offset?: number;
  /** Block number in the file or directory. */
  readonly fileBlock?: number;
}

/** The image breaks a rule of the format. Answered to system calls as EUCLEAN. */
export class CorruptionError extends Error {
  readonly code = "ERR_EXT4_CORRUPT";
  readonly kind: CorruptionKind;
  readonly location: CorruptionLocation;
  /** What was found. */
  readonly evidence: string;

  constructor(kind: CorruptionKind, location: CorruptionLocation, evidence: string) {
    const where = Object.entries(location).map(([key, value]) => `${key} ${value}`);
    super(
      `corrupt: ${evidence}${where.length > 0 ? ` (${where.join(", ")})` : ""}; the rule: ${corruptionKinds[kind]}`,
    );
    this.name = "CorruptionError";
    this.kind = kind;
    this.location = location;
    this.evidence = evidence;
  }
}

/** The image is valid and uses what this version cannot do, or it is of another format that is known. */
export class UnsupportedFeatureError extends Error {
  readonly code = "ERR_EXT4_UNSUPPORTED";
  /** Names as dumpe2fs prints them, or FEATURE_I17-style ones for bits nobody has named. */
  readonly features: readonly string[];

  constructor(features: readonly string[], message: string) {
    super(message);
    this.name = "UnsupportedFeatureError";
    this.features = features;
  }
}

/** A device failed or ended early. */
export class DeviceError extends Error {
  readonly code = "ERR_EXT4_DEVICE";
  /** Byte offset of the failed access on the device. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;

  constructor(operation: "read" | "write" | "flush" | "discard", offset: number, length: number, cause: unknown) {
    super(`device ${operation} of ${length} bytes at ${offset} failed: ${reasonOf(cause)}`, { cause });
    this.name = "DeviceError";
    this.offset = offset;
    this.length = length;
  }
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const isFull = "code" in cause && cause.code === "ENOSPC";
  return isFull ? `${cause.message}: what the image lies on is full, not the file system in it` : cause.message;
}

/** Linux errno values that operations return, by name. */
export const errno = {
  EPERM: 1,
  ENOENT: 2,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  EAGAIN: 11,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  EMLINK: 31,
  ERANGE: 34,
  ENAMETOOLONG: 36,
  ENOTEMPTY: 39,
  ELOOP: 40,
  ENODATA: 61,
  EOPNOTSUPP: 95,
  ESTALE: 116,
  EUCLEAN: 117,
  EDQUOT: 122,
  ENOKEY: 126,
} as const;

export type ErrnoName = keyof typeof errno;

/** The caller asked for what cannot be: a name that is not there, a directory where a file is needed. */
export class FileSystemError extends Error {
  /** The errno's name. */
  readonly code: ErrnoName;
  readonly errno: number;

  constructor(code: ErrnoName, message: string) {
    super(`${code}: ${message}`);
    this.name = "FileSystemError";
    this.code = code;
    this.errno = errno[code];
  }
}

/** Whether an error is about the image, the device or the caller. Anything else is a mistake of ours, and nobody may hide it. */
export function isEngineError(error: unknown): boolean {
  return (
    error instanceof CorruptionError ||
    error instanceof DeviceError ||
    error instanceof FileSystemError ||
    error instanceof UnsupportedFeatureError
  );
}

/** The errno (positive) that a system call answers an error with. An error that is none of the engine's is EIO. */
export function errnoOf(error: unknown): number {
  if (error instanceof FileSystemError) return error.errno;
  if (error instanceof CorruptionError) return errno.EUCLEAN;
  if (error instanceof UnsupportedFeatureError) return errno.EOPNOTSUPP;
  return errno.EIO;
}
