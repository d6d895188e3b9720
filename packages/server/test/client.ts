/** The kernel's part, without a kernel: requests encoded, handed to a session over the server, replies decoded. */
import assert from "node:assert/strict";
import { type BlockDevice, FileSystem, MemoryDevice, type MountOptions, systemEnvironment } from "@bulkhead/ext4";
import {
  type DecodedReply,
  decodeReply,
  encodeRequest,
  type OperationName,
  type RequestHeader,
  type RequestParts,
  Session,
} from "@bulkhead/fuse";
import { Ext4Server } from "../src/server.js";
import type { ServerOptions } from "../src/server-options.js";

export const ROOT = 1;

/** Errno of a refused request. */
export type Refusal = { readonly error: number };

export class Client {
  readonly fs: FileSystem;
  readonly server: Ext4Server;
  readonly session: Session;
  /** Seconds that the file system's clock shows. */
  now = 1_800_000_000;
  /** Lines for the operator. */
  readonly lines: string[] = [];
  readonly #buffer = new Uint8Array((1 << 20) + 4096);
  #unique = 0;

  constructor(image: Uint8Array | BlockDevice, options: MountOptions = {}, serving: ServerOptions = {}) {
    const environment = {
      ...systemEnvironment,
      clock: { now: () => ({ seconds: this.now, nanoseconds: 0 }) },
      log: (level: string, message: string) => void this.lines.push(`${level}: ${message}`),
    };
    const device =
      image instanceof Uint8Array ? new MemoryDevice(image, { readOnly: options.writable !== true }) : image;
    this.fs = FileSystem.mount(device, options, environment);
    this.server = new Ext4Server(this.fs, serving);
    this.session = new Session(
      this.server.handlers(),
      this.server.sessionOptions(true, (message, error) => void this.lines.push(`${message}: ${error}`)),
    );
    this.ask("INIT", 0, { request: { major: 7, minor: 45, max_readahead: 131_072, flags: 0x7fff_ffff } });
  }

  /** A message that is not answered. */
  tell<K extends "FORGET" | "BATCH_FORGET">(name: K, nodeid: number, parts: RequestParts<K>): void {
    this.#unique += 2;
    const length = encodeRequest(this.#buffer, name, { uniqueLo: this.#unique, nodeid }, parts);
    assert.equal(this.session.handle(this.#buffer, length), 0);
  }

  /** One round trip; views in the result stand on the reply until the next. */
  ask<K extends OperationName>(
    name: K,
    nodeid: number,
    parts: RequestParts<K>,
    limit = 0,
    header: RequestHeader = {},
  ): DecodedReply<K> {
    this.#unique += 2;
    const length = encodeRequest(this.#buffer, name, { uniqueLo: this.#unique, nodeid, ...header }, parts);
    const replied = this.session.handle(this.#buffer, length);
    const reply = decodeReply(name, this.session.reply, replied, limit);
    assert.ok(reply !== undefined, `the kernel would refuse the reply to ${name} of ${replied} bytes`);
    assert.equal(reply.uniqueLo, this.#unique);
    return reply;
  }

  lookup(nodeid: number, name: string | Uint8Array): DecodedReply<"LOOKUP"> {
    return this.ask("LOOKUP", nodeid, { names: [bytes(name)] });
  }

  /** The node id that a path leads to. */
  node(path: string): number {
    let nodeid = ROOT;
    for (const name of path.split("/").filter((part) => part !== "")) {
      const [entry] = this.lookup(nodeid, name).out;
      assert.ok(entry !== undefined && entry.nodeid !== 0, `${path} is there`);
      nodeid = entry.nodeid;
    }
    return nodeid;
  }

  read(nodeid: number, offset: number, size: number): Uint8Array {
    const reply = this.ask("READ", nodeid, { request: { offset, size } }, size);
    assert.equal(reply.error, 0);
    return reply.data.slice();
  }
}

export function bytes(text: string | Uint8Array): Uint8Array {
  return typeof text === "string" ? new TextEncoder().encode(text) : text;
}

export function text(data: Uint8Array): string {
  return new TextDecoder().decode(data);
}

/** A directory record of READDIR, or of READDIRPLUS with the attributes it came with. */
export interface Record {
  readonly name: string;
  readonly ino: number;
  readonly type: number;
  /** Cookie to go on from. */
  readonly next: bigint;
  readonly nodeid: number;
  readonly size: number;
}

const ENTRY_OUT = 128;

/** Takes the records of a reply apart as the kernel does; with `plus`, each begins with a fuse_entry_out. */
export function records(data: Uint8Array, plus: boolean): Record[] {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const list: Record[] = [];
  const prefix = plus ? ENTRY_OUT : 0;
  for (let at = 0; at < data.length; ) {
    const length = view.getUint32(at + prefix + 16, true);
    const name = data.subarray(at + prefix + 24, at + prefix + 24 + length);
    list.push({
      name: text(name),
      ino: Number(view.getBigUint64(at + prefix, true)),
      type: view.getUint32(at + prefix + 20, true),
      next: view.getBigUint64(at + prefix + 8, true),
      nodeid: plus ? Number(view.getBigUint64(at, true)) : 0,
      size: plus ? Number(view.getBigUint64(at + 48, true)) : 0,
    });
    at += prefix + 24 + length;
    at += -at & 7;
  }
  return list;
}
