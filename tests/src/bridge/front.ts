/**
 * A kernel's FUSE in front of an image that is open without a mount. What is asked of names and attributes goes to the image's server
 * as it comes; what is asked of file data is answered by the host in this process, which asks the server where, as always.
 */

import {
  AttrFlag,
  type Context,
  Fattr,
  FuseBatchForgetIn,
  FuseEntryOut,
  FuseForgetOne,
  FuseInHeader,
  FuseOutHeader,
  FuseSetattrIn,
  type Handlers,
  operations,
  Session,
  type Transport,
  WriteFlag,
} from "@bulkhead/fuse";
import type { Caller } from "@bulkhead/fuse/client";
import type { Image, ImageNode } from "@bulkhead/image";
import { Errno, errnoName } from "@bulkhead/linux";

/** Bytes of data in a message at most: what the image's socket takes. */
const MOST_DATA = 128 * 1024;

/** What the front's session answers by itself. */
const OURS: ReadonlySet<number> = new Set([
  operations.INIT.opcode,
  operations.READ.opcode,
  operations.WRITE.opcode,
  operations.FALLOCATE.opcode,
]);

/** What is answered with an entry. */
const ENTRIES: ReadonlySet<number> = new Set(
  Object.values(operations).flatMap(({ opcode, out: [first] }) => (first === FuseEntryOut ? [opcode] : [])),
);

export class Front {
  readonly #image: Image;
  readonly #transport: Transport;
  readonly #session: Session;
  readonly #nodes = new Map<number, ImageNode>();

