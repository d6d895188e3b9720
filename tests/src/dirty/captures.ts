/** Images whose journal was left in the middle of things, each in its own way. */
import {
  creates,
  fastCommits,
  fastNames,
  journalledData,
  orphans,
  renames,
  revokes,
  truncates,
  type Workload,
  wrapping,
  xattrs,
} from "./workloads.js";

export interface DirtyCapture {
  readonly name: string;
  readonly about: string;
  /** The name of the one that comes nearest to it: that one is in every run, this one in the long tests only. */
  readonly like?: string;
  /** Features on top of a fixed set, and further arguments of mke2fs. */
  readonly mke2fs: readonly string[];
  readonly mountOptions?: readonly string[];
  readonly workload: Workload;
  /**
   * How the journal came to be dirty: `flushed`, the filesystem shut down after a last commit; `cut`, shut down with
   * the running transaction lost; `copied`, the image file copied while mounted and busy, nothing shut down at all;
   * `written`, what the workload changed put into the journal by debugfs, in a form that no current kernel writes.
   */
  readonly how: "flushed" | "cut" | "copied" | "written";
  /** Arguments of debugfs's journal_open for `written`. */
  readonly journalOpen?: string;
  /** What debugfs's logdump must show of the journal. */
  readonly shows?: RegExp;
  /** The journal's end lies before its start. */
  readonly wraps?: boolean;
  /**
   * Who replays the copy that the kernel then walks; e2fsck unless told. `debugfs` replays and nothing else, where
   * e2fsck would release the orphans as well; `kernel` mounts it, because e2fsck 1.47.0 replays fast commits in part.
   */
  readonly replay?: "e2fsck" | "debugfs" | "kernel";
}

const EXT4 =
  "has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize,filetype,dir_index,sparse_super,large_file,ext_attr";

function ext4(change = "", blockSize = 4096, journal = "size=8"): string[] {
  const features = `none,${EXT4}${change === "" ? "" : `,${change}`}`;
  return ["-t", "ext4", "-O", features, "-I", "256", "-b", String(blockSize), "-J", journal];
}

