/**
 * A file system with a disk in it: the file `disk`, which has an image's bytes, takes as long to read and write as a disk that has to seek,
 * and forgets what was written to it when it is unmounted. `asked` says what was asked of it so far, as JSON ({@link Asked}).
 */
import { fstatSync, openSync, readSync } from "node:fs";
import { type Attributes, DirentType, type FileSystem, type Handlers, ROOT_ID } from "@bulkhead/fuse";

/** One thing after the other, and no cache of its own. */
export interface Disk {
  /** Milliseconds until it is somewhere else. */
  readonly seek: number;
  /** The same for writes: on flash, which erases. */
  readonly writeSeek: number;
  /** MB/s. */
  readonly reading: number;
  readonly writing: number;
  /** Milliseconds. */
  readonly flush: number;
}

export interface DiskOptions {
  readonly image: string;
  readonly disk: Disk;
}

/** What a disk was asked for. */
export interface Asked {
  reads: number;
  bytesRead: number;
  writes: number;
  bytesWritten: number;
  /** Reads and writes that were not just behind the last one. */
  seeks: number;
  flushes: number;
}

const ENOENT = -2;
const EISDIR = -21;
const DIRECTORY = 0o040755;
const FILE = 0o100600;
const DISK_ID = 2;
const ASKED_ID = 3;
const NAMES = new Map([
  ["disk", DISK_ID],
  ["asked", ASKED_ID],
]);
const FOREVER = 86_400;
const FOPEN_DIRECT_IO = 1;

/** What is kept of a write goes by these: bytes. */
const BLOCK = 4096;
/** A gap that passes under the head sooner than it gets elsewhere: bytes. */
const NEAR = 128 * 1024;

export default function diskModel({ image, disk }: DiskOptions): FileSystem {
  const fd = openSync(image, "r");
  const { size } = fstatSync(fd);
  const written = new Map<number, Uint8Array>();
  const asked: Asked = { reads: 0, bytesRead: 0, writes: 0, bytesWritten: 0, seeks: 0, flushes: 0 };
  const alarm = new Int32Array(new SharedArrayBuffer(4));
  let head = 0;
  /** When all that was asked so far is done. */
  let idle = 0;

  function take(milliseconds: number): void {
    const now = performance.now();
    idle = Math.max(idle, now) + milliseconds;
    if (idle > now) Atomics.wait(alarm, 0, 0, idle - now);
  }

  function move(offset: number, length: number, seek: number, speed: number): void {
    const isNear = offset >= head && offset <= head + NEAR;
    if (!isNear) asked.seeks++;
    head = offset + length;
    take((isNear ? 0 : seek) + length / (speed * 1000));
  }

  function read(offset: number, window: Uint8Array): number {
    const length = readSync(fd, window, 0, window.length, offset);
    for (let at = offset - (offset % BLOCK); at < offset + length && written.size > 0; at += BLOCK) {
      const block = written.get(at);
      if (block === undefined) continue;
      const from = Math.max(at, offset);
      window.set(block.subarray(from - at, Math.min(BLOCK, offset + length - at)), from - offset);
    }
    return length;
  }

  function write(offset: number, data: Uint8Array): void {
    for (let at = offset - (offset % BLOCK); at < offset + data.length; at += BLOCK) {
      let block = written.get(at);
      if (block === undefined) {
        block = new Uint8Array(BLOCK);
        readSync(fd, block, 0, BLOCK, at);
        written.set(at, block);
      }
      const from = Math.max(at, offset);
      block.set(data.subarray(from - offset, at + BLOCK - offset), from - at);
    }
  }

  function describe(nodeid: number, attr: Attributes): void {
    attr.ino = nodeid;
    attr.mode = nodeid === ROOT_ID ? DIRECTORY : FILE;
    attr.nlink = 1;
    attr.size = nodeid === DISK_ID ? size : 0;
  }

  const handlers: Handlers = {
    LOOKUP(_context, name, entry) {
      const nodeid = NAMES.get(Buffer.from(name).toString());
      if (nodeid === undefined) return ENOENT;
      entry.entry_valid = FOREVER;
      entry.attr_valid = FOREVER;
      entry.nodeid = nodeid;
      describe(nodeid, entry.attr);
      return 0;
    },
    GETATTR(context, _request, reply) {
      reply.attr_valid = FOREVER;
      describe(context.nodeid, reply.attr);
      return 0;
    },
    SETATTR(context, _request, reply) {
      describe(context.nodeid, reply.attr); // times, of which it has none
      return 0;
    },
    READDIR(_context, { offset }, entries) {
      for (const [index, [name, nodeid]] of [...NAMES].entries())
        if (index >= offset && !entries.add(Buffer.from(name), nodeid, DirentType.REG, index + 1)) break;
      return 0;
    },
    OPEN(context, _request, reply) {
      reply.open_flags = FOPEN_DIRECT_IO; // the cache is that of the device on it
      return context.nodeid === ROOT_ID ? EISDIR : 0;
    },
    READ(context, { offset }, window) {
      if (context.nodeid === ASKED_ID) {
        const report = Buffer.from(JSON.stringify(asked)).subarray(offset);
        window.set(report.subarray(0, window.length));
        return Math.min(report.length, window.length);
      }
      const length = read(offset, window);
      asked.reads++;
      asked.bytesRead += length;
      move(offset, length, disk.seek, disk.reading);
      return length;
    },
    WRITE(_context, { offset }, data, out) {
      write(offset, data);
      asked.writes++;
      asked.bytesWritten += data.length;
      move(offset, data.length, disk.writeSeek, disk.writing);
      out.size = data.length;
      return 0;
    },
    FLUSH: () => 0,
    FSYNC() {
      asked.flushes++;
      take(disk.flush);
      return 0;
    },
  };
  return { handlers };
}
