import { close, eventfd, eventfdDrain, eventfdSignal } from "@bulkhead/linux";

/** What another thread needs to reach a serving loop: plain data that may be posted to it. */
export interface WakeupHandle {
  readonly fd: number;
  readonly state: SharedArrayBuffer;
}

const STOP = 0;

/** Wakes and stops a serving loop from any thread of its process. */
export class Wakeup {
  readonly handle: WakeupHandle;
  readonly #state: Int32Array;
  #isClosed = false;

  constructor(handle: WakeupHandle = { fd: eventfd(), state: new SharedArrayBuffer(4) }) {
    this.handle = handle;
    this.#state = new Int32Array(handle.state);
  }

  get fd(): number {
    return this.handle.fd;
  }

  /** The loop leaves its sleep and calls its `onWake`. Nothing once this is closed: the number may be another file's by then. */
  wake(): void {
    if (!this.#isClosed) eventfdSignal(this.fd);
  }

  /** The loop returns as soon as it has answered what it is at. */
  stop(): void {
    Atomics.store(this.#state, STOP, 1);
    this.wake();
  }

  get stopped(): boolean {
    return Atomics.load(this.#state, STOP) !== 0;
  }

  /** Takes back the wake-ups so far. */
  drain(): void {
    eventfdDrain(this.fd);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    close(this.fd);
  }
}
