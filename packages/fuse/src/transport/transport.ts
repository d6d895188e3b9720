/**
 * Where requests come from and replies go. One read gives one whole request, one write takes one whole reply or
 * notification. Failure is a negated error number, never an exception: an empty queue is the normal end of a round.
 */
export interface Transport {
  /** Becomes readable when a request is queued; −1 if there is nothing to wait on. */
  readonly fd: number;
  /** The next request's length in `buffer`; −EAGAIN: none queued; −ENODEV: the connection is over. Never blocks. */
  read(buffer: Uint8Array): number;
  /** Sends the first `length` bytes of `message`. The length, or the kernel's verdict as −errno. */
  write(message: Uint8Array, length: number): number;
  /** Told by the loop when it is to end: a write that waits then gives up (−ENODEV). Only where writes may wait. */
  stopWith?(wakeup: { readonly stopped: boolean }): void;
  /** Lets go of the connection, once: its unanswered requests fail. */
  close(): void;
}
