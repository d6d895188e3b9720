import { closeSync, openSync } from "node:fs";
import {
  close,
  Errno,
  MessageFlag,
  Poll,
  PollSet,
  recv,
  replaceDescriptor,
  send,
  setReceiveTimeout,
} from "@bulkhead/linux";
import { Spin } from "../loop/spin.js";

/** How a client reaches its server: one message in, one message out. Failure is a negated error number. */
export interface ClientChannel {
  /**
   * Sends the first `length` bytes of `message` as one.
   *
   * @param milliseconds how long to wait for room
   * @returns 0, −EAGAIN when there is no room and something is there to be received (the server may wait for that, and makes no room
   *   until then), −ETIMEDOUT, −EPIPE when the server is gone, or another −errno
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
/** Microseconds. Most answers take less, and to be woken on another CPU takes as long. */
const SPIN = 100;

/**
 * A SOCK_SEQPACKET socket; the calling thread blocks, though never for longer than it was told. A worker's thread that ends, or is ended,
 * closes it.
 */
export class SocketChannel implements ClientChannel {
  readonly fd: number;
  #isClosed = false;
  readonly #ready = new PollSet(1);
  readonly #spin = new Spin(SPIN);

  /** @param fd is the channel's from now on, which gives it another number */
  constructor(fd: number) {
    try {
      setReceiveTimeout(fd, SLICE);
      // What a worker leaves open, Node closes if node:fs has opened it.
      this.fd = openSync("/dev/null", "r");
      replaceDescriptor(this.fd, fd);
    } finally {
      close(fd);
    }
  }

  send(message: Uint8Array, length: number, milliseconds: number): number {
    const until = performance.now() + milliseconds;
    for (;;) {
      const n = send(this.fd, message, 0, length, MessageFlag.DONTWAIT);
      if (n >= 0) return 0;
      if (n === -Errno.ECONNRESET || n === -Errno.ENOTCONN) return -Errno.EPIPE;
      if (n !== -Errno.EAGAIN && n !== -Errno.EINTR) return n;
      if (n === -Errno.EINTR) continue;
      const failure = this.#wait(Poll.OUT | Poll.IN, until);
      if (failure !== 0) return failure;
      if ((this.#ready.returned(0) & Poll.OUT) === 0) return -Errno.EAGAIN;
    }
  }

  receive(buffer: Uint8Array, milliseconds: number): number {
    const until = performance.now() + milliseconds;
    const early = milliseconds > 0 ? this.#look(buffer) : 0;
    if (early > 0) return early;
    for (let left = milliseconds; ; left = until - performance.now()) {
      // To wait in the same call spares two.
      const waits = left >= SLICE;
      const n = recv(this.fd, buffer, 0, buffer.length, waits ? 0 : MessageFlag.DONTWAIT);
      if (n > 0) return n;
      if (n === 0 || n === -Errno.ECONNRESET) return -Errno.EPIPE;
      if (n !== -Errno.EAGAIN && n !== -Errno.EINTR) return n;
      const failure = n === -Errno.EAGAIN && !waits ? this.#wait(Poll.IN, until) : 0;
      if (failure !== 0) return failure;
    }
  }

  /** The length of a message that came soon, or 0. */
  #look(buffer: Uint8Array): number {
    const spin = this.#spin;
    if (!spin.begins()) return 0;
    do {
      const n = recv(this.fd, buffer, 0, buffer.length, MessageFlag.DONTWAIT);
      if (n > 0) {
        spin.found();
        return n;
      }
    } while (spin.goesOn());
    return 0;
  }

  /** 0 when it may be tried again. */
  #wait(events: number, until: number): number {
    this.#ready.set(0, this.fd, events);
    for (;;) {
      const left = Math.ceil(until - performance.now());
      if (left <= 0) return -Errno.ETIMEDOUT;
      const n = this.#ready.poll(Math.min(left, 0x7fff_ffff));
      if (n > 0) return 0;
      if (n < 0 && n !== -Errno.EINTR) return n;
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeSync(this.fd);
  }
}
