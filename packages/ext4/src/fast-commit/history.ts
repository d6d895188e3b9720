import { CorruptionError } from "../errors.js";
import { InodeLayout, ReservedInode } from "../format/inode.js";
import { FastCommitTag } from "../format/journal.js";
import { checkRecord, type EntryRecord, type FastCommitRecord, type RangeRecord } from "../journal/fast-commit-scan.js";
import type { Volume } from "../volume.js";
import { type FinalRange, finalRanges } from "./ranges.js";
import { usedInode } from "./used-inode.js";

/** What fast commits say of one inode. */
export interface InodeHistory {
  readonly ino: number;
  /** As it was logged last; undefined if it was not. */
  readonly raw: Uint8Array | undefined;
  /** Whether it was given to a new file after it had been logged for another one. */
  readonly isNew: boolean;
  /** Entries before this one are counted in the links that were logged. */
  readonly entriesCounted: number;
  /** The directory in which it was created last, 0 if it was not. */
  readonly parent: number;
  readonly ranges: readonly FinalRange[];
}

/** What happened to a name. */
export interface EntryHistory {
  readonly record: EntryRecord;
  /** File type and permissions of the inode at that time: its number may have been another file's later. */
  readonly mode: number;
}

/** What fast commits say: of inodes the last word, of names all, in order. */
export interface FastCommitHistory {
  readonly inodes: ReadonlyMap<number, InodeHistory>;
  readonly entries: readonly EntryHistory[];
}

interface Gathered {
  raw: Uint8Array | undefined;
  isNew: boolean;
  entriesCounted: number;
  parent: number;
  ranges: RangeRecord[];
}

/**
 * @param volume as it was before the fast commits
 * @throws CorruptionError for records that no fast commit has
 */
export function historyOf(volume: Volume, records: readonly FastCommitRecord[]): FastCommitHistory {
  const inodes = new Map<number, Gathered>();
  const entries: EntryHistory[] = [];
  const of = (ino: number): Gathered => {
    let history = inodes.get(ino);
    if (history === undefined) {
      history = { raw: undefined, isNew: false, entriesCounted: 0, parent: 0, ranges: [] };
      inodes.set(ino, history);
    }
    return history;
  };
  for (const record of records) {
    checkRecord(volume, record);
    checkOrdinary(volume, record.ino);
    if ("parent" in record) {
      const raw = inodes.get(record.ino)?.raw;
      const mode = raw === undefined ? usedInode(volume, record.ino)?.mode : modeOf(raw);
      // As the kernel's replay does: what names an inode that is none is left out.
      if (mode === undefined) continue;
      entries.push({ record, mode });
      if (record.tag === FastCommitTag.create) of(record.ino).parent = record.parent;
    } else if (record.tag === FastCommitTag.inode) {
      const history = of(record.ino);
      if (history.raw !== undefined && generationOf(history.raw) !== generationOf(record.raw)) {
        history.isNew = true;
        history.ranges = [];
      }
      history.raw = record.raw;
      history.entriesCounted = entries.length;
    } else {
      of(record.ino).ranges.push(record);
    }
  }
  const complete = new Map<number, InodeHistory>();
  for (const [ino, history] of inodes) complete.set(ino, { ...history, ino, ranges: finalRanges(history.ranges) });
  return { inodes: complete, entries };
}

/** The journal does not tell of the file system's own inodes; the root is a directory, of which it tells entries only. */
function checkOrdinary({ geometry, superblock }: Volume, ino: number): void {
  const { journalInode, userQuotaInode, groupQuotaInode, projectQuotaInode, orphanFileInode } = superblock;
  const own = [journalInode, userQuotaInode, groupQuotaInode, projectQuotaInode, orphanFileInode];
  if (ino >= geometry.firstInode && !own.includes(ino)) return;
  const evidence = `fast commit: inode ${ino} is ${ino === ReservedInode.root ? "the root" : "the file system's own"}`;
  throw new CorruptionError("journal-block", { inode: ino }, evidence);
}

export function generationOf(raw: Uint8Array): number {
  return new DataView(raw.buffer, raw.byteOffset, raw.length).getUint32(InodeLayout.offset.generation, true);
}

function modeOf(raw: Uint8Array): number {
  return new DataView(raw.buffer, raw.byteOffset, raw.length).getUint16(InodeLayout.offset.mode, true);
}
