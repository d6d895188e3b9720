/**
 * What a server keeps in blocks of its own beside files whose data is the kernel's: directories, links, attributes, data in the journal.
 * It comes and goes, so that its blocks become the files', and theirs its own.
 */
import assert from "node:assert/strict";
import type { OperationName, RequestParts } from "@bulkhead/fuse";
import { ROOT, type Wire } from "./wire.js";

const FILE = 0o100644;
const JOURNAL_DATA = 0x4000;
const ENOSPC = -28;
const SIZE = 8;

interface Piece {
  /** Checks that it is still what it was, changes it, or both. */
  readonly use: () => void;
  /** Takes all of it away. */
  readonly remove: () => void;
}

export class Clutter {
  readonly #kernel: Wire;
  readonly #random: (below: number) => number;
  readonly #pieces: Piece[] = [];
  #made = 0;

  /** @param random a whole number from 0 to below its argument */
  constructor(kernel: Wire, random: (below: number) => number) {
    this.#kernel = kernel;
    this.#random = random;
  }

  step(): void {
    const random = this.#random;
    const at = random(8);
    const piece = this.#pieces[at];
    if (piece === undefined) {
      const makers = [this.#directory, this.#link, this.#journalled];
      const made = makers[random(makers.length)]!.call(this, `c${this.#made++}`);
      if (made !== undefined) this.#pieces.push(made);
    } else if (random(2) === 0) {
      piece.use();
    } else {
      piece.remove();
      this.#pieces.splice(at, 1);
    }
  }

  /** An attribute of a file, large enough for a block of its own or for an inode, or none any more. */
  attribute(nodeid: number): void {
    const kernel = this.#kernel;
    const name = Buffer.from(`user.${this.#random(3)}`);
    if (this.#random(3) === 0) {
      const { error } = kernel.ask("REMOVEXATTR", nodeid, { names: [name] });
      assert.ok(error === 0 || error === -61, `removexattr answers ${error}`);
      return;
    }
    const data = this.#bytes(1 + this.#random(this.#random(2) === 0 ? 100 : 3000));
    if (!this.#succeeds("SETXATTR", nodeid, { request: { size: data.length }, names: [name], data })) return;
    const found = kernel.done("GETXATTR", nodeid, { request: { size: 4096 }, names: [name] }, 4096);
    assert.deepEqual(found.data, data);
  }

  /** A directory with names that take several blocks. */
  #directory(name: string): Piece | undefined {
    const dir = this.#make("MKDIR", ROOT, { request: { mode: 0o755 }, names: [Buffer.from(name)] });
    if (dir === undefined) return undefined;
    const names: Buffer[] = [];
    const more = () => {
      for (let count = 1 + this.#random(30); count > 0; count--) {
        const entry = Buffer.from(`${"a long name ".repeat(1 + this.#random(18))}${this.#made++}`);
        const made = this.#make("MKNOD", dir, { request: { mode: FILE }, names: [entry] });
        if (made === undefined) return;
        this.#kernel.forget(made);
        names.push(entry);
      }
    };
    more();
    return {
      use: () => {
        for (const entry of names.splice(0, names.length >> 1)) this.#kernel.done("UNLINK", dir, { names: [entry] });
        more();
        for (const entry of names)
          this.#kernel.forget(this.#kernel.done("LOOKUP", dir, { names: [entry] }).out[0]!.nodeid);
      },
      remove: () => {
        for (const entry of names) this.#kernel.done("UNLINK", dir, { names: [entry] });
        this.#kernel.done("RMDIR", ROOT, { names: [Buffer.from(name)] });
        this.#kernel.forget(dir);
      },
    };
  }

  /** A symbolic link whose target takes a block. */
  #link(name: string): Piece | undefined {
    const target = Buffer.alloc(100 + this.#random(800), name);
    const link = this.#make("SYMLINK", ROOT, { names: [Buffer.from(name), target] });
    if (link === undefined) return undefined;
    return {
      use: () => assert.deepEqual(Buffer.from(this.#kernel.done("READLINK", link, {}, 4096).data), target),
      remove: () => this.#remove(name, link),
    };
  }

  /** A file whose data goes through the journal, and which is the server's where there is one. */
  #journalled(name: string): Piece | undefined {
    const kernel = this.#kernel;
    const parent = Buffer.from(`${name} of`);
    const dir = this.#make("MKDIR", ROOT, { request: { mode: 0o755 }, names: [parent] });
    if (dir === undefined) return undefined;
    const inode = kernel.fs.inode(dir);
    kernel.fs.setFlags(inode, (inode.flags | JOURNAL_DATA) >>> 0);
    const file = this.#make("MKNOD", dir, { request: { mode: FILE }, names: [Buffer.from(name)] });
    let bytes = new Uint8Array(0);
    const remove = () => {
      if (file !== undefined) {
        kernel.done("UNLINK", dir, { names: [Buffer.from(name)] });
        kernel.forget(file);
      }
      kernel.done("RMDIR", ROOT, { names: [parent] });
      kernel.forget(dir);
    };
    if (file === undefined || kernel.fs.volume.transactions?.journalled !== true) return { use: () => {}, remove };
    const read = (size: number) => kernel.done("READ", file, { request: { offset: 0, size } }, size).data;
    const use = () => {
      assert.deepEqual(Buffer.from(read(100_000)), Buffer.from(bytes), "what went through the journal");
      const size = this.#random(40_000);
      if (this.#random(3) === 0) {
        kernel.done("SETATTR", file, { request: { valid: SIZE, size } });
        const other = new Uint8Array(size);
        other.set(bytes.subarray(0, size));
        bytes = other;
        return;
      }
      const data = this.#bytes(1 + this.#random(20_000));
      const { error, out } = kernel.ask("WRITE", file, { request: { offset: size, size: data.length }, data });
      if (error === ENOSPC) return;
      assert.equal(error, 0);
      const written = out[0]!.size;
      const other = new Uint8Array(Math.max(bytes.length, size + written));
      other.set(bytes);
      other.set(data.subarray(0, written), size);
      bytes = other;
    };
    use();
    return { use, remove };
  }

  #remove(name: string, nodeid: number): void {
    this.#kernel.done("UNLINK", ROOT, { names: [Buffer.from(name)] });
    this.#kernel.forget(nodeid);
  }

  #bytes(length: number): Uint8Array {
    return new Uint8Array(length).fill(1 + this.#random(200));
  }

  /** The node id of something new; undefined where there is no space. */
  #make<K extends "MKDIR" | "MKNOD" | "SYMLINK">(name: K, dir: number, parts: RequestParts<K>): number | undefined {
    const { error, out } = this.#kernel.ask(name, dir, parts);
    if (error === ENOSPC) return undefined;
    assert.equal(error, 0, `${name} answers ${error}`);
    return (out[0] as { readonly nodeid: number }).nodeid;
  }

  #succeeds<K extends OperationName>(name: K, nodeid: number, parts: RequestParts<K>): boolean {
    const { error } = this.#kernel.ask(name, nodeid, parts);
    assert.ok(error === 0 || error === ENOSPC, `${name} answers ${error}`);
    return error === 0;
  }
}
