import { InodeFlag } from "../../format/inode.js";
import { FastCommitTag } from "../../format/journal.js";
import type { Inode } from "../../inode/inode.js";
import { MAX_FILE_BLOCKS } from "../../map/mapping.js";

/** Directories of whose names nothing is told: which ones they mean, or where they lie, not all who replay know. */
const UNTOLD = InodeFlag.encrypt | InodeFlag.casefold | InodeFlag.inlineData;

/** Inodes and names that are kept in mind: more than a fast commit holds. */
const MOST_CHANGES = 8192;

/** A name that was added or removed. */
export interface NameChange {
  readonly tag: typeof FastCommitTag.create | typeof FastCommitTag.link | typeof FastCommitTag.unlink;
  readonly parent: number;
  readonly name: Uint8Array;
  readonly ino: number;
  /** Of the inode: its number may be another file's when the change is written. */
  readonly generation: number;
}

/** What is compared of superblocks. */
export interface SuperblockCounts {
  /** First orphan, 0 if none. */
  readonly lastOrphan: number;
  readonly freeBlocks: number;
  readonly freeInodes: number;
}

/** File blocks of an inode whose mapping may have changed; none when `end` is `start` or less. */
export interface ChangedRange {
  start: number;
  end: number;
}

/**
 * What the running transaction has changed since the last commit, full or fast, in the words of fast commits: inodes, the file
 * blocks that they map, names. Whatever an operation changes beyond that follows from these, and a replay makes it anew.
 *
 * An operation that can be told says so (`tell`, `addName`, …); one that changes something and does not, or that comes upon what
 * no fast commit has words for (`refuse`), leaves the transaction to a full commit. What forgets to say so costs time, not a change.
 */
export class FastCommitChanges {
  /** The running transaction; see Transactions.tid. */
  readonly tid: number;
  /** The superblock of the last full commit. */
  readonly logged: SuperblockCounts;
  /** Inodes that are no directories: of directories, fast commits tell the entries. */
  readonly inodes = new Map<number, ChangedRange>();
  /** In order. */
  readonly names: NameChange[] = [];
  /** Numbers of inodes that were freed since the last full commit: a replay may find the former file's blocks there. */
  readonly #freed = new Set<number>();
  /** Inodes that became orphans since the last full commit: on disk they are none. */
  readonly #orphans = new Set<number>();
  /** Whether data has to be there before this is: a file has grown, or what a hole was made between was zeroed at its ends. */
  needsData = false;
  /** Whether a bitmap came into use, of blocks or inodes; see ReadEarly. */
  hasInitGroup = false;
  #complete = true;
  /** Whether the operation that is going on has said that it can be told. */
  #told = false;
  /** Names before the operation. */
  #before = 0;

  constructor(tid: number, logged: SuperblockCounts) {
    this.tid = tid;
    this.logged = logged;
  }

  /** Whether all that was changed is here. */
  get complete(): boolean {
    return this.#complete;
  }
  /** Whether inodes were freed since the last full commit: of that nothing is told. */
  get hasFreed(): boolean {
    return this.#freed.size > 0;
  }
  get isEmpty(): boolean {
    return this.inodes.size === 0 && this.names.length === 0;
  }

  /** An operation begins. */
  begin(): void {
    this.#told = false;
    this.#before = this.names.length;
  }

  /** It ends, or the part of it before a restart does. @param changed whether it changed any block */
  end(changed: boolean): void {
    const count = this.inodes.size + this.names.length + this.#freed.size;
    if ((changed && !this.#told) || count > MOST_CHANGES) this.refuse();
    this.#before = this.names.length;
  }

  /** It fails, and was undone. That its inodes are here does no harm: what is written is what they are then. */
  undo(): void {
    this.names.length = Math.min(this.names.length, this.#before);
  }

  /** The operation is one that can be told: by its inodes, what is mapped and names. */
  tell(): void {
    this.#told = true;
  }

  /** Something changes that no fast commit tells of. */
  refuse(): void {
    this.#complete = false;
    this.written();
  }

  touch(inode: Inode): void {
    if (this.#complete && !inode.isDirectory && !this.inodes.has(inode.ino))
      this.inodes.set(inode.ino, { start: 0, end: 0 });
  }

  initGroup(): void {
    this.hasInitGroup = true;
  }

  /** Data that was written, or will be before the fast commit, comes first. */
  needData(): void {
    this.needsData = true;
  }

  /** The mapping of file blocks from `start` to `end - 1` has changed. */
  map(inode: Inode, start: number, end: number): void {
    this.touch(inode);
    const range = this.inodes.get(inode.ino);
    if (range === undefined || end <= start) return;
    range.start = range.end > range.start ? Math.min(range.start, start) : start;
    range.end = Math.max(range.end, end);
  }

  /** A name more for a file that has others. */
  addName(dir: Inode, name: Uint8Array, inode: Inode): void {
    this.#name(FastCommitTag.link, dir, name, inode);
  }

  /** @param isNew whether the file was made just now, else it had no name (any more): a replay may have deleted it */
  addFirstName(dir: Inode, name: Uint8Array, inode: Inode, isNew: boolean): void {
    if (!isNew || this.#freed.has(inode.ino)) this.map(inode, 0, MAX_FILE_BLOCKS);
    this.#name(FastCommitTag.create, dir, name, inode);
  }

  removeName(dir: Inode, name: Uint8Array, inode: Inode): void {
    this.#name(FastCommitTag.unlink, dir, name, inode);
  }

  #name(tag: NameChange["tag"], dir: Inode, name: Uint8Array, inode: Inode): void {
    this.#told = true;
    if (dir.has(UNTOLD)) this.refuse();
    if (!this.#complete) return;
    const { ino, generation } = inode;
    this.names.push({ tag, parent: dir.ino, name: name.slice(), ino, generation });
  }

  addOrphan(ino: number): void {
    if (this.#complete) this.#orphans.add(ino);
  }

  /** On disk, the list of orphans may lead through the inode: nothing but a full commit mends that. */
  removeOrphan(ino: number): void {
    if (!this.#orphans.has(ino)) this.refuse();
  }

  freeInode(ino: number): void {
    if (this.#complete) this.#freed.add(ino);
  }

  /** A fast commit has all that is here. */
  written(): void {
    this.inodes.clear();
    this.needsData = false;
    this.names.length = 0;
    this.#before = 0;
  }
}
