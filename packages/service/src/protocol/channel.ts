import {
  close,
  Errno,
  getSocketOption,
  LinuxError,
  MessageFlag,
  Poll,
  PollSet,
  receiveMessage,
  recv,
  SocketOption,
  senderOf,
  sendMessage,
  shutdown,
} from "@bulkhead/linux";
import { LARGEST_PACKET, SMALLEST_SEND_BUFFER } from "./packets.js";

/** What errors of a connection name as their subject. */
export const PEER = "mount service";

/** One end of a connection: packets over a SOCK_SEQPACKET socket, each with a deadline. Blocks its thread. */
export class PacketChannel {
  readonly fd: number;
  readonly #buffer = new Uint8Array(LARGEST_PACKET + 1);
  readonly #poll = new PollSet(1);
  #open = true;

  /** Takes `fd` over. */
  constructor(fd: number) {
    this.fd = fd;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** Sends one packet. @throws {LinuxError} EPIPE: the peer is gone; ETIMEDOUT: it does not read */
  send(packet: Uint8Array, descriptors: readonly number[], timeout: number): void {
    const until = deadline(timeout);
    for (;;) {
      const sent = sendMessage(this.fd, packet, descriptors, MessageFlag.EOR | MessageFlag.DONTWAIT);
      if (sent === packet.length) return;
      if (sent === -Errno.EAGAIN) this.#wait(Poll.OUT, until, "sendmsg");
      else if (sent !== -Errno.EINTR) throw new LinuxError("sendmsg", sent < 0 ? sent : Errno.EMSGSIZE, PEER);
    }
  }

  /**
   * The next packet; undefined if the peer is gone (an empty packet looks the same). Descriptors that it carries are dropped
   * by the kernel.
   *
   * @throws {LinuxError} EMSGSIZE: it is larger than a packet may be; ETIMEDOUT; ECONNRESET
   */
  receive(timeout: number): Uint8Array | undefined {
    const until = deadline(timeout);
    for (;;) {
      const flags = MessageFlag.TRUNC | MessageFlag.DONTWAIT;
      const length = recv(this.fd, this.#buffer, 0, this.#buffer.length, flags);
      if (length === 0) return undefined;
      if (length > LARGEST_PACKET) throw new LinuxError("recv", Errno.EMSGSIZE, `a packet of ${length} bytes`);
      if (length > 0) return this.#buffer.subarray(0, length);
      if (length === -Errno.EAGAIN) this.#wait(Poll.IN, until, "recv");
      else if (length !== -Errno.EINTR) throw new LinuxError("recv", length, PEER);
    }
  }

  /**
   * The process that sent the next packet, which stays there, as the kernel says; undefined if it is not among those that this
   * process sees, or there is no packet. Takes PASSCRED.
   *
   * @throws {LinuxError} ETIMEDOUT
   */
  sender(timeout: number): number | undefined {
    this.#wait(Poll.IN, deadline(timeout), "recvmsg");
    return senderOf(this.fd);
  }

  /** As `receive`, with the descriptor that the packet carries, if any. @throws {LinuxError} EBADMSG also for more than one */
  receiveWithDescriptor(timeout: number): { readonly bytes: Uint8Array; readonly fd: number | undefined } | undefined {
    const until = deadline(timeout);
    for (;;) {
      const { length, descriptors, flags } = receiveMessage(this.fd, this.#buffer, 1, MessageFlag.DONTWAIT);
      if (length === -Errno.EAGAIN) this.#wait(Poll.IN, until, "recvmsg");
      else if (length < 0 && length !== -Errno.EINTR) throw new LinuxError("recvmsg", length, PEER);
      else if (length >= 0) {
        const whole = (flags & (MessageFlag.TRUNC | MessageFlag.CTRUNC)) === 0 && length <= LARGEST_PACKET;
        if (!whole || descriptors.length > 1 || length === 0) {
          for (const fd of descriptors) close(fd);
          if (length === 0) return undefined;
          throw new LinuxError("recvmsg", Errno.EBADMSG, "a packet with more than fits");
        }
        return { bytes: this.#buffer.subarray(0, length), fd: descriptors[0] };
      }
    }
  }

  /** Ends the connection, once; the peer reads its end. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    try {
      shutdown(this.fd);
    } catch {
      // The peer was faster.
    }
    close(this.fd);
  }

  /** Until the socket is ready; whoever is interrupted waits on. */
  #wait(events: number, until: number, call: string): void {
    this.#poll.set(0, this.fd, events);
    for (;;) {
      const left = until - performance.now();
      if (left <= 0) throw new LinuxError(call, Errno.ETIMEDOUT, PEER);
      const ready = this.#poll.poll(left === Number.POSITIVE_INFINITY ? -1 : Math.ceil(Math.min(left, 2 ** 30)));
      if (ready > 0) return;
      if (ready < 0 && ready !== -Errno.EINTR) throw new LinuxError("poll", ready, PEER);
    }
  }
}

/** @param timeout milliseconds; Infinity waits for ever */
function deadline(timeout: number): number {
  return performance.now() + timeout;
}

/** @throws {LinuxError} ENOBUFS: the largest packets do not fit. An option that cannot be read is no reason to stop. */
export function checkSendBuffer(fd: number): void {
  let size: number;
  try {
    size = getSocketOption(fd, SocketOption.SNDBUF);
  } catch {
    return;
  }
  if (size < SMALLEST_SEND_BUFFER) throw new LinuxError("getsockopt", Errno.ENOBUFS, `a send buffer of ${size} bytes`);
}
