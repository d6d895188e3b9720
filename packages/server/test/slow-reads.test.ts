// Oracle: the rule that nothing outside of the file system's part of a disk is read, whatever its maps say.
import assert from "node:assert/strict";
import { closeSync } from "node:fs";
import { it } from "node:test";
import type { Inode } from "@bulkhead/ext4";
import type { Context } from "@bulkhead/fuse";
import { DeviceRegistry, IomapHost, type Mapping, MappingType, NULL_ADDR } from "@bulkhead/iomap/in-process";
import { eventfd, eventfdSignal } from "@bulkhead/linux";
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
    closeSync(waiting);
  }
});
