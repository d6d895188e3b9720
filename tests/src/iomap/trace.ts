/**
 * Plays a written conversation to a server, byte for byte. The bytes are made here from the layouts of the reference, with no code of
 * the codec: a line that begins with `>` is a request, the line below it, with `<`, the whole reply, and lines with `!` between
 * them the notifications that come before it.
 *
 * An address is a letter, which stands for what the first reply that has it says, and a distance from it.
 */
import assert from "node:assert/strict";

const HEADER = 40;
const OUT_HEADER = 16;
const NULL_ADDR = 2n ** 64n - 1n;

const opcodes = {
  FREEZE: 4089,
  UNFREEZE: 4090,
  SHUTDOWN: 4091,
  CONFIG: 4092,
  IOEND: 4093,
  BEGIN: 4094,
  END: 4095,
} as const;
const operations: Readonly<Record<string, number>> = {
  READ: 0,
  WRITE: 1,
  ZERO: 2,
  REPORT: 4,
  FAULT: 8,
  DIRECT: 0x10,
  NOWAIT: 0x20,
  OVERWRITE_ONLY: 0x40,
  UNSHARE: 0x80,
  ATOMIC: 0x200,
  SWAPFILE: 0x4000_0000,
  WRITEBACK: 0x8000_0000,
};
const ioends: Readonly<Record<string, number>> = {
  NONE: 0,
  SHARED: 1,
  UNWRITTEN: 2,
  DIRECT: 8,
  APPEND: 0x10,
  WRITEBACK: 0x20,
  SWAPOFF: 0x40,
};
const types: Readonly<Record<string, number>> = {
  HOLE: 0,
  MAPPED: 2,
  UNWRITTEN: 3,
  INLINE: 4,
  RETRY_CACHE: 254,
  PURE_OVERWRITE: 255,
};
const flags: Readonly<Record<string, number>> = { NEW: 1, DIRTY: 2, SHARED: 4, MERGED: 8, ATOMIC_BIO: 0x40 };

function sum(names: string, values: Readonly<Record<string, number>>): number {
  let total = 0;
  for (const name of names.split("|")) {
    const value = values[name];
    assert.ok(value !== undefined, `no ${name}`);
    total += value;
  }
  return total;
}

/** How a conversation reaches the server. */
export interface Peer {
  /** A whole request; the whole reply. */
  exchange(request: Uint8Array): Uint8Array;
  /** Notifications that came since the last call. */
  notified(): readonly Uint8Array[];
  readonly dev: number;
  /** What a name in the conversation stands for. */
  nodeid(name: string): number;
}

export class Conversation {
  /** What the letters stand for. */
  readonly addresses = new Map<string, bigint>();
  readonly #peer: Peer;
  #unique = 1000;

  constructor(peer: Peer) {
    this.#peer = peer;
  }

