import type { CachedBlock, Seal } from "../cache/block-cache.js";
import { SUPERBLOCK_SIZE, SuperblockLayout } from "../format/superblock.js";
import {
  descriptorBlockOf,
  encodeDescriptor,
  type GroupDescriptor,
  groupDescriptor,
  reloadDescriptor,
  sealDescriptors,
} from "../groups/group-table.js";
import { decodeInode } from "../inode/decode-inode.js";
import { encodeInode } from "../inode/encode-inode.js";
import { expandInode } from "../inode/expand-inode.js";
import type { Inode } from "../inode/inode.js";
import { inodeOffset, inodeTableBlock, takeExtraSize } from "../inode/inode-table.js";
import { copyErrors } from "../superblock/error-record.js";
import { bytesOf } from "../superblock/read-superblock.js";
import type { Volume } from "../volume.js";
import type { FastCommitChanges } from "./fast-commit/changes.js";
import type { Transactions } from "./transactions.js";

/** A run of blocks that were metadata and are free now. */
interface Forgotten {
  readonly block: number;
  readonly count: number;
}

/**
 * One operation's share of the running transaction: everything that it changes is changed through here, and so can be undone.
 * There is one handle at a time; `Transactions.run` gives it out.
 *
 * Before the first change of a block, an inode, a descriptor or the superblock in this handle, the matching `modify` is called.
 */
export class Handle {
  readonly volume: Volume;
  /** Counts the handles; marks what this one has saved. */
  number = 0;
  /** Whether a part of the operation is permanent already. */
  restarted = false;
  /** Whether the operation can begin anew all the same: what is permanent of it, it then finds done. It says so itself. */
  resumes = false;
  /** Whether blocks may be taken that are reserved for the superuser, and more than limits of quota allow: whoever asks for the operation may. */
  privileged = false;
  /** Whether this part of the operation must not be refused: of the free blocks, none is kept back from it. */
  isNeeded = false;
  readonly #transactions: Transactions;
  readonly #blocks: CachedBlock[] = [];
  readonly #inodes: Inode[] = [];
  readonly #groups: GroupDescriptor[] = [];
  readonly #forgotten: Forgotten[] = [];
  /** Blocks that were created and that no transaction had. */
  readonly #created: CachedBlock[] = [];
  readonly #undo: (() => void)[] = [];
  /** Buffers for saved bytes, used again and again. */
  readonly #buffers: Uint8Array[] = [];
  readonly #superblock = new Uint8Array(SUPERBLOCK_SIZE);
  #superblockSaved = false;
  #credits = 0;

  constructor(volume: Volume, transactions: Transactions) {
    this.volume = volume;
    this.#transactions = transactions;
  }

  /** To say what fast commits are to tell of the operation; undefined where there are none. */
  get changes(): FastCommitChanges | undefined {
    return this.#transactions.changes;
  }

  /** Blocks that may still be modified before a `restart` is needed. */
  get room(): number {
    return this.#credits;
  }

  /** The business of Transactions: a new operation begins. */
  begin(number: number, credits: number): void {
    this.number = number;
    this.#credits = credits;
  }

  /**
   * Announces a change of a block.
   *
   * @param seal computes the block's checksum when the transaction commits
   * @param seed what `seal` finds in `block.sealSeed`
   */
  modify(block: CachedBlock, seal?: Seal, seed = 0): void {
    this.modifyPart(block, 0, block.data.length, seal, seed);
  }

  /** Announces a change of the bytes [from, to) of a block, and of no others. A small part is saved, and kept, sooner than all of it. */
  modifyPart(block: CachedBlock, from: number, to: number, seal?: Seal, seed = 0): void {
    if (block.savedIn !== this.number) this.#save(block, from, to);
    else if (from < block.savedFrom || to > block.savedTo) saveMore(block, from, to);
    block.seal = seal;
    block.sealSeed = seed;
  }

  /** Announces a change of the bits [from, end) of a bitmap. */
  modifyBits(bitmap: CachedBlock, from: number, end: number): void {
    // Bits change word by word.
    this.modifyPart(bitmap, (from >>> 5) << 2, (((end - 1) >>> 5) << 2) + 4);
  }

