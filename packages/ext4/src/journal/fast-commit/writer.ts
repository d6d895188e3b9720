import type { IoSequence } from "../../device/io-sequence.js";
import { usedInode } from "../../fast-commit/used-inode.js";
import { compatFeature, roCompatFeature } from "../../format/features.js";
import { GOOD_OLD_INODE_SIZE, I_BLOCK_OFFSET, InodeFlag } from "../../format/inode.js";
import { FastCommitHeader, FastCommitTag } from "../../format/journal.js";
import type { Inode } from "../../inode/inode.js";
import { nodeDepth } from "../../map/extent-node.js";
import { mapBlocks } from "../../map/map-blocks.js";
import { BlockMapping, MappingType } from "../../map/mapping.js";
import type { Volume } from "../../volume.js";
import type { FastCommitter } from "../commit-listener.js";
import type { JournalLog } from "../log.js";
import type { JournalWriter } from "../writer.js";
import { type ChangedRange, FastCommitChanges, type NameChange } from "./changes.js";
import { countsOf, ReadEarly } from "./read-early.js";
import { FastCommitTags } from "./tags.js";

/** Bytes of a fast commit at most; for what takes more, a full commit is as good. */
const MOST_BYTES = 256 * 1024;
/** Bytes that a device writes wholly or not at all. */
const SECTOR = 512;

/** Files of which no fast commit tells: their contents are in the inode or in the journal, or are not the engine's to know. */
const UNTOLD = InodeFlag.inlineData | InodeFlag.journalData | InodeFlag.encrypt | InodeFlag.verity | InodeFlag.eaInode;

/**
 * Whether fast commits are written to a file system: it has the feature and the journal, and whoever replays them makes good all that
 * follows.
 */
export function wantsFastCommits({ features, superblock }: Volume): boolean {
  // A replay by the kernel leaves the usage of quota behind, and marks blocks, not clusters.
  const keepsQuota = (features.roCompat & (roCompatFeature.quota | roCompatFeature.project)) !== 0;
  return (
    (superblock.featureCompat & compatFeature.fast_commit) !== 0 &&
    features.hasJournal &&
    superblock.journalInode !== 0 &&
    features.extents &&
    !features.bigalloc &&
    !keepsQuota
  );
}

/**
 * Writes fast commits: what the running transaction changed, told in a few tags in an area of their own behind the log. Each has
 * whole blocks and a tail at their end. They belong to the transaction that is not committed yet; once it is, they count no more,
 * and the area is used from its start again.
 *
 * All of the transaction is told, not one inode alone, so that a replay never comes to a state that was never there. Names come in
 * the order of their changes, a file's inode before its first one; then of each inode what its changed range maps now, and what not, and itself.
 *
 * How those who replay differ, and what is done about it:
 * - The kernel refuses to mount when the first fast commit of a transaction is not whole (EFSBADCRC, ECANCELED). One that a crash
 *   could tear has an empty one before it: HEAD and TAIL, in one sector.
 * - The kernel brings bitmaps up to date when it meets what does not count any more: the area's last block stays out of use.
 * - The kernel and e2fsck copy i_block of files with extents only: of devices and symbolic links nothing is told.
 * - The kernel logs the beginning of an inode, and what its place in the table held behind that comes back: of a new file all is told.
 * - e2fsck takes nothing but the beginning: nothing is told of a new file whose place holds more; see alloc/allocate-inode.ts.
 * - The kernel writes no CREATE for a file that was made without a name, and its replay has no inode to link: here it is one.
 * - e2fsck keeps an extent of no length where a DEL_RANGE takes away the only one of a file, and the next range of the same file makes one of it
 *   that never ends: what is mapped comes first, and what lies between two extents is one hole.
 * - e2fsck adds no block to a directory that is full, and gives up at its first name too many: nothing is told of a directory that has grown;
 *   see dir/append.ts.
 * - The kernel's replay splits a directory's leaf that has room in pieces only, and counts the block that it takes for that nowhere: nothing is told
 *   of a directory where these were moved together; see dir/split-leaf.ts.
 * - e2fsck takes names away, not links: what has no name left is found again in lost+found.
 * - e2fsck builds the tree of a file whose extents do not fit the inode anew, in blocks that are free by what it has read so far: they may be
 *   those of which a later tag tells, and hold data. Of what such a file maps nothing is told.
 */
