import { close, Errno, MessageFlag, Poll, PollSet, recv, send, setReceiveTimeout } from "@bulkhead/linux";

/** How a client reaches its server: one message in, one message out. Failure is a negated error number. */
export interface ClientChannel {
  /**
   * Sends the first `length` bytes of `message` as one.
   *
   * @param milliseconds how long to wait for room
   * @returns 0, −ETIMEDOUT, −EPIPE when the server is gone, or another −errno
   */
  send(message: Uint8Array, length: number, milliseconds: number): number;
  /**
   * Receives one message; what is longer than `buffer` is cut off.
   *
   * @param milliseconds how long to wait for it
   * @returns its length, −ETIMEDOUT, −EPIPE when the server is gone, or another −errno
   */
  receive(buffer: Uint8Array, milliseconds: number): number;
  close(): void;
}

/** Milliseconds that one call waits for a message; who has less time than that polls. */
const SLICE = 1000;

/** A SOCK_SEQPACKET socket; the calling thread blocks, though never for longer than it was told. */
export class SocketChannel implements ClientChannel {
  readonly fd: number;
  readonly #ready = new PollSet(1);

  /** @param fd is closed with the channel */
  constructor(fd: number) {
    this.fd = fd;
    setReceiveTimeout(fd, SLICE);
  }

  send(message: Uint8Array, length: number, milliseconds: number): number {
    const until = performance.now() + milliseconds;
    for (;;) {
      const n = send(this.fd, message, 0, length, MessageFlag.DONTWAIT);
      if (n >= 0) return 0;
      if (n === -Errno.ECONNRESET || n === -Errno.ENOTCONN) return -Errno.EPIPE;
      if (n !== -Errno.EAGAIN && n !== -Errno.EINTR) return n;
      const failure = n === -Errno.EAGAIN ? this.#wait(Poll.OUT, until) : 0;
      if (failure !== 0) return failure;
    }
  }

  receive(buffer: Uint8Array, milliseconds: number): number {
    const until = performance.now() + milliseconds;
    for (let left = milliseconds; ; left = until - performance.now()) {
      // The answer is hardly ever there yet: to wait for it in the same call spares two.
      const waits = left >= SLICE;
      const n = recv(this.fd, buffer, 0, buffer.length, waits ? 0 : MessageFlag.DONTWAIT);
      if (n > 0) return n;
      if (n === 0 || n === -Errno.ECONNRESET) return -Errno.EPIPE;
      if (n !== -Errno.EAGAIN && n !== -Errno.EINTR) return n;
      const failure = n === -Errno.EAGAIN && !waits ? this.#wait(Poll.IN, until) : 0;
      if (failure !== 0) return failure;
    }
  }

  /** 0 when it may be tried again. */
  #wait(events: number, until: number): number {
    const left = Math.ceil(until - performance.now());
    if (left <= 0) return -Errno.ETIMEDOUT;
    this.#ready.set(0, this.fd, events);
    const n = this.#ready.poll(Math.min(left, 0x7fff_ffff));
    return n < 0 && n !== -Errno.EINTR ? n : 0;
  }

  close(): void {
    close(this.fd);
  }
}
