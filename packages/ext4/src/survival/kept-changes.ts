import type { CachedBlock } from "../cache/block-cache.js";
import { SUPERBLOCK_OFFSET } from "../format/superblock.js";
import type { CommitListener } from "../journal/transactions.js";
import { bytesOf } from "../superblock/read-superblock.js";
import { countWritten, sealSuperblock, superblockHome } from "../superblock/write-superblock.js";
import type { Volume } from "../volume.js";
import { blocksAt, Header, MAGIC, MOST_NOTE, NOTE_COUNT, Note, noteAt, Slot, slotAt, slotsIn, VOID } from "./layout.js";
import type { SurvivalRegion } from "./region.js";
import { numberOfSeal } from "./seals.js";

/** Slots at most that hold what a block was a step ago. */
const MOST_SPARES = 256;

/** A block of which something is kept, or is to be. */
class Kept {
  readonly number: number;
  block: CachedBlock | undefined = undefined;
  /** The slot that counts, -1 if none does, and the one of the step that is being written. */
  slot = -1;
  next = -1;
  /** What was changed since the last step: bytes [from, to). */
  from = 0;
  to = 0;
  /** Since the last step: whatever was kept of it is void. */
  isVoid = false;
  /** Whether it is among those that the next step has to see to. */
  isListed = false;
  /** A slot that has all of the block but the bytes [spareFrom, spareTo), which are older; -1 if there is none. And whether it may have one. */
  spare = -1;
  hasTurn = false;
  spareFrom = 0;
  spareTo = 0;

  constructor(number: number) {
    this.number = number;
  }
}

