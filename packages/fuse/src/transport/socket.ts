import { close, Errno, MessageFlag, Poll, PollSet, recv, send } from "@bulkhead/linux";
import type { Transport } from "./transport.js";

/** Milliseconds that a write waits between two looks at whether it still should. */
const SLICE = 100;

/**
 * A SOCK_SEQPACKET socket whose peer plays the kernel's part: a server without a mount, a proxy, a test. A message longer
 * than the read buffer arrives cut off, and the session drops it, because its header says otherwise.
 */
export class SocketTransport implements Transport {
  readonly fd: number;
  #isClosed = false;
  readonly #room = new PollSet(1);
  #wakeup = { stopped: false };

  constructor(fd: number) {
    this.fd = fd;
  }

  read(buffer: Uint8Array): number {
    const n = recv(this.fd, buffer, 0, buffer.length, MessageFlag.DONTWAIT);
    if (n === 0 || n === -Errno.ECONNRESET) return -Errno.ENODEV;
    return n === -Errno.EINTR ? -Errno.EAGAIN : n;
  }

  /** Waits for room in the socket, so that a reply is never lost; for a peer that reads nothing, until the loop is stopped. */
  write(message: Uint8Array, length: number): number {
    if (this.#isClosed) return -Errno.ENODEV; // the number may be another file's by now
    for (;;) {
      const n = send(this.fd, message, 0, length, MessageFlag.DONTWAIT);
      if (n === -Errno.EAGAIN) {
        if (this.#wakeup.stopped) return -Errno.ENODEV;
        this.#room.set(0, this.fd, Poll.OUT);
        this.#room.poll(SLICE);
      } else if (n !== -Errno.EINTR) return n === -Errno.EPIPE ? -Errno.ENODEV : n;
    }
  }

  stopWith(wakeup: { readonly stopped: boolean }): void {
    this.#wakeup = wakeup;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    close(this.fd);
  }
}