  /** A block that was allocated for metadata just now: all zeros, and not read. */
  create(blockNumber: number, seal?: Seal, seed = 0): CachedBlock {
    const block = this.volume.cache.createBlock(blockNumber);
    if (block.transaction === 0 && block.loggedIn === 0) this.#created.push(block);
    this.modify(block, seal, seed);
    block.data.fill(0);
    block.verifiedAs = 0;
    block.verifiedFor = 0;
    this.#transactions.unrevoke(blockNumber);
    return block;
  }

  #save(block: CachedBlock, from: number, to: number): void {
    block.savedIn = this.number;
    block.saved = this.#buffers.pop() ?? new Uint8Array(block.data.length);
    block.savedFrom = from;
    block.savedTo = to;
    block.saved.set(block.data.subarray(from, to), from);
    block.savedSeal = block.seal;
    block.savedSealSeed = block.sealSeed;
    block.savedVerifiedAs = block.verifiedAs;
    block.savedVerifiedFor = block.verifiedFor;
    this.#blocks.push(block);
    if (this.#transactions.add(block)) this.#credits--;
  }

  /** Says that blocks that were metadata are free: what the transaction holds of them is dropped, and the journal will not replay them. */
  forget(block: number, count = 1): void {
    this.#forgotten.push({ block, count });
  }

