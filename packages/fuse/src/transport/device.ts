import { close, Errno, read, setNonBlocking, write } from "@bulkhead/linux";
import type { Transport } from "./transport.js";

/**
 * An attached `/dev/fuse` descriptor. Every thread that only writes (late replies, notifications) may have a transport of
 * its own over the same descriptor; one of them closes it.
 */
export class DeviceTransport implements Transport {
  readonly fd: number;
  #isClosed = false;

  constructor(fd: number) {
    this.fd = fd;
    setNonBlocking(fd, true);
  }

  read(buffer: Uint8Array): number {
    for (;;) {
      const n = read(this.fd, buffer, 0, buffer.length);
      // ENOENT: the request was aborted while it was copied; the next one is due. EINTR: nothing was taken.
      if (n !== -Errno.ENOENT && n !== -Errno.EINTR) return n === -Errno.ECONNABORTED ? -Errno.ENODEV : n;
    }
  }

  write(message: Uint8Array, length: number): number {
    if (this.#isClosed) return -Errno.ENODEV; // the number may be another file's by now
    return write(this.fd, message, 0, length);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    close(this.fd);
  }
}
