/** The kernel's end of a connection with fuse-iomap, without a kernel: requests, replies, notifications, and the device. */
import assert from "node:assert/strict";
import { type BlockDevice, FileSystem, type MountOptions, systemEnvironment } from "@bulkhead/ext4";
import {
  type DecodedReply,
  decodeReply,
  encodeRequest,
  InitFlag,
  MemoryTransport,
  Notifier,
  type OperationName,
  type RequestParts,
  Session,
} from "@bulkhead/fuse";
import { Ext4Server } from "@bulkhead/server";
import { SplitDevice } from "./split-device.js";

/** The root has its inode's number, as with the mount option root_nodeid. */
export const ROOT = 2;
export const DEV = 3;

export interface WireOptions {
  readonly blockSize: number;
  readonly mount?: MountOptions;
  readonly cacheMappings?: boolean;
  readonly atomicWrites?: boolean;
}

export class Wire {
  readonly device: SplitDevice;
  readonly fs: FileSystem;
  readonly session: Session;
  readonly blockSize: number;
  readonly lines: string[] = [];
  /** Requests so far, by name. */
  readonly asked = new Map<string, number>();
  /** Notifications, whole. */
  readonly notified: Uint8Array[] = [];
  /** Answers notifications: 0, or a negative errno. */
  onNotify: (code: number, view: DataView) => number = () => 0;
  maxBytes = 0;
  readonly #buffer = new Uint8Array((1 << 20) + 4096);
  #unique = 0;

  constructor(image: Uint8Array, options: WireOptions) {
    const { blockSize, mount = {}, cacheMappings = false, atomicWrites = false } = options;
    this.blockSize = blockSize;
    this.device = new SplitDevice(image, blockSize);
    const environment = {
      ...systemEnvironment,
      log: (level: string, line: string) => void this.lines.push(`${level}: ${line}`),
    };
    this.fs = FileSystem.mount(this.device as BlockDevice, { writable: true, ...mount }, environment);
    const transport = new MemoryTransport();
    transport.verdict = (message) => {
      this.notified.push(message);
      const view = new DataView(message.buffer, message.byteOffset, message.length);
      return this.onNotify(view.getInt32(4, true), view) || message.length;
    };
    const notifier = new Notifier(transport);
    const iomap = { register: () => DEV, notifier: () => notifier, cacheMappings, atomicWrites, name: "a test" };
    const server = new Ext4Server(this.fs, { iomap });
    const log = (line: string, error?: unknown) => void this.lines.push(`${line}: ${String(error)}`);
    this.session = new Session(server.handlers(), server.sessionOptions(true, log));
    this.#start();
  }

  #start(): void {
    const flags2 = 1 << (InitFlag.IOMAP - 32);
    const [init] = this.done("INIT", 0, { request: { major: 7, minor: 99, flags: 0x7fff_ffff, flags2 } }).out;
    assert.equal(init?.minor, 99);
    assert.equal((init?.flags2 ?? 0) & flags2, flags2, "iomap was agreed on");
    const request = { flags: 0x7f, maxbytes: 2 ** 53 - 1, cache_maxbytes: 262_144 };
    const [config] = this.done("IOMAP_CONFIG", 0, { request }).out;
    assert.ok(config !== undefined);
    assert.equal(config.s_blocksize, this.blockSize);
    assert.equal(config.s_uuid_len, 16);
    this.maxBytes = config.s_maxbytes;
  }

  ask<K extends OperationName>(name: K, nodeid: number, parts: RequestParts<K>, limit = 0): DecodedReply<K> {
    this.#unique += 2;
    this.asked.set(name, (this.asked.get(name) ?? 0) + 1);
    const length = encodeRequest(this.#buffer, name, { uniqueLo: this.#unique, nodeid }, parts);
    const replied = this.session.handle(this.#buffer, length);
    const reply = decodeReply(name, this.session.reply, replied, limit);
    assert.ok(reply !== undefined, `the reply to ${name}, ${replied} bytes`);
    return reply;
  }

  /** As `ask`, for what must succeed. */
  done<K extends OperationName>(name: K, nodeid: number, parts: RequestParts<K>, limit = 0): DecodedReply<K> {
    const reply = this.ask(name, nodeid, parts, limit);
    assert.equal(reply.error, 0, `${name}: error ${reply.error}; ${this.lines.at(-1) ?? ""}`);
    return reply;
  }

  forget(nodeid: number): void {
    this.#unique += 2;
    const header = { uniqueLo: this.#unique, nodeid };
    const length = encodeRequest(this.#buffer, "FORGET", header, { request: { nlookup: 1 } });
    assert.equal(this.session.handle(this.#buffer, length), 0);
  }

  attributeFlags(nodeid: number): number {
    const [out] = this.done("GETATTR", nodeid, { request: {} }).out;
    return out?.attr.flags ?? 0;
  }

  /** Unmounts as a kernel with iomap does: SYNCFS, then DESTROY, which is waited for. */
  unmount(): void {
    this.done("SYNCFS", ROOT, { request: {} });
    this.done("DESTROY", 0, {});
    this.fs.close();
    assert.deepEqual(
      this.lines.filter((line) => /failed|error/.test(line)),
      [],
    );
  }
}
