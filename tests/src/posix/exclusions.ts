/**
 * What Linux's FUSE cannot carry, whatever its server does: cases that our mount is not asked, each with what the kernel
 * does instead. Where a part of a behaviour does reach the server, another case asks for that part.
 */
import { way } from "../mount/ways.js";

const NO_SHIFTING = "fuse_file_fallocate() answers EOPNOTSUPP to COLLAPSE_RANGE and INSERT_RANGE and asks nobody";
const NOT_ASKED =
  "with the writeback cache, write(2) ends in the page cache: the server is not asked before, only told later";
const LOCAL_TIMES =
  "with the writeback cache, FUSE keeps mtime and ctime of regular files itself and ignores the server's";
const HOLES_NOT_SOUGHT =
  "fuse_lseek() asks before what its writeback cache holds is written, so that data would be called a hole: LSEEK is ENOSYS, " +
  "and everything counts as data";
const OPENED_UNASKED =
  "the kernel opens without asking (OPEN is ENOSYS, for all files at once) and knows no flags of FUSE's inodes; " +
  "the writes themselves are refused";

const EXCLUSIONS: Readonly<Record<string, string>> = {
  "fallocate: COLLAPSE_RANGE takes blocks out": NO_SHIFTING,
  "fallocate: COLLAPSE_RANGE at the start": NO_SHIFTING,
  "fallocate: COLLAPSE_RANGE of a hole": NO_SHIFTING,
  "fallocate: INSERT_RANGE puts a hole in": NO_SHIFTING,
  "fallocate: INSERT_RANGE at the start": NO_SHIFTING,
  "fallocate: INSERT_RANGE and COLLAPSE_RANGE undo each other": NO_SHIFTING,
  "fallocate: EINVAL for what is not whole blocks": NO_SHIFTING,
  "fallocate: EINVAL for a range that reaches the end": NO_SHIFTING,
  "fallocate: EFBIG for INSERT_RANGE beyond the longest file": NO_SHIFTING,
  "size: EFBIG for a write that begins beyond the longest file, and one that ends there is short": NOT_ASKED,
  "immutable and append-only: EPERM for writing to an immutable file through a descriptor from before": NOT_ASKED,
  "utimensat: takes the nearest modification time it can keep": `${LOCAL_TIMES}; it knows no range of times`,
  "times: SETFLAGS changes ctime": LOCAL_TIMES,
  "times: setxattr of what is there changes no time of a file": `${LOCAL_TIMES}; it changes ctime itself`,
  "times: truncate to the same size changes mtime and ctime": `${LOCAL_TIMES}; it changes them only when the size does`,
  "times: reading changes atime, when it is no later than mtime":
    "what the page cache holds is read without the server",
  "SETFLAGS: statx shows immutable, append-only and nodump":
    "Linux 6.18's fuse_do_statx() takes basic fields and the time of birth alone",
  "lseek: SEEK_DATA and SEEK_HOLE find the pieces of a file": HOLES_NOT_SOUGHT,
  "lseek: a file of one hole": HOLES_NOT_SOUGHT,
  "lseek: what is allocated and not written is a hole": HOLES_NOT_SOUGHT,
  "immutable and append-only: EPERM for open for writing, of an immutable file": OPENED_UNASKED,
  "immutable and append-only: EPERM for open for writing, of an append-only file": OPENED_UNASKED,
  "immutable and append-only: EACCES or EPERM for access(W_OK) of an immutable file":
    "with default_permissions the kernel answers access(2) from owner, mode and ACL alone, and knows no immutable inodes",
};

const READING_CHANGES_NOTHING = "who opens an image without a mount does not change it by looking at it";

const WRITTEN_AS_ROOT = "the bridge writes pages of the kernel's cache by itself, as root, whom no limit binds";

const NAMES_REMEMBERED =
  "an image's server has no kernel look a name up again before it is moved to where case does not matter: its own hosts remember no names";

/** What the host without a mount does not do, besides. */
const WITHOUT_MOUNT: Readonly<Record<string, string>> = {
  "casefold: what comes from where case matters is gone in every case once it is removed": NAMES_REMEMBERED,
  "casefold: what is exchanged with a name elsewhere is gone in every case once it is removed": NAMES_REMEMBERED,
  "times: reading directly changes atime, when it is no later than mtime": READING_CHANGES_NOTHING,
  "times: copy_file_range changes atime of where it copies from": READING_CHANGES_NOTHING,
  "times: listing a directory changes its atime": READING_CHANGES_NOTHING,
  "quota of a user: EDQUOT for a buffered write, from its fsync at the latest": WRITTEN_AS_ROOT,
  "quota of a group: EDQUOT for a buffered write, from its fsync at the latest": WRITTEN_AS_ROOT,
  "times: following a symbolic link changes its atime": READING_CHANGES_NOTHING,
};

const NOT_FOR_USERS = "fusermount3 mounts for users with nosuid and nodev, as every mount of a user must be";

/** What a mount of a user without rights does not do, besides. */
const OF_USERS: Readonly<Record<string, string>> = {
  "open: ENXIO for a device that is not there": NOT_FOR_USERS,
  "open: a device works": NOT_FOR_USERS,
  "busy: a set-id program runs as its owner": NOT_FOR_USERS,
};

export type Asked = "kernel" | "bulkhead" | "bridged";

/** The cases that somebody is not asked, each with why. */
export function exclusionsOf(who: Asked): Readonly<Record<string, string>> {
  switch (who) {
    case "kernel":
      return {};
    case "bulkhead":
      return way === "user" ? { ...EXCLUSIONS, ...OF_USERS } : EXCLUSIONS;
    case "bridged":
      return { ...EXCLUSIONS, ...WITHOUT_MOUNT };
  }
}
