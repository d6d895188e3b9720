import type { CachedBlock } from "../cache/block-cache.js";
import { SUPERBLOCK_OFFSET } from "../format/superblock.js";
import type { CommitListener } from "../journal/transactions.js";
import { bytesOf } from "../superblock/read-superblock.js";
import { countWritten, sealSuperblock, superblockHome } from "../superblock/write-superblock.js";
import type { Volume } from "../volume.js";
import { blocksAt, Header, MAGIC, MOST_NOTE, NOTE_COUNT, Note, noteAt, Slot, slotAt, slotsIn, VOID } from "./layout.js";
import type { SurvivalRegion } from "./region.js";
import { numberOfSeal } from "./seals.js";

/**
 * What unfinished transactions changed, kept where it outlives the process: after each `keep`, a new process that replays the log
 * and then puts the kept blocks in their places (`restore`) has what this one had.
 *
 * A block is never written over: its new bytes go to a free slot, with the number of the step that is to come, and one store makes
 * the step count. So a death at any instruction leaves the step before or this one.
 */
export class KeptChanges implements CommitListener {
  /** A note of what is being done, kept with what it has changed where a transaction is sealed in the middle of it. */
  underWay: Uint8Array | undefined = undefined;
  readonly #region: SurvivalRegion;
  #volume: Volume | undefined;
  #blockSize = 0;
  #slots = 0;
  #blocksAt = 0;
  #sequence = 0;
  /** The running transaction; its own count, which goes on when the process dies. */
  #running = 1;
  #durable = 0;
  /** The slot that counts of each block that has one, and the transaction of each slot. */
  readonly #slotOf = new Map<number, number>();
  #transactionOf = new Float64Array(0);
  /** Free slots, used again last in, first out, and the first one that was never used. */
  readonly #free: number[] = [];
  #fresh = 0;

  // What was changed since the last step.
  readonly #changed = new Map<number, CachedBlock>();
  readonly #void = new Set<number>();
  #superblock = false;
  /** Blocks of the step that is being written, and their slots, in turn. */
  readonly #step: number[] = [];

  constructor(region: SurvivalRegion) {
    this.#region = region;
  }

  /** Most blocks of one transaction: the running one, the one that is being committed and what a step adds have room. */
  static mostBlocks(region: SurvivalRegion, blockSize: number): number {
    return Math.floor(slotsIn(region.length, blockSize) / 3);
  }

