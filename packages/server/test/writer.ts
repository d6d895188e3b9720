import assert from "node:assert/strict";
import type { MountOptions } from "@bulkhead/ext4";
import type { ServerOptions } from "../src/server-options.js";
import { assertClean } from "./checked-image.js";
import { bytes, Client, ROOT, records } from "./client.js";
import { makeImage } from "./image.js";

const S_IFREG = 0o100000;
const ESTALE = -116;

/** A client of a writable mount; `closed` ends it and has e2fsck look. */
export class Writer extends Client {
  readonly image: Uint8Array;

  constructor(options: MountOptions = {}, serving: ServerOptions = {}) {
    const image = makeImage();
    super(image, { ...options, writable: true }, serving);
    this.image = image;
  }

  make(name: string, mode = S_IFREG | 0o644, dir = ROOT, caller = {}): number {
    const { error, out } = this.ask("MKNOD", dir, { request: { mode }, names: [bytes(name)] }, 0, caller);
    assert.equal(error, 0, name);
    return out[0]!.nodeid;
  }

  mkdir(name: string, dir = ROOT): number {
    const { error, out } = this.ask("MKDIR", dir, { request: { mode: 0o755 }, names: [bytes(name)] });
    assert.equal(error, 0, name);
    return out[0]!.nodeid;
  }

  write(node: number, offset: number, data: Uint8Array, write_flags = 0, flags = 0): number {
    const request = { offset, size: data.length, write_flags, flags };
    const { error, out } = this.ask("WRITE", node, { request, data });
    return error === 0 ? out[0]!.size : error;
  }

  attributes(node: number) {
    const { error, out } = this.ask("GETATTR", node, {});
    assert.equal(error, 0);
    const { size, mode, nlink, uid, gid, blocks, atime, mtime, ctime, atimensec, mtimensec, ctimensec } = out[0]!.attr;
    return { size, mode, nlink, uid, gid, blocks, atime, mtime, ctime, atimensec, mtimensec, ctimensec };
  }

  /** Whether the inode is in use; the errno is the answer's. */
  isThere(node: number): boolean {
    const { error } = this.ask("GETATTR", node, {});
    assert.ok(error === 0 || error === ESTALE, String(error));
    return error === 0;
  }

  forget(node: number, nlookup = 1): void {
    this.tell("FORGET", node, { request: { nlookup } });
  }

  names(dir = ROOT): string[] {
    const list = records(this.ask("READDIR", dir, { request: { size: 65_536 } }, 65_536).data, false);
    return list.map(({ name }) => name).filter((name) => !name.startsWith("."));
  }

  closed(): void {
    assert.deepEqual(this.lines, []);
    this.fs.unmount();
    assertClean(this.image);
  }
}
