import { readdirSync } from "node:fs";
import { close, Errno, MessageFlag, receiveMessage, SocketType, sendMessage, socketpair } from "@bulkhead/linux";
import { hex, unhex } from "./wire.js";

/** What came in one packet. */
export interface Heard {
  readonly hex: string;
  readonly descriptors: readonly number[];
}

/**
 * The other end of a connection, by a script: since packets wait in the socket, what it says can be said before the end under
 * test even starts.
 */
export class Peer {
  /** The end under test, which takes it over. */
  readonly other: number;
  readonly #fd: number;
  #open = true;

  constructor() {
    [this.#fd, this.other] = socketpair(SocketType.SEQPACKET);
  }

  /** Says these packets, in hexadecimal or bytes. */
  say(...packets: readonly (string | Uint8Array)[]): this {
    for (const packet of packets) this.give(packet, []);
    return this;
  }

  /** Says a packet with descriptors; they stay open here. */
  give(packet: string | Uint8Array, descriptors: readonly number[]): this {
    const bytes = typeof packet === "string" ? unhex(packet) : packet;
    const sent = sendMessage(this.#fd, bytes, descriptors, MessageFlag.DONTWAIT);
    if (sent !== bytes.length) throw new Error(`sending ${bytes.length} bytes: ${sent}`);
    return this;
  }

  /** All that was said here so far. */
  hear(): Heard[] {
    const heard: Heard[] = [];
    const buffer = new Uint8Array(70_000);
    for (;;) {
      const { length, descriptors } = receiveMessage(this.#fd, buffer, 4, MessageFlag.DONTWAIT);
      // The other end closed without reading all: said once, before what it sent.
      if (length === -Errno.ECONNRESET) continue;
      if (length <= 0) return heard;
      heard.push({ hex: hex(buffer.subarray(0, length)), descriptors });
    }
  }

  /** What was said, without descriptors. */
  heard(): string[] {
    return this.hear().map(({ hex: bytes, descriptors }) => {
      for (const fd of descriptors) close(fd);
      return bytes;
    });
  }

  leave(): void {
    if (this.#open) close(this.#fd);
    this.#open = false;
  }
}

/** A transcript's bytes, comparable with what was heard. */
export function transcript(...packets: readonly string[]): string[] {
  return packets.map((packet) => packet.replaceAll(" ", ""));
}

/** Descriptors that this process has open. */
export function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}