  /** Says that blocks are free that held file data. Where that goes through the journal, it is treated as metadata is. */
  forgetData(block: number, count: number): void {
    if (this.#transactions.hasJournalledData) this.forget(block, count);
  }

  /**
   * Announces a change of an inode's fields or raw bytes. It is encoded when the handle stops.
   *
   * @param timesOnly nothing changes that reading the data needs, so that fdatasync need not wait for it
   */
  modifyInode(inode: Inode, timesOnly = false): void {
    if (!timesOnly) inode.dataSyncTransaction = this.#transactions.tid;
    if (inode.modifiedIn === this.number) return;
    inode.modifiedIn = this.number;
    const offset = inodeOffset(this.volume, inode.ino);
    this.modifyPart(inodeTableBlock(this.volume, inode.ino), offset, offset + inode.raw.length);
    // Whoever holds it may have held it longer than the cache: from here on it is the one that all others see.
    if (this.volume.inodes.get(inode.ino) !== inode) this.volume.inodes.replace(inode);
    this.#inodes.push(inode);
    inode.syncTransaction = this.#transactions.tid;
    this.changes?.touch(inode);
    // Of the attributes that move, no fast commit tells.
    if (inode.extraSize < this.volume.geometry.extraInodeSize && expandInode(this.volume, inode))
      this.changes?.refuse();
  }

  /** A group's descriptor, to be changed. It is encoded when the handle stops. */
  modifyGroup(group: number): GroupDescriptor {
    const descriptor = groupDescriptor(this.volume, group);
    if (descriptor.modifiedIn !== this.number) {
      descriptor.modifiedIn = this.number;
      const { descriptorsPerBlock, descriptorSize } = this.volume.geometry;
      const index = Math.floor(group / descriptorsPerBlock);
      const offset = (group - index * descriptorsPerBlock) * descriptorSize;
      const block = descriptorBlockOf(this.volume, group);
      this.modifyPart(block, offset, offset + descriptorSize, sealDescriptors, index);
      this.#groups.push(descriptor);
    }
    return descriptor;
  }

  /** Announces a change of the superblock in memory, which is written with the transaction. */
  modifySuperblock(): void {
    this.#transactions.superblockChanged = true;
    if (this.#superblockSaved) return;
    this.#superblockSaved = true;
    this.#superblock.set(bytesOf(this.volume.superblock));
  }

  /** Registers how to undo a change that is in no block, inode, descriptor or superblock. Undone last first, after all of these. */
  onUndo(undo: () => void): void {
    this.#undo.push(undo);
  }

  /** Encodes what was changed and makes room for the next operation. */
  stop(): void {
    this.#encode();
    this.changes?.end(this.#blocks.length > 0);
    this.#transactions.handleStopped(this.#blocks, this.#superblockSaved);
    for (const { block, count } of this.#forgotten) this.#transactions.forget(block, count);
    this.#clear();
  }

  /**
   * Makes what was done so far permanent, and gives room for `credits` more blocks: for operations that change more than a
   * transaction holds, at points where the file system is consistent.
   */
  restart(credits: number): void {
    this.stop();
    this.#transactions.makeRoom(credits);
    this.begin(this.#transactions.nextHandle(), credits);
    this.restarted = true;
  }

  /** Runs a part of the operation that must not be refused for want of space or by a limit: see `isNeeded`. */
  asNeeded<T>(part: () => T): T {
    const { privileged, isNeeded } = this;
    this.privileged = true;
    this.isNeeded = true;
    try {
      return part();
    } finally {
      this.privileged = privileged;
      this.isNeeded = isNeeded;
    }
  }

  /**
   * Puts everything back as it was when the handle began or restarted.
   *
   * @throws CorruptionError, DeviceError for an inode or descriptor that cannot be read again; all others are as they were then
   */
  undo(): void {
    const { volume } = this;
    this.changes?.undo();
    for (let n = this.#blocks.length - 1; n >= 0; n--) {
      const block = this.#blocks[n]!;
      block.data.set(block.saved!.subarray(block.savedFrom, block.savedTo), block.savedFrom);
      // It is what it was, and not sealed as what it was to become.
      block.seal = block.savedSeal;
      block.sealSeed = block.savedSealSeed;
      block.verifiedAs = block.savedVerifiedAs;
      block.verifiedFor = block.savedVerifiedFor;
    }
    if (this.#superblockSaved) this.#restoreSuperblock();
    const failures: unknown[] = [];
    for (const descriptor of this.#groups) attempt(() => reloadDescriptor(volume, descriptor), failures);
    for (const inode of this.#inodes) attempt(() => this.#reload(inode), failures);
    for (let n = this.#undo.length - 1; n >= 0; n--) this.#undo[n]!();
    // They are free again, and may become a file's data, over which no transaction may write.
    for (const block of this.#created) {
      block.transaction = 0;
      volume.cache.drop(block);
    }
    this.#clear();
    if (failures.length > 0) throw failures[0];
  }

  /** What was put on record meanwhile stays. */
  #restoreSuperblock(): void {
    const { superblock } = this.volume;
    copyErrors(superblock, SuperblockLayout.at(new DataView(this.#superblock.buffer), 0));
    bytesOf(superblock).set(this.#superblock);
  }

  #encode(): void {
    const { volume } = this;
    for (const inode of this.#inodes) {
      encodeInode(volume, inode);
      inodeTableBlock(volume, inode.ino).data.set(inode.raw, inodeOffset(volume, inode.ino));
    }
    for (const descriptor of this.#groups) encodeDescriptor(volume, descriptor);
  }

  /** An inode that this handle allocated has no bytes to go back to: its object is thrown away by who made it. */
  #reload(inode: Inode): void {
    if (inode.createdIn === this.number) return;
    const { volume } = this;
    const offset = inodeOffset(volume, inode.ino);
    inode.raw.set(inodeTableBlock(volume, inode.ino).data.subarray(offset, offset + inode.raw.length));
    inode.extentRootVerified = false;
    inode.noXattrs = false;
    takeExtraSize(inode, { inode: inode.ino });
    if (inode.view.getUint16(0, true) === 0) return;
    decodeInode(volume, inode, true);
  }

  #clear(): void {
    const buffers = this.#buffers;
    // By pop(): V8 takes ten times as long to set a length.
    for (let block = this.#blocks.pop(); block !== undefined; block = this.#blocks.pop()) {
      if (buffers.length < MOST_BUFFERS) buffers.push(block.saved!);
      block.saved = undefined;
      block.savedIn = 0;
    }
    for (let inode = this.#inodes.pop(); inode !== undefined; inode = this.#inodes.pop()) inode.modifiedIn = 0;
    for (let group = this.#groups.pop(); group !== undefined; group = this.#groups.pop()) group.modifiedIn = 0;
    while (this.#forgotten.length > 0) this.#forgotten.pop();
    while (this.#created.length > 0) this.#created.pop();
    while (this.#undo.length > 0) this.#undo.pop();
    this.#superblockSaved = false;
  }
}

const MOST_BUFFERS = 64;

function attempt(what: () => void, failures: unknown[]): void {
  try {
    what();
  } catch (error) {
    failures.push(error);
  }
}

/** What lies between the part that is saved and the new one has not changed: it is saved as well. */
function saveMore(block: CachedBlock, from: number, to: number): void {
  const { data, savedFrom, savedTo } = block;
  if (from < savedFrom) {
    block.saved!.set(data.subarray(from, savedFrom), from);
    block.savedFrom = from;
  }
  if (to > savedTo) {
    block.saved!.set(data.subarray(savedTo, to), savedTo);
    block.savedTo = to;
  }
}
