import type { KeptChanges } from "@bulkhead/ext4";
import type { Handling } from "@bulkhead/fuse";
import {
  FuseInHeader,
  FuseInitIn,
  FuseOutHeader,
  InitFlag,
  operationName,
  operations,
  type Session,
} from "@bulkhead/fuse/protocol";
import { answer, answerAgain } from "./answer-again.js";
import { NoteWriter, Progress, type RequestNote } from "./notes.js";
import { isResent, type RequestRecord, uniqueOf } from "./request-record.js";

/**
 * So many servers that died in the course of one request, one after the other, are no coincidence: it is answered with an error then.
 * Fewer than a mount stands within a minute by default.
 */
const MOST_DEATHS = 8;
const EIO = -5;

const UNIQUE = FuseInHeader.offset.unique;
const { INIT } = operations;

/** What the server before left to be known of its requests. */
export interface Legacy {
  /** Requests that changed something. */
  readonly notes: ReadonlyMap<number, RequestNote>;
  /** The one that was under way, and the inodes that its answer added look-ups of. */
  readonly last: { readonly unique: number; readonly added: readonly number[] };
  /** How many servers have died in its course, one after the other. */
  readonly deaths: number;
}

/**
 * A session whose requests survive the death of its process: what a request changed is kept with its answer before that is sent. Of
 * those that the kernel sends again, what was done is answered as done, and everything else is done.
 */
export class SurvivingSession implements Handling {
  readonly #session: Session;
  readonly #record: RequestRecord;
  readonly #kept: KeptChanges | undefined;
  readonly #forget: (ino: number) => void;
  readonly #log: (message: string) => void;
  readonly #notes = new NoteWriter();
  #legacy: Legacy | undefined;
  /** Inodes of which the request that was under way added look-ups, until they are taken back. */
  #added: readonly number[];
  #unique = 0;
  #request: Uint8Array = new Uint8Array(0);
  #view = new DataView(this.#request.buffer);

  /**
   * @param kept what is changed; undefined where nothing can be
   * @param forget takes one look-up of an inode back
   */
  constructor(
    session: Session,
    record: RequestRecord,
    kept: KeptChanges | undefined,
    forget: (ino: number) => void,
    log: (message: string) => void,
    legacy?: Legacy,
  ) {
    this.#session = session;
    this.#record = record;
    this.#kept = kept;
    this.#forget = forget;
    this.#log = log;
    this.#legacy = legacy;
    this.#added = legacy?.last.added ?? [];
  }

  get reply(): Uint8Array {
    return this.#session.reply;
  }
  get requestCapacity(): number {
    return this.#session.requestCapacity;
  }
  get negotiated(): Session["negotiated"] {
    return this.#session.negotiated;
  }
  statistics(): ReturnType<Session["statistics"]> {
    return this.#session.statistics();
  }

  /**
   * Agrees with the kernel on what the server before had agreed on with it.
   *
   * @throws Error when it had not come so far, or this one would not agree on the same
   */
  takeOver(): void {
    const { init } = this.#record;
    if (init === undefined) throw new Error("the server died before the kernel knew it");
    const flags = new DataView(init.buffer).getUint32(FuseInHeader.size + FuseInitIn.offset.flags2, true);
    if (((flags >>> (InitFlag.HAS_RESEND - 32)) & 1) === 0) {
      throw new Error("the kernel cannot send requests again that a server had when it died (Linux 6.9 can)");
    }
    this.#session.handle(init, init.length);
    if (this.#session.negotiated === undefined) throw new Error("the kernel's INIT is refused by now");
  }

  handle(request: Uint8Array, length: number): number {
    const view = this.#viewOf(request);
    const high = view.getUint32(UNIQUE + 4, true);
    const unique = uniqueOf(view.getUint32(UNIQUE, true), high);
    if (this.#legacy !== undefined && isResent(high)) {
      const again = this.#handleAgain(request, length, unique);
      if (again > 0) return again;
    }
    this.#begin(unique);
    const replyLength = this.#session.handle(request, length);
    if (view.getUint32(FuseInHeader.offset.opcode, true) === INIT.opcode && this.#session.negotiated !== undefined) {
      this.#record.keepInit(request.subarray(0, length));
    }
    this.#keep(unique, replyLength);
    return replyLength;
  }

  /** A request is done: everything that was changed before a durable commit in its course is to count as its effect. */
  noteDone(): void {
    if (this.#kept?.isBehind === true && this.#unique !== 0) {
      this.#kept.keep(this.#notes.unanswered(this.#unique, Progress.done));
    }
  }

  #viewOf(request: Uint8Array): DataView {
    if (request !== this.#request) {
      this.#request = request;
      this.#view = new DataView(request.buffer, request.byteOffset, request.byteLength);
    }
    return this.#view;
  }

  #begin(unique: number): void {
    this.#unique = unique;
    this.#record.begin(unique);
    if (this.#kept !== undefined) this.#kept.underWay = this.#notes.unanswered(unique, Progress.underWay);
  }

  #keep(unique: number, length: number): void {
    const kept = this.#kept;
    this.#unique = 0;
    if (kept === undefined) return;
    kept.underWay = undefined;
    if (!kept.isBehind) return;
    // Without a reply, another thread makes it, or there is none.
    const done = length === 0 ? this.#notes.unanswered(unique, Progress.done) : undefined;
    kept.keep(done ?? this.#notes.answered(unique, this.reply, length));
  }

  /** A request that the server before had got. @returns bytes of the reply, 0 when it is to be handled as if it were new */
  #handleAgain(request: Uint8Array, length: number, unique: number): number {
    const { notes, last, deaths } = this.#legacy!;
    const note = notes.get(unique);
    const view = this.#view;
    if (note?.progress === Progress.answered) {
      this.reply.set(note.reply);
      // Its number is to come back as it came, with the mark.
      this.reply.set(request.subarray(UNIQUE, UNIQUE + 8), FuseOutHeader.offset.unique);
      return note.reply.length;
    }
    if (unique === last.unique) {
      for (const ino of this.#added) this.#forget(ino);
      this.#added = []; // a request for which there is no space comes a second time
      if (deaths >= MOST_DEATHS) {
        const opcode = view.getUint32(FuseInHeader.offset.opcode, true);
        this.#log(`${operationName(opcode)}: ${deaths} servers have died in its course: it is answered with EIO`);
        return answer(this.reply, view, EIO);
      }
    }
    this.#begin(unique);
    return note === undefined ? 0 : answerAgain(this.#session, request, length, view, note.progress);
  }
}
