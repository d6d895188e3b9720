import { MOST_NOTE } from "@bulkhead/ext4";

/** How far a request was that changed something. */
export const Progress = {
  /** Some of what it changes was made durable; the rest was not done. */
  underWay: 0,
  /** Everything is done, and there was no answer yet. */
  done: 1,
  /** The answer is in the note. */
  answered: 2,
} as const;

export interface RequestNote {
  readonly progress: number;
  /** Empty unless `answered`. */
  readonly reply: Uint8Array;
}

const HEADER = 16;

/** Makes notes of requests; each is valid until the next one is made. */
export class NoteWriter {
  readonly #bytes = new Uint8Array(MOST_NOTE);
  readonly #numbers = new Float64Array(this.#bytes.buffer, 0, HEADER / 8);
  readonly #short = this.#bytes.subarray(0, HEADER);

  /** A note of a request that has no answer yet. */
  unanswered(unique: number, progress: number): Uint8Array {
    this.#numbers[0] = unique;
    this.#numbers[1] = progress;
    return this.#short;
  }

  /** A note of a request with its reply; a long reply only reads, and is made again. */
  answered(unique: number, reply: Uint8Array, length: number): Uint8Array | undefined {
    if (HEADER + length > MOST_NOTE) return undefined;
    this.#numbers[0] = unique;
    this.#numbers[1] = Progress.answered;
    this.#bytes.set(reply.subarray(0, length), HEADER);
    return this.#bytes.subarray(0, HEADER + length);
  }
}

/** Requests by their number, of notes of which the last come first: of each request, what was noted last counts. */
export function readNotes(notes: readonly Uint8Array[]): Map<number, RequestNote> {
  const found = new Map<number, RequestNote>();
  for (const note of notes) {
    if (note.length < HEADER) continue;
    const view = new DataView(note.buffer, note.byteOffset, note.byteLength);
    const unique = view.getFloat64(0, true);
    if (!found.has(unique)) found.set(unique, { progress: view.getFloat64(8, true), reply: note.subarray(HEADER) });
  }
  return found;
}
