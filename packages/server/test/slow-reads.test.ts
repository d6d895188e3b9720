// Oracle: the rule that nothing outside of the file system's part of a disk is read, whatever its maps say; the file's bytes.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import type { Inode } from "@bulkhead/ext4";
import type { Context } from "@bulkhead/fuse";
import { DeviceRegistry, IomapHost, type Mapping, MappingType, NULL_ADDR } from "@bulkhead/iomap/in-process";
import {
  eventfd,
  eventfdSignal,
  MessageFlag,
  Poll,
  PollSet,
  recv,
  SocketType,
  send,
  socketpair,
} from "@bulkhead/linux";
import { Counter } from "../src/io-job.js";
import { IoThread } from "../src/io-thread.js";
import { SlowReads } from "../src/slow-reads.js";

const BLOCK = 4096;

it("reads that other clients wait behind are handed over up to the device's end, and not beyond", () => {
  const size = 4 * BLOCK;
  const devices = new DeviceRegistry();
  const dev = devices.add({ size, read: () => assert.fail("the serving thread reads") });
  let addr = 0;
  const server = {
    begin(_file: Inode, pos: number, _count: number, _operation: number, read: Mapping, write: Mapping) {
      read.set(MappingType.mapped, pos, 2 * BLOCK, addr, dev);
      write.set(MappingType.pureOverwrite, pos, 2 * BLOCK, NULL_ADDR, 0);
      return 0;
    },
    end: () => 0,
    readInline: () => 0,
    writeInline: () => 0,
  };
  const waiting = eventfd();
  eventfdSignal(waiting);
  try {
    const reads = new SlowReads({
      host: new IomapHost<Inode>(server, devices, { blockSize: BLOCK, maxBytes: 2 ** 40 }),
      file: { fd: -1, start: 0 },
      size,
      connection: () => waiting,
      onError: () => {},
      thread: new IoThread(),
    });
    const inode = { ino: 12, size: 2 * BLOCK } as Inode;
    const context = {
      defer() {
        throw new Error("handed over");
      },
    } as unknown as Context;
    addr = size - 2 * BLOCK;
    assert.throws(() => reads.takeOver(context, inode, 0, 2 * BLOCK), /handed over/);
    addr = size - BLOCK;
    assert.equal(reads.takeOver(context, inode, 0, 2 * BLOCK), false);
    reads.close();
  } finally {
    fs.closeSync(waiting);
  }
});

const EIO = -5;
const HEADER = 16;
const PATIENCE = 10_000;

/** Reads of the first two blocks of an open file, for somebody who is not alone. */
function withReads(
  fd: number,
  work: (stage: {
    /** Takes what the others ask: from then on nobody waits. */
    leave(): void;
    readonly reads: SlowReads;
    readonly thread: IoThread;
    readonly errors: readonly Error[];
    take(unique: number): boolean;
    /** The next reply: its request, result and data. */
    reply(): { readonly unique: number; readonly error: number; readonly data: Uint8Array } | undefined;
  }) => void,
): void {
  const size = 2 * BLOCK;
  const devices = new DeviceRegistry();
  const dev = devices.add({ size, read: () => assert.fail("the serving thread waits") });
  const server = {
    begin(_file: Inode, pos: number, _count: number, _operation: number, read: Mapping, write: Mapping) {
      read.set(MappingType.mapped, pos, BLOCK, pos, dev);
      write.set(MappingType.pureOverwrite, pos, BLOCK, NULL_ADDR, 0);
      return 0;
    },
    end: () => 0,
    readInline: () => 0,
    writeInline: () => 0,
  };
  const [ours, theirs] = socketpair(SocketType.SEQPACKET);
  const thread = new IoThread();
  const errors: Error[] = [];
  const reads = new SlowReads({
    host: new IomapHost<Inode>(server, devices, { blockSize: BLOCK, maxBytes: 2 ** 40 }),
    file: { fd, start: 0 },
    size,
    connection: () => ours,
    onError: (error) => void errors.push(error),
    thread,
  });
  const inode = { ino: 12, size } as Inode;
  const message = new Uint8Array(HEADER + size);
  try {
    thread.settle();
    send(theirs, Uint8Array.of(1), 0, 1); // somebody else asks something
    work({
      leave: () => void recv(ours, message, 0, message.length, MessageFlag.DONTWAIT),
      reads,
      thread,
      errors,
      take(unique) {
        const token = { opcode: 15, uniqueLo: unique, uniqueHi: 0, least: 0, most: BLOCK, answered: false };
        return reads.takeOver({ defer: () => token } as unknown as Context, inode, 0, BLOCK);
      },
      reply() {
        const length = recv(theirs, message, 0, message.length, MessageFlag.DONTWAIT);
        if (length < HEADER) return undefined;
        const view = new DataView(message.buffer);
        const data = message.slice(HEADER, length);
        return { unique: view.getUint32(8, true), error: view.getInt32(4, true), data };
      },
    });
  } finally {
    reads.close();
    fs.closeSync(ours);
    fs.closeSync(theirs);
  }
}

