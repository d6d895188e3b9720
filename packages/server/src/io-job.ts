/** What the serving thread and the thread that waits for the device in its place tell each other. */
import type { DeferredReply } from "@bulkhead/fuse";

/** Cells of the memory that both threads share. */
export const Counter = {
  /** Reads under way. */
  jobs: 0,
  /** Reads that the device failed, in all. */
  errors: 1,
  /** Of the last of them: positive. */
  errno: 2,
  /** 1 when the thread needs nothing more from the system than what it reads and writes. */
  ready: 3,
  /** Commits that are through, in all; of the last of them, what its first step that failed failed with (an errno, 0: none did), and which it was. */
  commits: 4,
  commitErrno: 5,
  commitStep: 6,
  /** 1 when the kernel keeps the thread from waiting for what its process serves; the negative errno when it does not; 0 when nobody asked. */
  recursion: 7,
  count: 8,
} as const;

/** What the thread is started with. */
export interface IoSetup {
  readonly counters: Int32Array;
  /** CPUs that the thread may run on: it is started by one that may be bound to its client's. */
  readonly cpus: readonly number[];
  /** Whether the thread gives up what it does not need. */
  readonly lockDown: boolean;
}

export interface ReadJob {
  /** The open file that is read, and where the reply goes. */
  readonly fd: number;
  readonly connection: number;
  readonly token: DeferredReply;
  /** Address in the file or −1 for zeros, and length, in turn. */
  readonly pieces: readonly number[];
  /** Bytes in all. */
  readonly length: number;
}

/** A step of a commit: a write or, without bytes, a flush. */
export interface CommitStep {
  readonly fd: number;
  /** In the file. */
  readonly offset: number;
  /** In memory that both threads share. */
  readonly bytes: Uint8Array | undefined;
}

export interface CommitJob {
  readonly steps: readonly CommitStep[];
  /** An eventfd to signal when it is through. */
  readonly wakeup: number;
}

/** From here on a kernel does this process's file I/O, which may wait for commits. */
export interface RecursionJob {
  /** The mounted /dev/fuse. */
  readonly connection: number;
}

export type IoJob = ReadJob | CommitJob | RecursionJob;
