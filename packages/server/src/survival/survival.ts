import { type FileSystem, KeptState, type SurvivalOptions } from "@bulkhead/ext4";
import type { Session } from "@bulkhead/fuse/protocol";
import { LookupCounts } from "../lookups.js";
import { SurvivalMemory } from "./memory.js";
import { readNotes } from "./notes.js";
import { RequestRecord } from "./request-record.js";
import { SharedCounts } from "./shared-counts.js";
import { type Legacy, SurvivingSession } from "./surviving-session.js";

/**
 * What a server needs so that its death is not the end of its mount. To be made before the file system is mounted, and before the
 * process is locked down.
 */
export class Survival {
  /** What the kernel knows. */
  readonly lookups: LookupCounts;
  /** What the kernel was not to believe in any more. */
  readonly movedNames: Float64Array;
  /** For the engine. */
  readonly options: SurvivalOptions;
  readonly #record: RequestRecord;
  readonly #legacy: Legacy | undefined;
  #session: SurvivingSession | undefined;

  /**
   * @param descriptor a survival memory, see createSurvivalMemory
   * @throws LinuxError when it cannot be mapped
   * @throws Error when the server before has ended the mount, or was of another version
   */
  constructor(descriptor: number) {
    const { requests, lookups, changes } = new SurvivalMemory(descriptor);
    const record = new RequestRecord(requests);
    const counts = new LookupCounts(new SharedCounts(lookups, (ino) => record.adds(ino)));
    this.#record = record;
    this.lookups = counts;
    this.movedNames = record.movedNames;
    this.options = { region: changes, isInUse: (ino) => counts.mayBeKnown(ino) };
    if (record.isEnded) throw new Error("the server that had the mount before has ended it");
    if (record.init === undefined) return;
    if (!record.isUnderstood) throw new Error("the server that had the mount before was of another version");
    const notes = readNotes(KeptState.of(changes)?.notes ?? []);
    this.#legacy = { notes, last: record.last, deaths: record.countDeath() };
  }

  /** Whether a server has died that had the kernel's connection before. */
  get goesOn(): boolean {
    return this.#legacy !== undefined;
  }

  /**
   * The session that the loop is to have. Where the mount goes on, it has agreed with the kernel already: what is left to do is
   * NOTIFY_RESEND.
   *
   * @param forget takes one look-up of an inode back
   * @throws Error when the mount cannot go on
   */
  surviving(
    session: Session,
    { kept }: FileSystem,
    forget: (ino: number) => void,
    log: (message: string) => void,
  ): SurvivingSession {
    this.#session = new SurvivingSession(session, this.#record, kept, forget, log, this.#legacy);
    if (this.goesOn) this.#session.takeOver();
    return this.#session;
  }

  /** This server is about to die on purpose: nobody is to go on with its mount. */
  endMount(): void {
    this.#record.end();
  }

  /** Before something is made durable in the course of a request that has done all it does. */
  noteDone(): void {
    this.#session?.noteDone();
  }
}