export class FastCommitWriter implements FastCommitter {
  wantsEmptyLog = false;
  readonly #volume: Volume;
  readonly #log: JournalLog;
  readonly #writer: JournalWriter;
  readonly #barrier: boolean;
  readonly #tags: FastCommitTags;
  readonly #readEarly: ReadEarly;
  readonly #mapping = new BlockMapping();
  /** Of the running transaction, as far as anything was asked about it. */
  #changes = new FastCommitChanges(0, { lastOrphan: 0, freeBlocks: 0, freeInodes: 0 });
  /** Place of the next block. */
  #place: number;
  /** Whether data has to be there before the fast commit in hand. */
  #needsData = false;

  /** @param log opened with room for fast commits */
  constructor(volume: Volume, log: JournalLog, writer: JournalWriter, barrier: boolean) {
    this.#volume = volume;
    this.#log = log;
    this.#writer = writer;
    this.#barrier = barrier;
    this.#place = log.fastCommitFirst;
    this.#readEarly = new ReadEarly(volume);
    this.#tags = new FastCommitTags(log.blockSize, Math.min(this.#room, Math.ceil(MOST_BYTES / log.blockSize)));
  }

  /** Blocks that are left in the area. */
  get #room(): number {
    return Math.max(0, this.#log.fastCommitEnd - 1 - this.#place);
  }

  /** Takes away what an earlier mount has left in the area, as JournalWriter does after each transaction. */
  clear(): void {
    const { storage, blockSize, fastCommitFirst } = this.#log;
    const block = new Uint8Array(blockSize);
    this.#log.read(fastCommitFirst, block);
    if (FastCommitHeader.at(new DataView(block.buffer), 0).tag !== FastCommitTag.head) return;
    storage.device.write(storage.locate(fastCommitFirst) * blockSize, block.fill(0));
    storage.device.flush();
  }

