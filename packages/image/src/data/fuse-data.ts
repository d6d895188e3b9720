import type { FuseClient } from "@bulkhead/fuse/client";
import { Fattr, FsyncFlag } from "@bulkhead/fuse/protocol";
import type { ImageNode } from "../node.js";
import type { FileData, Give } from "./file-data.js";
import { Opens } from "./opens.js";

const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const EIO = -5;

/** File data in READ and WRITE: the server moves it, in as large pieces as a message takes. */
export class FuseData implements FileData {
  readonly #client: FuseClient;
  readonly #opens: Opens;

  constructor(client: FuseClient) {
    this.#client = client;
    this.#opens = new Opens(client);
  }

  read(node: ImageNode, position: number, target: Uint8Array): number {
    const refusal = this.#opens.check(node);
    if (refusal !== 0) return refusal;
    let done = 0;
    while (done < target.length) {
      const size = Math.min(target.length - done, this.#client.maxRead);
      const { error, data } = this.#client.call("READ", node.id, { request: { offset: position + done, size } });
      if (error !== 0) return done > 0 ? done : error;
      target.set(data, done);
      done += data.length;
      if (data.length < size) break;
    }
    return done;
  }

  write(node: ImageNode, position: number, source: Uint8Array): number {
    const refusal = this.#opens.check(node);
    if (refusal !== 0) return refusal;
    const { maxWrite } = this.#client.agreed;
    let done = 0;
    while (done < source.length) {
      const data = source.subarray(done, done + maxWrite);
      const { error, out } = this.#client.call("WRITE", node.id, {
        request: { offset: position + done, size: data.length },
        data,
      });
      if (error !== 0) return done > 0 ? done : error;
      const written = Math.min(out[0]?.size ?? 0, data.length);
      done += written;
      if (written < data.length) break;
    }
    node.grown(position + done);
    return done;
  }

  submitRead(node: ImageNode, position: number, target: Uint8Array): number {
    return this.read(node, position, target);
  }

  submitWrite(node: ImageNode, position: number, source: Uint8Array): number {
    return this.write(node, position, source);
  }

  submitSync(node: ImageNode, dataOnly: boolean): number {
    return this.sync(node, dataOnly);
  }

  whenIdle(_nodeid: number, run: () => void): void {
    run();
  }

  isUsing(): boolean {
    return false;
  }

  get isBusy(): boolean {
    return false;
  }

  writeStream(node: ImageNode, position: number, length: number, buffer: Uint8Array, give: Give): number {
    let done = 0;
    while (done < length) {
      const got = give(buffer.subarray(0, Math.min(buffer.length, length - done)), position + done);
      if (got <= 0) return got < 0 ? got : done;
      for (let put = 0; put < got; ) {
        const written = this.write(node, position + done, buffer.subarray(put, got));
        if (written <= 0) return written < 0 ? written : EIO;
        put += written;
        done += written;
      }
    }
    return done;
  }

  seek(node: ImageNode, offset: number, wanted: "data" | "hole"): number {
    const refusal = this.#opens.check(node);
    if (refusal !== 0) return refusal;
    const whence = wanted === "data" ? SEEK_DATA : SEEK_HOLE;
    const { error, out } = this.#client.call("LSEEK", node.id, { request: { offset, whence } });
    return error === 0 ? (out[0]?.offset ?? 0) : error;
  }

  resize(node: ImageNode, size: number): number {
    const refusal = this.#opens.check(node);
    if (refusal !== 0) return refusal;
    const { error } = this.#client.call("SETATTR", node.id, { request: { valid: Fattr.SIZE, size } });
    if (error === 0) node.size = size;
    return error;
  }

  fallocate(node: ImageNode, mode: number, offset: number, length: number): number {
    const refusal = this.#opens.check(node);
    if (refusal !== 0) return refusal;
    const { error } = this.#client.call("FALLOCATE", node.id, { request: { mode, offset, length } });
    if (error !== 0) return error;
    const [out] = this.#client.call("GETATTR", node.id, {}).out;
    if (out !== undefined) node.size = out.attr.size;
    return 0;
  }

  touch(): number {
    return 0;
  }

  sync(node: ImageNode, dataOnly: boolean): number {
    const request = { fsync_flags: dataOnly ? FsyncFlag.FDATASYNC : 0 };
    return this.#client.call("FSYNC", node.id, { request }).error;
  }

  forget(): void {}

  gone(): void {
    this.#opens.removed();
  }

  flush(): number {
    return 0;
  }

  close(): void {}
}
