// Oracles: e2fsck's replay; what had been written when the power went, sector by sector.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { after, describe, it } from "node:test";
import { MemoryDevice } from "../../src/device/memory.js";
import { type DeviceEvent, RecordingDevice } from "../../src/device/recording.js";
import { JOURNAL_MAGIC, JournalBlockType } from "../../src/format/journal.js";
import { ImageDirectory, missingTool } from "../images.js";
import { contentsOf, mountForWriting, writeFile } from "./writing.js";

const SECTOR = 512;
const images = new ImageDirectory();
after(() => images.remove());

/** Events of a workload on a journal whose log is full of rubbish, and what was there when it was synced. */
function workload(options: readonly string[], asyncCommit: boolean) {
  const path = images.make("image", "8M", ["-t", "ext4", "-b", "1024", "-J", "size=1", ...options]);
  const base = new Uint8Array(fs.readFileSync(path));
  const mounted = mountForWriting(new MemoryDevice(base));
  const mapping = { type: 0, flags: 0, offset: 0, length: 0, addr: 0, dev: 0 };
  const journal = mounted.inode(mounted.superblock.journalInode);
  for (let at = 1024; at < journal.size; at = mapping.offset + mapping.length) {
    mounted.iomapBegin(journal, at, journal.size - at, 0, mapping);
    const start = mapping.addr + at - mapping.offset;
    base.fill(0x6a, start, mapping.addr + mapping.length);
  }
  mounted.unmount();

  const device = new RecordingDevice(new MemoryDevice(base.slice()));
  const writable = mountForWriting(device, { asyncCommit });
  writeFile(writable, writable.root, "first", new Uint8Array(3000).fill(1));
  writable.sync();
  const before = contentsOf(new MemoryDevice(stateOf(base, device.events, device.events.length)));
  const synced = device.events.length;
  writeFile(writable, writable.root, "second", new Uint8Array(5000).fill(2));
  writable.sync();
  const afterwards = contentsOf(new MemoryDevice(stateOf(base, device.events, device.events.length)));
  return { base, events: device.events, synced, before, afterwards };
}

function stateOf(base: Uint8Array, events: readonly DeviceEvent[], count: number): Uint8Array {
  const image = base.slice();
  for (const event of events.slice(0, count)) if (event.kind === "write") image.set(event.bytes, event.offset);
  return image;
}

function isCommit({ bytes }: { readonly bytes: Uint8Array }): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset + bytes.length - 1024, 1024);
  return view.getUint32(0) === JOURNAL_MAGIC && view.getUint32(4) === JournalBlockType.commit;
}

/** What e2fsck makes of an image, which it must be able to repair. */
function repaired(image: Uint8Array): MemoryDevice {
  const path = images.file("state");
  fs.writeFileSync(path, image);
  const { status, stdout } = spawnSync("e2fsck", ["-fy", path], { encoding: "utf8" });
  assert.ok(status === 0 || status === 1, stdout);
  assert.doesNotMatch(stdout, /corrupt|invalid/i);
  return new MemoryDevice(new Uint8Array(fs.readFileSync(path)));
}

describe("a commit block of which one sector has arrived", { skip: missingTool("mke2fs", "e2fsck") ?? false }, () => {
  for (const [name, options] of [
    ["checksums v3", []],
    ["no checksums", ["-O", "^metadata_csum"]],
  ] as const) {
    it(`commits as a whole, or not at all, with ${name}`, () => {
      const { base, events, synced, before, afterwards } = workload(options, false);
      const commit = events.findLastIndex((event) => event.kind === "write" && isCommit(event));
      assert.ok(commit > synced);
      const { offset, bytes } = events[commit] as DeviceEvent & { kind: "write" };
      for (const [sector, expected] of [[0, afterwards] as const, [1, before] as const]) {
        const image = stateOf(base, events, commit);
        image.set(bytes.subarray(sector * SECTOR, (sector + 1) * SECTOR), offset + sector * SECTOR);
        assert.deepEqual(contentsOf(new MemoryDevice(image, { readOnly: true })), expected, `sector ${sector}`);
        assert.deepEqual(contentsOf(repaired(image)), expected, `sector ${sector}, by e2fsck`);
      }
    });
  }

  it("is written alone where no checksum of the whole transaction tells that it came first", () => {
    const { base, events, synced, before } = workload([], true);
    const lost = events.findLastIndex((event) => event.kind === "write" && isCommit(event));
    // The epoch before it holds the log's blocks and the data: without one of them, there is no commit block either.
    assert.equal(events[lost - 1]?.kind, "flush");
    for (let at = synced; at < lost; at++) {
      const image = stateOf(base, [...events.slice(0, at), ...events.slice(at + 1, lost - 1)], lost);
      assert.deepEqual(contentsOf(new MemoryDevice(image, { readOnly: true })), before, `without event ${at}`);
    }
  });

  it("comes after the data of files, with asynchronous commits and a checksum of the whole transaction too", () => {
    const { events, synced } = workload(["-O", "^metadata_csum"], true);
    const commit = events.findLastIndex((event) => event.kind === "write" && isCommit(event));
    const data = events.findLastIndex((event, at) => {
      return at >= synced && event.kind === "write" && event.bytes.length === 5 * 1024 && event.bytes[0] === 2;
    });
    assert.ok(data >= synced && commit > data);
    assert.ok(events.slice(data, commit).some(({ kind }) => kind === "flush"));
  });
});