  constructor(image: Image, transport: Transport) {
    this.#image = image;
    this.#transport = transport;
    const { client } = image.tree;
    this.#session = new Session(this.#handlers(), {
      want: [
        "DO_READDIRPLUS",
        "READDIRPLUS_AUTO",
        "CACHE_SYMLINKS",
        "NO_OPEN_SUPPORT",
        "NO_OPENDIR_SUPPORT",
        "DONT_MASK",
        "POSIX_ACL",
        ...(image.writable ? (["WRITEBACK_CACHE"] as const) : []),
      ],
      without: ["AUTO_INVAL_DATA", "ATOMIC_O_TRUNC"],
      timeGran: client.agreed.timeGran,
      maxWrite: MOST_DATA,
      log: (message, error) => console.error(message, error ?? ""),
    });
    const { onNotify } = client;
    client.onNotify = (code, payload) => {
      onNotify?.(code, payload);
      this.#notify(code, payload);
    };
  }

  /** Bytes of the longest request. */
  get requestCapacity(): number {
    return this.#session.requestCapacity;
  }

  /** Answers a request. */
  answer(request: Uint8Array, length: number): void {
    const view = new DataView(request.buffer, request.byteOffset, request.byteLength);
    const { opcode, nodeid, uid, gid, pid } = FuseInHeader.view(view, 0);
    if (OURS.has(opcode)) {
      this.#send(this.#session.reply, this.#session.handle(request, length));
      return;
    }
    const failure = this.#beforehand(opcode, nodeid, view, { uid, gid, pid });
    if (failure !== 0) {
      this.#refuse(view, failure);
      return;
    }
    const answer = this.#image.tree.client.relay(request, length);
    if (ENTRIES.has(opcode)) this.#learn(answer);
    if (answer.length > 0) this.#send(answer, answer.length);
  }

  /** An answer that tells of an inode spares asking for its attributes. */
  #learn(answer: Uint8Array): void {
    if (answer.length < FuseOutHeader.size + FuseEntryOut.size) return;
    const entry = FuseEntryOut.view(new DataView(answer.buffer, answer.byteOffset, answer.length), FuseOutHeader.size);
    const { nodeid } = entry;
    if (nodeid !== 0 && !this.#nodes.has(nodeid)) this.#nodes.set(nodeid, this.#image.tree.nodeOf(entry));
  }

  /** What the host has to do, or to forget, before the server hears of a request. 0, or the negative errno to answer. */
  #beforehand(opcode: number, nodeid: number, view: DataView, caller: Caller): number {
    switch (opcode) {
      case operations.SETATTR.opcode: {
        const request = FuseSetattrIn.view(view, FuseInHeader.size);
        const node = this.#node(nodeid);
        if (!node.isOutside) return 0;
        if (isForbidden(node, request.valid)) return -Errno.EPERM;
        if ((request.valid & Fattr.SIZE) === 0) return 0;
        const { size } = request;
        request.valid &= ~Fattr.SIZE;
        return this.#onBehalfOf(caller, () => this.#image.tree.data.resize(node, size));
      }
      case operations.FSYNC.opcode: {
        const node = this.#nodes.get(nodeid);
        return node === undefined ? 0 : this.#image.tree.data.flush();
      }
      case operations.IOCTL.opcode:
        // It may set flags that say what may be done with the data.
        this.#forget(nodeid);
        return 0;
      case operations.FORGET.opcode:
        this.#forget(nodeid);
        return 0;
      case operations.BATCH_FORGET.opcode: {
        const { count } = FuseBatchForgetIn.view(view, FuseInHeader.size);
        const first = FuseInHeader.size + FuseBatchForgetIn.size;
        for (let i = 0; i < count; i++) this.#forget(FuseForgetOne.view(view, first + i * FuseForgetOne.size).nodeid);
        return 0;
      }
      default:
        return 0;
    }
  }

  #handlers(): Handlers {
    const { data } = this.#image.tree;
    return {
      READ: (context, { offset }, window) => data.read(this.#nodeOf(context), offset, window),
      WRITE: (context, { offset, write_flags }, bytes, out) => {
        out.size = bytes.length;
        const write = () => this.#write(this.#nodeOf(context), offset, bytes);
        // Pages of the cache are the kernel's to write, whoever they are from.
        return (write_flags & WriteFlag.CACHE) !== 0 ? write() : this.#onBehalfOf(context, write);
      },
      FALLOCATE: (context, { mode, offset, length }) =>
        this.#onBehalfOf(context, () => data.fallocate(this.#nodeOf(context), mode, offset, length)),
    };
  }

  /** All of it, or an error: the kernel takes what is short for written, or for EIO. 0, or a negative errno. */
  #write(node: ImageNode, offset: number, bytes: Uint8Array): number {
    const { data } = this.#image.tree;
    // A page of the cache begins with what an append-only file holds there already.
    let done = (node.flags & AttrFlag.APPEND) === 0 ? 0 : Math.min(Math.max(node.size - offset, 0), bytes.length);
    if (done > 0) {
      const old = new Uint8Array(done);
      if (data.read(node, offset, old) < done || Buffer.compare(old, bytes.subarray(0, done)) !== 0)
        return -Errno.EPERM;
    }
    while (done < bytes.length) {
      const put = data.write(node, offset + done, bytes.subarray(done));
      if (put <= 0) return put < 0 ? put : -Errno.EIO;
      done += put;
    }
    return 0;
  }

  /** Has the server asked for somebody who may not have all of the image's space. */
  #onBehalfOf<T>({ uid, gid, pid }: Caller, work: () => T): T {
    const { client } = this.#image.tree;
    const usual = client.caller;
    client.caller = { uid, gid, pid };
    try {
      return work();
    } finally {
      client.caller = usual;
    }
  }

  #nodeOf(context: Context): ImageNode {
    return this.#node(context.nodeid);
  }

  #node(nodeid: number): ImageNode {
    let node = this.#nodes.get(nodeid);
    if (node === undefined) {
      node = this.#image.tree.node(nodeid);
      this.#nodes.set(nodeid, node);
    }
    return node;
  }

  #forget(nodeid: number): void {
    if (this.#nodes.delete(nodeid)) this.#image.tree.data.forget(nodeid);
  }

  #refuse(request: DataView, failure: number): void {
    const reply = new Uint8Array(FuseOutHeader.size);
    const { uniqueLo, uniqueHi } = FuseInHeader.view(request, 0);
    FuseOutHeader.write(new DataView(reply.buffer), 0, { len: reply.length, error: failure, uniqueLo, uniqueHi });
    this.#send(reply, reply.length);
  }

  /** A notification for a kernel. One about mappings is not for this one: it says EINVAL, and nothing else comes of it. */
  #notify(code: number, payload: Uint8Array): void {
    const message = new Uint8Array(FuseOutHeader.size + payload.length);
    FuseOutHeader.write(new DataView(message.buffer), 0, { len: message.length, error: code });
    message.set(payload, FuseOutHeader.size);
    this.#transport.write(message, message.length);
  }

  #send(message: Uint8Array, length: number): void {
    if (length === 0) return;
    const sent = this.#transport.write(message, length);
    // Whoever asked was interrupted, or everybody is gone.
    if (sent < 0 && sent !== -Errno.ENOENT && sent !== -Errno.ENODEV)
      console.error(`a reply of ${length} bytes: ${errnoName(sent)}`);
  }
}

/** Whether flags of the inode, which this kernel does not know of FUSE's, forbid a change. An append-only file's times come late. */
function isForbidden({ flags }: ImageNode, valid: number): boolean {
  const { MODE, UID, GID, SIZE, ATIME, MTIME, CTIME, ATIME_NOW, MTIME_NOW } = Fattr;
  const owner = MODE | UID | GID;
  if ((flags & AttrFlag.IMMUTABLE) !== 0) {
    return (valid & (owner | SIZE | ATIME | MTIME | CTIME | ATIME_NOW | MTIME_NOW)) !== 0;
  }
  if ((flags & AttrFlag.APPEND) === 0) return false;
  return (valid & owner) !== 0 || ((valid & ATIME) !== 0 && (valid & ATIME_NOW) === 0);
}
