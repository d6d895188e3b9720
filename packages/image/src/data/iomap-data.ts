import { closeSync } from "node:fs";
import type { FuseClient } from "@bulkhead/fuse/client";
import { AttrFlag, Fattr } from "@bulkhead/fuse/protocol";
import {
  connectIomap,
  type FileAttributes,
  type FileIdentity,
  IoFlag,
  type IomapConnection,
  type IomapFile,
} from "@bulkhead/iomap";
import type { ImageNode } from "../node.js";
import type { Done, FileData, Give } from "./file-data.js";
import { FuseData } from "./fuse-data.js";
import type { ImageDevice } from "./image-device.js";
import { hear, IomapLink } from "./iomap-link.js";
import { Opens } from "./opens.js";

/** The number that the server's mappings name the image by: the first that a registry gives. */
export const DEVICE_ID = 1;
const EIO = -5;
/** Files whose mappings are remembered, and bytes of each one's at most: what is written here and there into reserved space comes in many pieces. */
const MOST_FILES = 256;
const MAPPING_CACHE = 1 << 20;

/**
 * File data by iomap: the server says where, and the bytes go between this process and the image itself, past any page cache but
 * the system's. Files that the server keeps to itself (their data goes through the journal) still go through it.
 */
export class IomapData implements FileData {
  readonly connection: IomapConnection<FileIdentity>;
  readonly #client: FuseClient;
  readonly #through: FuseData;
  readonly #opens: Opens;
  readonly #device: ImageDevice;
  readonly #fd: number;
  readonly #onError: (error: unknown) => void;
  #isClosed = false;
  /** Open files by node, those used longest ago first. */
  readonly #files = new Map<number, IomapFile<FileIdentity>>();
  /** Bytes that each of them had when it was opened. */
  readonly #sizes = new Map<number, number>();
  /** Number of the last request before a file was let go that had another size by then: nodes that are older may not know it. */
  #resizedAt = -1;

  /**
   * Makes the image known, and asks for the configuration.
   *
   * @param fd of the image, closed with this
   * @param onError is told of what its caller sees as an errno only: what the image's device threw, which rule an answer broke
   * @throws Error when the server's configuration is none
   */
  constructor(client: FuseClient, device: ImageDevice, fd: number, onError: (error: unknown) => void) {
    this.#client = client;
    this.#device = device;
    this.#fd = fd;
    this.#onError = onError;
    this.#through = new FuseData(client);
    this.#opens = new Opens(client);
    const link = new IomapLink(client);
    this.connection = connectIomap<FileIdentity>(link, {
      pageCache: { bytes: 1 << 20 },
      mappingCacheBytes: MAPPING_CACHE,
      onError,
    });
    client.onNotify = (code, payload) => hear(this.connection, code, payload);
    const id = this.connection.devices.open({ flags: 1, padding: 0, device });
    const failure = id === DEVICE_ID ? this.connection.configure(link.config()) : id;
    if (failure !== 0) throw new Error(`the server's configuration of iomap is refused (${failure})`);
  }

  read(node: ImageNode, position: number, target: Uint8Array): number {
    const file = this.#file(node);
    if (typeof file === "number") return file;
    if (file === undefined) return this.#through.read(node, position, target);
    return this.#answer(file.readDirect(position, target));
  }

  write(node: ImageNode, position: number, source: Uint8Array): number {
    const file = this.#file(node);
    if (typeof file === "number") return file;
    if (file === undefined) return this.#through.write(node, position, source);
    const written = this.#answer(file.writeDirect(position, source, IoFlag.partial));
    node.size = file.size;
    return written;
  }

  submitRead(node: ImageNode, position: number, target: Uint8Array, done: Done): number | undefined {
    const file = this.#file(node);
    if (typeof file === "number") return file;
    if (file === undefined) return this.#through.read(node, position, target);
    const result = file.submitRead(position, target, done);
    return result === undefined ? undefined : this.#answer(result);
  }

  submitWrite(node: ImageNode, position: number, source: Uint8Array, done: Done): number | undefined {
    const file = this.#file(node);
    if (typeof file === "number") return file;
    if (file === undefined) return this.#through.write(node, position, source);
    const written = (result: number) => {
      node.size = file.size;
      done(result);
    };
    const grows = position + source.length > file.size;
    const result = file.submitWrite(position, source, grows ? written : done, IoFlag.partial);
    node.size = file.size;
    return result === undefined ? undefined : this.#answer(result);
  }

