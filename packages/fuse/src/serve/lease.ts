import { Errno } from "@bulkhead/linux";
import { DeviceTransport } from "../transport/device.js";

const FREE = 0;
const WRITING = 1;
const CLOSED = 2;

/**
 * The main thread's transport over the serving thread's descriptor. The number of a closed descriptor soon belongs to some
 * other file: so the closing thread waits for a write under way, and no write begins after.
 */
export class LeasedTransport extends DeviceTransport {
  readonly #state: Int32Array;

  constructor(fd: number, state: SharedArrayBuffer) {
    super(fd);
    this.#state = new Int32Array(state);
  }

  override write(message: Uint8Array, length: number): number {
    if (Atomics.compareExchange(this.#state, 0, FREE, WRITING) !== FREE) return -Errno.ENODEV;
    try {
      return super.write(message, length);
    } finally {
      Atomics.store(this.#state, 0, FREE);
      Atomics.notify(this.#state, 0);
    }
  }

  /** Ends the lease. Whether it was not over before: whoever ended it closes the descriptor next. */
  static end(state: SharedArrayBuffer): boolean {
    const lease = new Int32Array(state);
    for (;;) {
      const was = Atomics.compareExchange(lease, 0, FREE, CLOSED);
      if (was !== WRITING) return was === FREE;
      Atomics.wait(lease, 0, WRITING);
    }
  }
}
