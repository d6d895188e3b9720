import { blocksAt, Header, MAGIC, MOST_NOTE, NOTE_COUNT, Note, noteAt, Slot, slotAt, slotsIn, VOID } from "./layout.js";
import type { SurvivalRegion } from "./region.js";
import { isSealNumber } from "./seals.js";

/** A block as an unfinished transaction left it: not sealed. */
export interface KeptBlock {
  readonly block: number;
  readonly data: Uint8Array;
  /** Number of its seal, see seals.ts. */
  readonly seal: number;
  readonly seed: number;
}

/** What a process kept that is no more. It may have been made to write anything: all of it is checked. */
export class KeptState {
  /** Whether the file system had been unmounted cleanly before the mount. */
  readonly wasValid: boolean;
  /** Whether the journal had been aborted: nothing was kept of what was changed in memory afterwards. */
  readonly aborted: boolean;
  /** The notes that count, the last first. */
  readonly notes: readonly Uint8Array[];
  readonly #region: SurvivalRegion;

  private constructor(region: SurvivalRegion) {
    this.#region = region;
    this.wasValid = region.number(Header.wasValid) === 1;
    this.aborted = region.number(Header.aborted) === 1;
    this.notes = this.#readNotes();
  }

  /** What a region holds; undefined when nobody has kept anything in it. @throws Error when it is of another version */
  static of(region: SurvivalRegion): KeptState | undefined {
    const magic = region.number(Header.magic);
    if (magic !== 0 && magic !== MAGIC) throw new Error("what the process before has kept is of another version");
    return magic === MAGIC ? new KeptState(region) : undefined;
  }

  /**
   * The blocks of unfinished transactions, each as it was last.
   *
   * @param blockSize bytes
   * @param blockCount numbers are below it
   * @throws Error when the region cannot be this file system's
   */
  blocks(blockSize: number, blockCount: number): KeptBlock[] {
    const region = this.#region;
    const slots = slotsIn(region.length, blockSize);
    if (region.number(Header.blockSize) !== blockSize || region.number(Header.slots) !== slots) {
      throw damaged(`it is of ${region.number(Header.slots)} blocks of ${region.number(Header.blockSize)} bytes`);
    }
    const sequence = region.number(Header.sequence);
    const durable = region.number(Header.durable);
    const newest = new Map<number, number>();
    for (let slot = 0; slot < slots; slot++) {
      const at = slotAt(slot);
      const step = region.number(at + Slot.sequence);
      if (!(step > 0 && step <= sequence && region.number(at + Slot.transaction) > durable)) continue;
      const block = region.number(at + Slot.block);
      if (!(block >= 0 && block < blockCount && Number.isInteger(block))) throw damaged(`it names block ${block}`);
      const known = newest.get(block);
      if (known === undefined || region.number(slotAt(known) + Slot.sequence) < step) newest.set(block, slot);
    }
    const found: KeptBlock[] = [];
    for (const [block, slot] of newest) {
      const at = slotAt(slot);
      const seal = region.number(at + Slot.seal);
      if (seal === VOID) continue;
      if (!isSealNumber(seal)) throw damaged(`it names seal ${seal}`);
      const data = region.bytes(blocksAt(slots) + slot * blockSize, blockSize).slice();
      found.push({ block, data, seal, seed: region.number(at + Slot.seed) });
    }
    return found.sort((a, b) => a.block - b.block);
  }

  #readNotes(): Uint8Array[] {
    const region = this.#region;
    const sequence = region.number(Header.sequence);
    const found: { readonly step: number; readonly bytes: Uint8Array }[] = [];
    for (let index = 0; index < NOTE_COUNT; index++) {
      const at = noteAt(index);
      const step = region.number(at + Note.sequence);
      const length = region.number(at + Note.length);
      if (!(step > 0 && step <= sequence && length >= 0 && length <= MOST_NOTE)) continue;
      found.push({ step, bytes: region.bytes(at + Note.bytes, length).slice() });
    }
    return found.sort((a, b) => b.step - a.step).map(({ bytes }) => bytes);
  }
}

function damaged(evidence: string): Error {
  return new Error(`what the server kept that died is damaged: ${evidence}`);
}
