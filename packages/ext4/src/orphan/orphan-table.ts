import { compatFeature } from "../format/features.js";
import { cachedInode } from "../inode/cached-inode.js";
import type { Inode } from "../inode/inode.js";
import type { Handle } from "../journal/handle.js";
import type { Volume } from "../volume.js";
import { OrphanFile } from "./orphan-file.js";

/** One orphan: on the list, with its neighbours (0 at the ends), or in a slot of the orphan file. */
interface Entry {
  readonly ino: number;
  /** Inode number of the one that leads to this one; 0: the superblock does. */
  previous: number;
  next: number;
  /** -1 for those on the list. */
  readonly slot: number;
}

/**
 * The orphans of a file system that is mounted for writing. On disk the list is linked in one direction, through i_dtime; the
 * other one is only here, so that a removal finds its predecessor at once.
 */
export class OrphanTable {
  readonly #volume: Volume;
  readonly #entries = new Map<number, Entry>();
  readonly #file: OrphanFile | undefined;

  constructor(volume: Volume) {
    this.#volume = volume;
    this.#file = (volume.features.compat & compatFeature.orphan_file) !== 0 ? new OrphanFile(volume) : undefined;
  }

  get size(): number {
    return this.#entries.size;
  }

  has(ino: number): boolean {
    return this.#entries.has(ino);
  }

  /** Inode numbers of those that a crash left, in the order in which they are found. */
  numbers(): number[] {
    return [...this.#entries.keys()];
  }

  /** Takes what was found on disk: an inode of the list, behind those taken before it. */
  takeListed(ino: number, previous: number): void {
    this.#entries.set(ino, { ino, previous, next: 0, slot: -1 });
    const before = this.#entries.get(previous);
    if (before !== undefined) before.next = ino;
  }

  /** Takes what was found on disk: an inode of the orphan file. */
  takeFiled(ino: number, slot: number): void {
    this.#entries.set(ino, { ino, previous: 0, next: 0, slot });
  }

  /** Forgets a list that was dropped. */
  forgetListed(): void {
    this.#entries.clear();
  }

  get file(): OrphanFile | undefined {
    return this.#file;
  }

  add(handle: Handle, inode: Inode): void {
    const { ino } = inode;
    if (this.#entries.has(ino)) return;
    handle.changes?.addOrphan(ino);
    const slot = this.#file?.add(handle, ino) ?? -1;
    if (slot >= 0) {
      this.#entries.set(ino, { ino, previous: 0, next: 0, slot });
      handle.onUndo(() => {
        this.#entries.delete(ino);
        this.#file!.undoAdd(slot);
      });
      return;
    }
    const { superblock } = this.#volume;
    handle.modifySuperblock();
    handle.modifyInode(inode);
    const next = superblock.lastOrphan;
    inode.dtime = next;
    superblock.lastOrphan = ino;
    this.#entries.set(ino, { ino, previous: 0, next, slot: -1 });
    const after = this.#entries.get(next);
    if (after !== undefined) after.previous = ino;
    handle.onUndo(() => {
      this.#entries.delete(ino);
      if (after !== undefined) after.previous = 0;
    });
  }

  remove(handle: Handle, inode: Inode): void {
    const entry = this.#entries.get(inode.ino);
    if (entry === undefined) return;
    const { previous, next, slot } = entry;
    handle.changes?.removeOrphan(inode.ino);
    if (slot >= 0) {
      this.#file!.remove(handle, slot);
    } else {
      const before = this.#entries.get(previous);
      if (before === undefined) {
        handle.modifySuperblock();
        this.#volume.superblock.lastOrphan = next;
      } else {
        const predecessor = this.#current(before);
        handle.modifyInode(predecessor);
        predecessor.dtime = next;
        before.next = next;
      }
      const after = this.#entries.get(next);
      if (after !== undefined) after.previous = previous;
      handle.modifyInode(inode);
      inode.dtime = 0;
    }
    this.#entries.delete(inode.ino);
    handle.onUndo(() => {
      this.#entries.set(inode.ino, entry);
      if (slot >= 0) return;
      const before = this.#entries.get(previous);
      if (before !== undefined) before.next = inode.ino;
      const after = this.#entries.get(next);
      if (after !== undefined) after.previous = inode.ino;
    });
  }

  /** Inodes without links are kept in memory, others (whose truncation failed) may have been evicted and read again. */
  #current(entry: Entry): Inode {
    return cachedInode(this.#volume, entry.ino);
  }
}