  /** @throws with the line that the server did not follow */
  play(text: string): void {
    let reply: Uint8Array = new Uint8Array(0);
    let notified: Uint8Array[] = [];
    for (const line of text.split("\n").map((raw) => raw.trim())) {
      const [mark, ...words] = line.split(/ +/);
      if (mark === ">") {
        assert.deepEqual(notified.map(hex), [], `before: ${line}`);
        reply = this.#peer.exchange(this.#request(words)).slice();
        notified = this.#peer.notified().map((message) => message.slice());
      } else if (mark === "!") {
        const message = notified.shift();
        assert.ok(message !== undefined, `no notification: ${line}`);
        assert.equal(hex(message), hex(this.#notification(words, message)), line);
      } else if (mark === "<") {
        assert.equal(hex(reply), hex(this.#reply(words, reply)), line);
      } else assert.ok(line === "" || line.startsWith("#"), line);
    }
    assert.deepEqual(notified.map(hex), []);
  }

  #request([name = "", ...words]: readonly string[]): Uint8Array {
    const body = new DataView(new ArrayBuffer(72));
    let size = 0;
    const [who = "", what = "", pos = "0", count = "0", more = "0"] = words;
    const nodeid = who === "" ? 0 : this.#peer.nodeid(who);
    const ino = words.includes("wrong-ino") ? nodeid + 1 : nodeid;
    switch (name) {
      case "CONFIG":
        size = 64;
        body.setBigUint64(0, 0x7fn, true);
        body.setBigInt64(8, 2n ** 63n - 1n, true);
        body.setUint32(16, 262_144, true);
        break;
      case "BEGIN":
        size = 32;
        body.setUint32(0, sum(what, operations), true);
        body.setBigUint64(8, BigInt(ino), true);
        body.setBigUint64(16, BigInt(pos), true);
        body.setBigUint64(24, BigInt(count), true);
        break;
      case "END":
        size = 72;
        body.setUint32(0, sum(what, operations), true);
        body.setBigUint64(8, BigInt(ino), true);
        body.setBigUint64(16, BigInt(pos), true);
        body.setBigUint64(24, BigInt(count), true);
        body.setBigInt64(32, BigInt(more), true);
        break;
      case "IOEND":
        size = 48;
        body.setUint32(0, sum(what, ioends), true);
        body.setInt32(4, Number(more), true);
        body.setBigUint64(8, BigInt(ino), true);
        body.setBigUint64(16, BigInt(pos), true);
        body.setBigUint64(24, NULL_ADDR, true);
        body.setBigUint64(32, BigInt(count), true);
        break;
      case "FREEZE":
      case "SHUTDOWN":
        size = 8;
        body.setBigUint64(0, BigInt(who || "0"), true);
        break;
      default:
        assert.equal(name, "UNFREEZE");
    }
    const request = new Uint8Array(HEADER + size);
    const view = new DataView(request.buffer);
    this.#unique += 2;
    view.setUint32(0, request.length, true);
    view.setUint32(4, opcodes[name as keyof typeof opcodes], true);
    view.setBigUint64(8, BigInt(this.#unique), true);
    view.setBigUint64(16, BigInt(name === "FREEZE" || name === "SHUTDOWN" ? 2 : nodeid), true);
    request.set(new Uint8Array(body.buffer, 0, size), HEADER);
    return request;
  }

  /** The reply that a line tells of; addresses that are new come from the one that there is. */
  #reply([kind = "", ...words]: readonly string[], given: Uint8Array): Uint8Array {
    if (kind.startsWith("-")) return this.#out(new Uint8Array(0), Number(kind));
    if (kind === "OK") return this.#out(new Uint8Array(0), 0);
    if (kind === "newsize") {
      const body = new Uint8Array(8);
      new DataView(body.buffer).setBigUint64(0, BigInt(words[0] ?? "0"), true);
      return this.#out(body, 0);
    }
    const body = new Uint8Array(64);
    const bar = words.indexOf("|");
    this.#mapping(new DataView(body.buffer, 0), [kind, ...words.slice(0, bar)], given, OUT_HEADER);
    this.#mapping(new DataView(body.buffer, 32), words.slice(bar + 1), given, OUT_HEADER + 32);
    return this.#out(body, 0);
  }

  #notification([name, who = "", ...words]: readonly string[], given: Uint8Array): Uint8Array {
    if (name === "DEV_INVAL") return this.#deviceInvalid(who, words[0] ?? "", given);
    assert.equal(name, "UPSERT");
    const body = new Uint8Array(80);
    const view = new DataView(body.buffer);
    const nodeid = BigInt(this.#peer.nodeid(who));
    view.setBigUint64(0, nodeid, true);
    view.setBigUint64(8, nodeid, true);
    const bar = words.indexOf("|");
    this.#mapping(new DataView(body.buffer, 16), words.slice(0, bar), given, OUT_HEADER + 16);
    this.#mapping(new DataView(body.buffer, 48), words.slice(bar + 1), given, OUT_HEADER + 48);
    return message(body, 100, 0n);
  }

  /** `@A length`. */
  #deviceInvalid(place: string, length: string, given: Uint8Array): Uint8Array {
    const body = new Uint8Array(24);
    const view = new DataView(body.buffer);
    view.setUint32(0, this.#peer.dev, true);
    view.setBigUint64(8, this.#address(place, given, OUT_HEADER + 8), true);
    view.setBigUint64(16, BigInt(length), true);
    return message(body, 99, 0n);
  }

  /** What `@A+distance` is; a letter that is new gets the address at byte `at` of `given`. */
  #address(place: string, given: Uint8Array, at: number): bigint {
    const [letter = "", distance = "0"] = place.slice(1).split("+");
    let base = this.addresses.get(letter);
    if (base === undefined) {
      base = new DataView(given.buffer, given.byteOffset).getBigUint64(at, true) - BigInt(distance);
      this.addresses.set(letter, base);
    }
    return base + BigInt(distance);
  }

  /** `TYPE offset+length`, and for what has a place `@A+distance` and flags. */
  #mapping(view: DataView, words: readonly string[], given: Uint8Array, at: number): void {
    const [type = "", range = "", place, flag] = words;
    const [offset = "", length = ""] = range.split("+");
    view.setBigUint64(0, BigInt(offset), true);
    view.setBigUint64(8, BigInt(length), true);
    view.setBigUint64(16, NULL_ADDR, true);
    const value = types[type];
    assert.ok(value !== undefined, `no type ${type}`);
    view.setUint16(24, value, true);
    if (flag !== undefined) view.setUint16(26, sum(flag, flags), true);
    if (place === undefined) return;
    view.setBigUint64(16, this.#address(place, given, at + 16), true);
    view.setUint32(28, this.#peer.dev, true);
  }

  #out(body: Uint8Array, error: number): Uint8Array {
    return message(body, error, BigInt(this.#unique));
  }
}

function message(body: Uint8Array, error: number, unique: bigint): Uint8Array {
  const bytes = new Uint8Array(OUT_HEADER + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setInt32(4, error, true);
  view.setBigUint64(8, unique, true);
  bytes.set(body, OUT_HEADER);
  return bytes;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