  submitSync(node: ImageNode, dataOnly: boolean, done: Done): undefined {
    // What takes long is done when the server is asked, which is not to keep us waiting.
    this.#device.flushLater((error) => {
      if (error !== undefined) this.#onError(error);
      done(error === undefined ? this.#syncNow(node, dataOnly) : EIO);
    });
  }

  /** As `sync`, for whom nobody can catch anything: that the server is gone they see by themselves. */
  #syncNow(node: ImageNode, dataOnly: boolean): number {
    try {
      return this.sync(node, dataOnly);
    } catch (error) {
      if (this.#client.loss === undefined) throw error;
      return EIO;
    }
  }

  whenIdle(nodeid: number, run: () => void): void {
    const file = this.#files.get(nodeid);
    if (file === undefined) run();
    else file.whenIdle(run);
  }

  isUsing(nodeid: number): boolean {
    return this.#files.get(nodeid)?.isBusy === true;
  }

  get isBusy(): boolean {
    for (const file of this.#files.values()) if (file.isBusy) return true;
    return false;
  }

  writeStream(node: ImageNode, position: number, length: number, buffer: Uint8Array, give: Give): number {
    const file = this.#file(node);
    if (typeof file === "number") return file;
    if (file === undefined) return this.#through.writeStream(node, position, length, buffer, give);
    const written = this.#answer(file.streamIn(position, length, buffer, give));
    node.size = file.size;
    return written;
  }

  seek(node: ImageNode, offset: number, wanted: "data" | "hole"): number {
    const file = this.#file(node);
    if (typeof file === "number") return file;
    return file === undefined ? this.#through.seek(node, offset, wanted) : this.#answer(file.seek(offset, wanted));
  }

  resize(node: ImageNode, size: number): number {
    const file = this.#file(node);
    if (typeof file === "number") return file;
    if (file === undefined) return this.#through.resize(node, size);
    const failure = this.#answer(file.truncate(size));
    node.size = file.size;
    return failure;
  }

  fallocate(node: ImageNode, mode: number, offset: number, length: number): number {
    const file = this.#file(node);
    if (typeof file === "number") return file;
    if (file === undefined) return this.#through.fallocate(node, mode, offset, length);
    const failure = this.#answer(file.fallocate(mode, offset, length));
    node.size = file.size;
    return failure;
  }

  /** Whoever has the data keeps the times of writing it. */
  touch(node: ImageNode): number {
    if (!node.isOutside) return 0;
    const refusal = this.#opens.check(node);
    if (refusal !== 0) return refusal;
    const valid = Fattr.MTIME | Fattr.MTIME_NOW;
    return this.#client.call("SETATTR", node.id, { request: { valid } }).error;
  }

  sync(node: ImageNode, dataOnly: boolean): number {
    const file = this.#files.get(node.id);
    return file === undefined ? this.#through.sync(node, dataOnly) : this.#answer(file.fsync(dataOnly));
  }

  gone(nodeid: number): void {
    this.#opens.removed();
    this.forget(nodeid);
  }

  forget(nodeid: number): void {
    const file = this.#files.get(nodeid);
    if (file === undefined) return;
    file.evict();
    this.#files.delete(nodeid);
    if (file.size !== this.#sizes.get(nodeid)) this.#resizedAt = this.#client.requests;
    this.#sizes.delete(nodeid);
  }

  /** What was written is on its way to the image already; zeros at the edges of blocks may be in the page cache. */
  flush(): number {
    let failure = 0;
    for (const file of this.#files.values()) failure = this.#answer(file.flush()) || failure;
    return failure;
  }

  /** Nothing new begins; what is under way, where the server has died, is let end first. */
  close(): void {
    // The number of a closed descriptor is soon somebody else's: what is read or written by it then goes to another file.
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.connection.abort();
    const close = () => {
      this.#device.close();
      closeSync(this.#fd);
    };
    const busy = [...this.#files.values()].filter(({ isBusy }) => isBusy);
    let left = busy.length;
    // Not from within what brings the last one to its end.
    const ended = () => --left === 0 && queueMicrotask(close);
    for (const file of busy) file.whenIdle(ended);
    if (busy.length === 0) close();
  }

  /** Undefined where its data goes through the server; or the negative errno that open(2) gives. */
  #file(node: ImageNode): IomapFile<FileIdentity> | undefined | number {
    if (!node.isOutside) return undefined;
    const refusal = this.#opens.check(node);
    if (refusal !== 0) return refusal;
    let file = this.#files.get(node.id);
    if (file === undefined) {
      // There may be several nodes of a file: that it has grown through one of them is not known to the others.
      const failure = node.asOf <= this.#resizedAt ? this.#opens.renew(node) : 0;
      if (failure !== 0) return failure;
      file = this.connection.open({ nodeid: node.id, ino: node.stats.ino }, attributesOf(node));
      this.#sizes.set(node.id, file.size);
      for (const [oldest, other] of this.#files) {
        if (this.#files.size < MOST_FILES) break;
        // What could not be written is told by the next sync: until then somebody has to know it.
        if (!other.isBusy && other.flush() === 0) this.forget(oldest);
      }
    } else {
      this.#files.delete(node.id);
    }
    this.#files.set(node.id, file);
    return file;
  }

  /** A server that is gone is no I/O error of the image. @throws FuseConnectionError */
  #answer(result: number): number {
    if (result < 0 && this.#client.loss !== undefined) throw this.#client.loss;
    return result;
  }
}

function attributesOf({ size, stats: { blockSize }, flags }: ImageNode): FileAttributes {
  return {
    size,
    blockSize,
    sync: (flags & AttrFlag.SYNC) !== 0,
    append: (flags & AttrFlag.APPEND) !== 0,
    immutable: (flags & AttrFlag.IMMUTABLE) !== 0,
  };
}