  /**
   * Begins to keep what the volume's transactions change. All that was kept before is void: it is durable by now.
   *
   * @param wasValid what the next process is to know of the state before the mount
   */
  begin(volume: Volume, wasValid: boolean): void {
    const region = this.#region;
    const { blockSize } = volume.geometry;
    this.#volume = volume;
    this.#blockSize = blockSize;
    this.#slots = slotsIn(region.length, blockSize);
    this.#blocksAt = blocksAt(this.#slots);
    this.#transactionOf = new Float64Array(this.#slots);
    if (region.number(Header.magic) === MAGIC) this.#takeOver();
    else {
      region.setNumber(Header.blockSize, blockSize);
      region.setNumber(Header.slots, this.#slots);
      region.setNumber(Header.wasValid, wasValid ? 1 : 0);
      region.setNumber(Header.magic, MAGIC);
    }
    volume.transactions?.onCommit(this);
  }

  /** The steps go on where those of the process before ended; what it began must never count. */
  #takeOver(): void {
    const region = this.#region;
    this.#sequence = region.number(Header.sequence);
    let last = region.number(Header.durable);
    for (let slot = 0; slot < this.#slots; slot++) {
      const at = slotAt(slot);
      last = Math.max(last, region.number(at + Slot.transaction));
      if (region.number(at + Slot.sequence) > this.#sequence) region.setNumber(at + Slot.sequence, 0);
    }
    for (let index = 0; index < NOTE_COUNT; index++) {
      const at = noteAt(index) + Note.sequence;
      if (region.number(at) > this.#sequence) region.setNumber(at, 0);
    }
    region.setNumber(Header.durable, last);
    this.#durable = last;
    this.#running = last + 1;
  }

  /** Whether something was changed that is not kept. */
  get isBehind(): boolean {
    return this.#changed.size > 0 || this.#void.size > 0 || this.#superblock;
  }

  /** Keeps what was changed, and with it a note of up to {@link MOST_NOTE} bytes. Nothing happens when nothing was changed. */
  keep(note?: Uint8Array): void {
    if (!this.isBehind) return;
    const region = this.#region;
    const sequence = this.#sequence + 1;
    for (const block of this.#changed.values()) {
      const data = this.#write(block.block, numberOfSeal(block.seal), block.sealSeed);
      region.write(data, block.data);
      this.#finish(sequence);
    }
    if (this.#superblock) this.#writeSuperblock(sequence);
    for (const block of this.#void) {
      this.#write(block, VOID, 0);
      this.#finish(sequence);
    }
    if (note !== undefined) this.#writeNote(note, sequence);
    region.setNumber(Header.sequence, sequence);
    this.#sequence = sequence;
    this.#settle();
  }

  /** Fills the header of a free slot, which does not count yet. @returns where its block goes */
  #write(block: number, seal: number, seed: number): number {
    const slot = this.#free.pop() ?? this.#fresh++;
    if (slot >= this.#slots) throw new Error(`more than ${this.#slots} blocks are to be kept`);
    const region = this.#region;
    const at = slotAt(slot);
    // What it held may be of a block that has no other slot by the time the rest of its header is another's.
    region.setNumber(at + Slot.sequence, 0);
    region.setNumber(at + Slot.transaction, this.#running);
    region.setNumber(at + Slot.block, block);
    region.setNumber(at + Slot.seal, seal);
    region.setNumber(at + Slot.seed, seed);
    this.#transactionOf[slot] = this.#running;
    this.#step.push(block, slot);
    return this.#blocksAt + slot * this.#blockSize;
  }

  #finish(sequence: number): void {
    const slot = this.#step[this.#step.length - 1]!;
    this.#region.setNumber(slotAt(slot) + Slot.sequence, sequence);
  }

  /** The superblock is kept as its block is going to be: its bytes in memory in their place. */
  #writeSuperblock(sequence: number): void {
    const volume = this.#volume!;
    const home = superblockHome(volume);
    countWritten(volume);
    const data = this.#write(home.block, numberOfSeal(sealSuperblock), 0);
    this.#region.write(data, home.data);
    this.#region.write(data + (SUPERBLOCK_OFFSET % this.#blockSize), bytesOf(volume.superblock));
    this.#finish(sequence);
  }

  #writeNote(note: Uint8Array, sequence: number): void {
    if (note.length > MOST_NOTE) throw new RangeError(`a note of ${note.length} bytes`);
    const region = this.#region;
    const at = noteAt(sequence % NOTE_COUNT);
    region.setNumber(at + Note.sequence, 0);
    region.setNumber(at + Note.length, note.length);
    region.write(at + Note.bytes, note);
    region.setNumber(at + Note.sequence, sequence);
  }

  /** The step counts: the slots that its blocks had are free. */
  #settle(): void {
    const step = this.#step;
    for (let n = 0; n < step.length; n += 2) {
      const before = this.#slotOf.get(step[n]!);
      if (before !== undefined) this.#free.push(before);
      this.#slotOf.set(step[n]!, step[n + 1]!);
    }
    step.length = 0;
    this.#changed.clear();
    this.#void.clear();
    this.#superblock = false;
  }

  afterHandle(blocks: readonly CachedBlock[], superblock: boolean): void {
    for (const block of blocks) {
      this.#changed.set(block.block, block);
      if (this.#void.size > 0) this.#void.delete(block.block);
    }
    if (superblock) this.#superblock = true;
  }

  afterForget(block: number): void {
    this.#changed.delete(block);
    if (this.#slotOf.has(block)) this.#void.add(block);
  }

  /** From here on the log, or the block's place, may have what is in memory: what is kept must not be older. */
  afterSeal(): void {
    this.keep(this.underWay);
    this.#running++;
  }

  afterCommit(): void {
    this.#durable++;
    this.#region.setNumber(Header.durable, this.#durable);
    for (const [block, slot] of this.#slotOf) {
      if (this.#transactionOf[slot]! > this.#durable) continue;
      this.#slotOf.delete(block);
      this.#free.push(slot);
    }
  }

  afterAbort(): void {
    this.#region.setNumber(Header.aborted, 1);
  }
}