export const CAPTURES: readonly DirtyCapture[] = [
  { name: "creates", about: "checksums v3, 64-bit tags", mke2fs: ext4(), workload: creates, how: "flushed" },
  { name: "creates-cut", about: "the running transaction is lost", mke2fs: ext4(), workload: creates, how: "cut" },
  {
    name: "creates-copied",
    about: "copied while mounted",
    like: "creates-cut",
    mke2fs: ext4(),
    workload: creates,
    how: "copied",
  },
  { name: "renames-1k", about: "renames and unlinks", mke2fs: ext4("", 1024), workload: renames, how: "flushed" },
  {
    name: "renames-copied",
    about: "the same, copied",
    like: "renames-1k",
    mke2fs: ext4("", 1024),
    workload: renames,
    how: "copied",
  },
  { name: "xattrs", about: "xattrs set and removed", mke2fs: ext4(), workload: xattrs, how: "flushed" },
  {
    name: "revokes-1k",
    about: "metadata blocks that became data",
    mke2fs: ext4("", 1024),
    workload: revokes,
    how: "flushed",
    shows: /revoke/i,
  },
  {
    name: "revokes-32bit",
    about: "revoke records of 32 bits, no checksum",
    like: "revokes-1k",
    mke2fs: ext4("^64bit,^metadata_csum", 1024),
    workload: revokes,
    how: "copied",
    shows: /revoke/i,
  },
  { name: "truncates", about: "truncates and extensions", mke2fs: ext4(), workload: truncates, how: "flushed" },
  {
    name: "data-journal",
    about: "data=journal with blocks to escape",
    mke2fs: ext4("", 1024),
    mountOptions: ["data=journal"],
    workload: journalledData,
    how: "flushed",
    shows: /flags 0x[0-9a-f]*[13579bdf]\)/,
  },
  {
    name: "data-journal-32bit",
    about: "the same without checksums and 64-bit tags",
    like: "data-journal",
    mke2fs: ext4("^64bit,^metadata_csum", 4096),
    mountOptions: ["data=journal"],
    workload: journalledData,
    how: "copied",
    shows: /flags 0x[0-9a-f]*[13579bdf]\)/,
  },
  {
    name: "checksum-v1",
    about: "commit blocks with a checksum of the whole transaction",
    mke2fs: ext4("^metadata_csum"),
    mountOptions: ["journal_checksum"],
    workload: creates,
    how: "flushed",
  },
  {
    name: "async-commit-v1",
    about: "asynchronous commit blocks, checksum v1",
    like: "async-commit-v3",
    mke2fs: ext4("^metadata_csum"),
    mountOptions: ["journal_async_commit", "data=writeback"],
    workload: truncates,
    how: "flushed",
  },
  {
    name: "async-commit-v3",
    about: "asynchronous commit blocks, checksums v3",
    mke2fs: ext4("", 1024),
    mountOptions: ["journal_async_commit", "data=writeback"],
    workload: renames,
    how: "copied",
  },
  {
    name: "ext3",
    about: "ext3: indirect blocks, no checksum, 32-bit tags",
    mke2fs: [
      ...["-t", "ext3", "-b", "1024", "-I", "128", "-J", "size=4", "-O"],
      "none,has_journal,filetype,sparse_super,large_file,ext_attr,dir_index",
    ],
    workload: revokes,
    how: "flushed",
  },
  {
    name: "wrapping",
    about: "a journal of 1,024 blocks that its transactions have gone around",
    mke2fs: ext4("", 1024, "size=1"),
    workload: wrapping,
    how: "flushed",
    wraps: true,
  },
  {
    name: "inline-data",
    about: "inline files and directories in the journal",
    mke2fs: ext4("inline_data"),
    workload: creates,
    how: "flushed",
  },
  {
    name: "bigalloc",
    about: "clusters of 16 KiB",
    mke2fs: [...ext4("bigalloc"), "-C", "16384"],
    workload: truncates,
    how: "flushed",
  },
  {
    name: "orphan-list",
    about: "inodes unlinked while open, on the list",
    mke2fs: ext4(),
    workload: orphans,
    how: "flushed",
    replay: "debugfs",
  },
  {
    name: "orphan-file",
    about: "inodes unlinked while open, in the orphan file",
    mke2fs: ext4("orphan_file"),
    workload: orphans,
    how: "flushed",
    replay: "debugfs",
  },
  {
    name: "fast-commit",
    about: "fast commits of data and sizes",
    mke2fs: ext4("fast_commit"),
    workload: fastCommits,
    how: "cut",
    replay: "kernel",
    shows: /Fast Commit Area[\s\S]*tag/i,
  },
  {
    name: "fast-commit-1k",
    about: "the same with blocks of 1 KiB, copied",
    like: "fast-commit",
    mke2fs: ext4("fast_commit", 1024),
    workload: fastCommits,
    how: "copied",
    replay: "kernel",
    shows: /Fast Commit Area[\s\S]*tag/i,
  },
  {
    name: "fast-commit-names",
    about: "fast commits of names",
    mke2fs: ext4("fast_commit"),
    workload: fastNames,
    how: "cut",
    replay: "kernel",
    shows: /Fast Commit Area[\s\S]*tag/i,
  },
  {
    name: "checksum-v2",
    about: "checksums v2 with 64-bit tags, a revoked block, an uncommitted tail",
    mke2fs: ext4(),
    workload: renames,
    how: "written",
    journalOpen: "-c -v 2",
    shows: /revoke/i,
  },
  {
    name: "checksum-v2-32bit",
    about: "checksums v2 with 32-bit tags",
    like: "checksum-v2",
    mke2fs: ext4("^64bit", 1024),
    workload: truncates,
    how: "written",
    journalOpen: "-c -v 2",
    shows: /revoke/i,
  },
  {
    name: "no-checksum-uncommitted",
    about: "no journal checksum, a revoked block, an uncommitted tail",
    mke2fs: ext4("^metadata_csum"),
    workload: xattrs,
    how: "written",
    journalOpen: "",
    shows: /revoke/i,
  },
];