/**
 * What unfinished transactions changed, kept where it outlives the process: after each `keep`, a new process that replays the log
 * and then puts the kept blocks in their places (`restore`) has what this one had.
 *
 * A block is never written over: its new bytes go to another slot, with the number of the step that is to come, and one store makes
 * the step count. So a death at any instruction leaves the step before or this one. A block that changes step by step has two
 * slots in turn, and only what has changed since is copied to them.
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
  readonly #kept = new Map<number, Kept>();
  /** The transaction of what each slot holds. */
  #transactionOf = new Float64Array(0);
  /** Free slots, used again last in, first out, and the first one that was never used. */
  readonly #free: number[] = [];
  #fresh = 0;
  /** Who may have a spare slot, and which of them has had it for longest. */
  readonly #turns: Kept[] = [];
  #oldest = 0;
  #mostSpares = 0;
  /** What was changed since the last step. */
  readonly #changed: Kept[] = [];
  #superblock: Kept | undefined;

  constructor(region: SurvivalRegion) {
    this.#region = region;
  }

  /** Most blocks of one transaction: beside the spares, the running one, the one that is being committed and what a step adds have room. */
  static mostBlocks(region: SurvivalRegion, blockSize: number): number {
    const slots = slotsIn(region.length, blockSize);
    return Math.floor((slots - sparesOf(slots)) / 3);
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
    this.#mostSpares = sparesOf(this.#slots);
    this.#superblock = this.#keptOf(superblockHome(volume).block);
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
    return this.#changed.length > 0;
  }

  /** Keeps what was changed, and with it a note of up to {@link MOST_NOTE} bytes. Nothing happens when nothing was changed. */
  keep(note?: Uint8Array): void {
    const changed = this.#changed;
    if (changed.length === 0) return;
    const sequence = this.#sequence + 1;
    for (const kept of changed) {
      if (kept.isVoid) this.#write(kept, VOID, 0);
      else if (kept === this.#superblock) this.#writeSuperblock(kept);
      else this.#writeBlock(kept);
      this.#region.setNumber(slotAt(kept.next) + Slot.sequence, sequence);
    }
    if (note !== undefined) this.#writeNote(note, sequence);
    this.#region.setNumber(Header.sequence, sequence);
    this.#sequence = sequence;
    // By pop(): V8 takes ten times as long to set a length.
    for (let kept = changed.pop(); kept !== undefined; kept = changed.pop()) this.#settle(kept);
  }

  #writeBlock(kept: Kept): void {
    const { data, seal, sealSeed } = kept.block!;
    const parts = this.#lacksParts(kept);
    const from = parts ? Math.min(kept.from, kept.spareFrom) : 0;
    const to = parts ? Math.max(kept.to, kept.spareTo) : data.length;
    const at = this.#write(kept, numberOfSeal(seal), sealSeed);
    this.#region.write(at + from, data.subarray(from, to));
  }

  /** The superblock is kept as its block is going to be: its bytes in memory in their place. */
  #writeSuperblock(kept: Kept): void {
    const volume = this.#volume!;
    countWritten(volume);
    const parts = this.#lacksParts(kept);
    const at = this.#write(kept, numberOfSeal(sealSuperblock), 0);
    if (!parts) this.#region.write(at, superblockHome(volume).data);
    this.#region.write(at + (SUPERBLOCK_OFFSET % this.#blockSize), bytesOf(volume.superblock));
  }

  /**
   * Whether the spare slot lacks only what handles have changed since. Sealing changes blocks as well, and tells nobody: of what was
   * written before that, nothing is used.
   */
  #lacksParts({ spare }: Kept): boolean {
    return spare >= 0 && this.#transactionOf[spare] === this.#running;
  }

  /** Fills the header of the spare slot, or of a free one, which does not count yet. @returns where its block goes */
  #write(kept: Kept, seal: number, seed: number): number {
    const slot = kept.spare >= 0 ? kept.spare : (this.#free.pop() ?? this.#fresh++);
    if (slot >= this.#slots) throw new Error(`more than ${this.#slots} blocks are to be kept`);
    const region = this.#region;
    const at = slotAt(slot);
    // What it held may be of a block that has no other slot by the time the rest of its header is another's.
    region.setNumber(at + Slot.sequence, 0);
    region.setNumber(at + Slot.transaction, this.#running);
    region.setNumber(at + Slot.block, kept.number);
    region.setNumber(at + Slot.seal, seal);
    region.setNumber(at + Slot.seed, seed);
    this.#transactionOf[slot] = this.#running;
    kept.spare = -1;
    kept.next = slot;
    return this.#blocksAt + slot * this.#blockSize;
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

  /** The step counts: the slot that the block had is free, or the next step's. */
  #settle(kept: Kept): void {
    const { slot, isVoid } = kept;
    if (slot >= 0) {
      if (isVoid) this.#free.push(slot);
      else this.#spare(kept, slot);
    }
    kept.slot = kept.next;
    kept.isVoid = false;
    kept.isListed = false;
  }

  #spare(kept: Kept, slot: number): void {
    if (!kept.hasTurn) this.#giveTurn(kept);
    kept.spare = slot;
    kept.spareFrom = kept.from;
    kept.spareTo = kept.to;
  }

  #giveTurn(kept: Kept): void {
    kept.hasTurn = true;
    const turns = this.#turns;
    if (turns.length < this.#mostSpares) {
      turns.push(kept);
      return;
    }
    const oldest = turns[this.#oldest]!;
    oldest.hasTurn = false;
    if (oldest.spare >= 0) this.#free.push(oldest.spare);
    oldest.spare = -1;
    turns[this.#oldest] = kept;
    this.#oldest = (this.#oldest + 1) % turns.length;
  }

  #keptOf(number: number): Kept {
    let kept = this.#kept.get(number);
    if (kept === undefined) {
      kept = new Kept(number);
      this.#kept.set(number, kept);
    }
    return kept;
  }

  #list(kept: Kept): void {
    if (kept.isListed) return;
    kept.isListed = true;
    this.#changed.push(kept);
  }

  afterHandle(blocks: readonly CachedBlock[], superblock: boolean): void {
    for (const block of blocks) {
      const kept = this.#keptOf(block.block);
      kept.from = kept.isListed ? Math.min(kept.from, block.savedFrom) : block.savedFrom;
      kept.to = kept.isListed ? Math.max(kept.to, block.savedTo) : block.savedTo;
      kept.block = block;
      // One that was free is made anew, as a whole.
      kept.isVoid = false;
      this.#list(kept);
    }
    if (superblock) this.#list(this.#superblock!);
  }

  afterForget(block: number): void {
    const kept = this.#kept.get(block);
    if (kept === undefined) return;
    if (kept.slot >= 0) {
      kept.isVoid = true;
      this.#list(kept);
    } else if (kept.isListed && !kept.isVoid) {
      this.#kept.delete(block);
      this.#changed.splice(this.#changed.indexOf(kept), 1);
    }
  }

  /** From here on the log, or the block's place, may have what is in memory: what is kept must not be older. */
  afterSeal(): void {
    this.keep(this.underWay);
    this.#running++;
  }

  afterCommit(): void {
    this.#durable++;
    this.#region.setNumber(Header.durable, this.#durable);
    for (const kept of this.#kept.values()) {
      if (kept.slot >= 0 && this.#transactionOf[kept.slot]! <= this.#durable) this.#release(kept);
    }
  }

  #release(kept: Kept): void {
    this.#free.push(kept.slot);
    kept.slot = -1;
    if (kept.spare >= 0) this.#free.push(kept.spare);
    kept.spare = -1;
    if (!kept.isListed && kept !== this.#superblock) this.#kept.delete(kept.number);
  }

  afterAbort(): void {
    this.#region.setNumber(Header.aborted, 1);
  }
}

function sparesOf(slots: number): number {
  return Math.max(1, Math.min(MOST_SPARES, slots >> 3));
}
