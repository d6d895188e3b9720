import { Errno } from "@bulkhead/linux";
import type { Transport } from "./transport.js";

/** Requests from an array, replies into another, and the connection is over: a session and a loop without any kernel. */
export class MemoryTransport implements Transport {
  readonly fd = -1;
  /** Requests still to be read. */
  readonly requests: Uint8Array[];
  /** Copies of everything written. */
  readonly written: Uint8Array[] = [];
  /** What to answer to a write, by the message; default: accepted. */
  verdict: (message: Uint8Array) => number = (message) => message.length;
  #open = true;

  constructor(requests: readonly Uint8Array[] = []) {
    this.requests = [...requests];
  }

  read(buffer: Uint8Array): number {
    if (!this.#open) return -Errno.ENODEV;
    const request = this.requests.shift();
    if (request === undefined) return -Errno.ENODEV;
    if (request.length > buffer.length) return -Errno.EINVAL;
    buffer.set(request);
    return request.length;
  }

  write(message: Uint8Array, length: number): number {
    if (!this.#open) return -Errno.ENODEV;
    const copy = message.slice(0, length);
    this.written.push(copy);
    return this.verdict(copy);
  }

  close(): void {
    this.#open = false;
  }
}
