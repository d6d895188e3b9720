import { close, Errno, MessageFlag, recv, send } from "@bulkhead/linux";
import type { Transport } from "./transport.js";

/**
 * A SOCK_SEQPACKET socket whose peer plays the kernel's part: a server without a mount, a proxy, a test. A message longer
 * than the read buffer arrives cut off, and the session drops it, because its header says otherwise.
 */
export class SocketTransport implements Transport {
  readonly fd: number;
  #isClosed = false;

  constructor(fd: number) {
    this.fd = fd;
  }

  read(buffer: Uint8Array): number {
    const n = recv(this.fd, buffer, 0, buffer.length, MessageFlag.DONTWAIT);
    if (n === 0 || n === -Errno.ECONNRESET) return -Errno.ENODEV;
    return n === -Errno.EINTR ? -Errno.EAGAIN : n;
  }

  /** Waits for room in the socket, so that a reply is never lost. */
  write(message: Uint8Array, length: number): number {
    if (this.#isClosed) return -Errno.ENODEV; // the number may be another file's by now
    for (;;) {
      const n = send(this.fd, message, 0, length);
      if (n !== -Errno.EINTR) return n === -Errno.EPIPE ? -Errno.ENODEV : n;
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    close(this.fd);
  }
}
