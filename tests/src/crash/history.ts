/** What happened to a file system while its device was recorded: what may be seen after a crash, and what must be. */
import type { Snapshot } from "./expected.js";

/** What the file system may show from an event of the log on. */
export interface Moment {
  /** Events that there were when the step began: without a later one, nothing of it can be seen. */
  readonly begun: number;
  readonly step: string;
  readonly snapshot: Snapshot;
}

/** A call that made something durable. */
export interface Promised {
  /** Events that there were when it returned. */
  readonly at: number;
  readonly step: string;
  /** Number of the moment behind which names and attributes cannot go back. */
  readonly moment: number;
  /** Number of the moment behind which the data of `node` cannot go back: not before `moment`. */
  readonly data: number;
  /** What it was about; undefined for everything. */
  readonly node: number | undefined;
}

/** What happened, in full. */
export interface History {
  readonly moments: readonly Moment[];
  readonly promises: readonly Promised[];
}