  changesOf(tid: number): FastCommitChanges {
    if (this.#changes.tid !== tid) {
      if (this.#changes.hasInitGroup) this.wantsEmptyLog = true;
      this.#changes = new FastCommitChanges(tid, countsOf(this.#volume));
      this.#place = this.#log.fastCommitFirst;
    }
    return this.#changes;
  }

  /** @throws CorruptionError, DeviceError where `io` does at once what is laid down */
  lay(io: IoSequence, tid: number): boolean {
    const changes = this.changesOf(tid);
    if (!changes.complete || this.wantsEmptyLog) return false;
    if (changes.isEmpty) {
      this.#writer.flush(io);
      return true;
    }
    if (this.#misleadsE2fsck()) {
      this.wantsEmptyLog = true;
      return false;
    }
    if (this.#readEarly.takesCounts(changes)) return false;
    if (!this.#encode()) return false;
    this.#write(io);
    changes.written();
    return true;
  }

  #misleadsE2fsck(): boolean {
    const { inodes, names, logged } = this.#changes;
    const early = this.#readEarly;
    if (!early.hasOrphan(logged.lastOrphan)) return true;
    const tellsOfIt =
      names.some(({ parent, ino }) => early.holds(parent) || early.holds(ino)) ||
      [...inodes.keys()].some((ino) => early.holds(ino));
    return tellsOfIt && !early.hasInodes();
  }

  #encode(): boolean {
    if (this.#place !== this.#log.fastCommitFirst) return this.#encodeWith(false, false);
    return this.#encodeWith(true, false) && (this.#tags.length <= SECTOR || this.#encodeWith(true, true));
  }

  /**
   * @param isFirst whether it is the transaction's first one
   * @param apart whether its head is a fast commit of its own
   */
  #encodeWith(isFirst: boolean, apart: boolean): boolean {
    const tags = this.#tags;
    const tid = this.#writer.end.sequence;
    this.#needsData = this.#changes.needsData;
    tags.begin(this.#room);
    if (isFirst && !tags.head(tid)) return false;
    if (apart) tags.tail(tid);
    if (!this.#encodeNames() || !this.#encodeInodes()) return false;
    tags.tail(tid);
    return true;
  }

  #encodeNames(): boolean {
    const tags = this.#tags;
    // Files that came and went since the last commit: nobody has to hear of them.
    const unheard = new Set<string>();
    for (const change of this.#changes.names) {
      const { tag, parent, ino, name } = change;
      const inode = this.#named(change);
      if (inode === undefined) {
        const file = `${ino}/${change.generation}`;
        if (tag === FastCommitTag.create) unheard.add(file);
        if (unheard.has(file)) continue;
      } else if (tag === FastCommitTag.create && !tags.inode(ino, inode.raw)) {
        return false;
      }
      if (!tags.entry(tag, parent, ino, name)) return false;
    }
    return true;
  }

  /** The inode of a name, undefined when it has no names any more, or is another file's. */
  #named({ ino, generation }: NameChange): Inode | undefined {
    const inode = usedInode(this.#volume, ino);
    return inode !== undefined && inode.linksCount > 0 && inode.generation === generation ? inode : undefined;
  }

  #encodeInodes(): boolean {
    const tags = this.#tags;
    for (const [ino, range] of this.#changes.inodes) {
      const inode = usedInode(this.#volume, ino);
      if (inode === undefined || inode.linksCount === 0) continue;
      if (!inode.isRegular || !inode.hasExtents || inode.has(UNTOLD)) return false;
      if (ino < this.#volume.geometry.firstInode || !this.#encodeRange(inode, range)) return false;
      if (!tags.inode(ino, inode.raw.subarray(0, GOOD_OLD_INODE_SIZE + inode.extraSize))) return false;
    }
    return true;
  }

  #encodeRange(inode: Inode, range: ChangedRange): boolean {
    if (range.end > range.start && nodeDepth(inode.view, I_BLOCK_OFFSET) > 0) return false;
    return this.#encodeMapped(inode, range) && this.#encodeHoles(inode, range);
  }

  #encodeMapped(inode: Inode, { start, end }: ChangedRange): boolean {
    const mapping = this.#mapping;
    for (let at = start; at < end; at += mapping.length) {
      mapBlocks(this.#volume, inode, at, mapping);
      const { type, block } = mapping;
      if (type === MappingType.hole) continue;
      if (type === MappingType.mapped) this.#needsData = true;
      const length = Math.min(mapping.length, end - at);
      if (!this.#tags.addRange(inode.ino, at, length, block, type === MappingType.unwritten)) return false;
    }
    return true;
  }

  #encodeHoles(inode: Inode, { start, end }: ChangedRange): boolean {
    const mapping = this.#mapping;
    let from = start;
    for (let at = start; at < end; at += mapping.length) {
      mapBlocks(this.#volume, inode, at, mapping);
      if (mapping.type === MappingType.hole) continue;
      if (at > from && !this.#tags.delRange(inode.ino, from, at - from)) return false;
      from = at + mapping.length;
    }
    return from >= end || this.#tags.delRange(inode.ino, from, end - from);
  }

  #write(io: IoSequence): void {
    const { storage, blockSize } = this.#log;
    const { device } = storage;
    const { bytes } = this.#tags;
    const count = bytes.length / blockSize;
    this.#writer.beginFastCommit(io);
    // Where both are on one device and no data has to be there, the flush behind the tail is enough.
    if (this.#barrier && (this.#needsData || device !== this.#volume.device)) io.flush(this.#volume.device);
    for (let first = 0; first < count; ) {
      const home = storage.locate(this.#place + first);
      let end = first + 1;
      while (end < count && storage.locate(this.#place + end) === home + end - first) end++;
      const length = (end - first) * blockSize;
      const buffer = io.take(length).subarray(0, length);
      buffer.set(bytes.subarray(first * blockSize, end * blockSize));
      io.write(device, home * blockSize, buffer);
      first = end;
    }
    if (this.#barrier) io.flush(device);
    this.#place += count;
  }
}