function withFile(work: (fd: number, bytes: Uint8Array) => void): void {
  const directory = fs.mkdtempSync(join(tmpdir(), "bulkhead-slow-reads-"));
  try {
    const path = join(directory, "file");
    const bytes = Uint8Array.from({ length: 2 * BLOCK }, (_, at) => at % 251);
    fs.writeFileSync(path, bytes);
    const fd = fs.openSync(path, "r");
    try {
      work(fd, bytes);
    } finally {
      fs.closeSync(fd);
    }
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
}

it("what has come when nobody asks anything more is answered by the serving thread, in order", () => {
  withFile((fd, bytes) => {
    withReads(fd, ({ reads, thread, take, reply }) => {
      assert.ok(take(2) && take(4));
      assert.equal(reply(), undefined, "not before");
      const ready = new PollSet(1);
      ready.set(0, thread.wakeup, Poll.IN);
      assert.equal(ready.poll(0), 1, "the loop is told to look again");
      reads.lookAgain();
      const expected = bytes.slice(0, BLOCK);
      assert.deepEqual(reply(), { unique: 2, error: 0, data: expected });
      assert.deepEqual(reply(), { unique: 4, error: 0, data: expected });
      assert.equal(Atomics.load(thread.counters, Counter.jobs), 0);
    });
  });
});

it("what does not come is the other thread's after a moment; its failure is answered, and told", () => {
  // Of a socket nothing can be read at a place: as if the disk took its time, and then failed.
  const [fd, other] = socketpair(SocketType.STREAM);
  try {
    withReads(fd, ({ reads, errors, take, reply }) => {
      assert.ok(take(2));
      const until = performance.now() + PATIENCE;
      let answer: ReturnType<typeof reply>;
      while (answer === undefined && performance.now() < until) {
        reads.lookAgain();
        answer = reply();
      }
      assert.deepEqual([answer?.unique, answer?.error], [2, EIO]);
      reads.settle();
      assert.equal(errors.length, 1);
    });
  } finally {
    fs.closeSync(fd);
    fs.closeSync(other);
  }
});

it("nothing is under way when it is settled that nothing is", () => {
  withFile((fd, bytes) => {
    withReads(fd, ({ reads, take, reply }) => {
      assert.ok(take(2));
      reads.settle();
      assert.deepEqual(reply(), { unique: 2, error: 0, data: bytes.slice(0, BLOCK) });
      reads.lookAgain();
      assert.equal(reply(), undefined, "answered once");
    });
  });
});

it("who is alone and has missed once is not looked for again, until something is at hand or somebody else comes", () => {
  withFile((fd) => {
    withReads(fd, ({ reads, take, reply, leave }) => {
      assert.equal(reads.waitsAtOnce(), false, "nothing was missed yet");
      assert.ok(take(2));
      assert.equal(reads.waitsAtOnce(), false, "somebody waits, and a read is under way");
      reads.lookAgain();
      assert.equal(reply()?.unique, 2);
      assert.equal(reads.waitsAtOnce(), false, "somebody waits");
      leave();
      assert.equal(take(4), false, "alone");
      assert.equal(reads.waitsAtOnce(), true);
      reads.hit();
      assert.equal(reads.waitsAtOnce(), false);
    });
  });
});
