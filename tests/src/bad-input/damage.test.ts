// Oracle: the engine's own contract. Whatever the bytes are, there is a result or a typed error with evidence; never another
// exception, a hang, or memory that grows with what an image claims.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type BlockDevice,
  crc32c,
  DeviceError,
  FileSystem,
  GroupDescriptorLayout,
  InodeLayout,
  MemoryDevice,
  SuperblockLayout,
} from "@bulkhead/ext4";
import { withoutLoopMounts } from "../facilities.js";
import { explore } from "./explore.js";
import { makeSpecimen, specimens } from "./specimen.js";

const skip = withoutLoopMounts();
const MAX_MILLISECONDS = 2000;
const SUPERBLOCK = 1024;

/** Notes which bytes are read while the tree is walked. */
class NotingDevice implements BlockDevice {
  readonly size: number;
  readonly readOnly = true;
  readonly touched = new Set<number>();
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.size = bytes.length;
  }

  read(offset: number, target: Uint8Array): void {
    if (!(offset >= 0 && offset + target.length <= this.size))
      throw new DeviceError("read", offset, target.length, "end");
    for (let block = Math.floor(offset / 1024); block * 1024 < offset + target.length; block++) this.touched.add(block);
    target.set(this.#bytes.subarray(offset, offset + target.length));
  }

  write(): void {
    throw new Error("a read-only exploration wrote");
  }
  flush(): void {}
  close(): void {}
}

/** Explores and complains about what takes long; a slow machine gets a second chance, a hang does not pass it. */
function exploreInTime(bytes: Uint8Array, what: string): ReturnType<typeof explore> {
  for (let attempt = 0; ; attempt++) {
    const start = performance.now();
    let findings: ReturnType<typeof explore>;
    try {
      findings = explore(new MemoryDevice(bytes, { readOnly: true }));
    } catch (error) {
      throw new Error(`${what}: ${error instanceof Error ? error.stack : error}`);
    }
    const took = performance.now() - start;
    if (took < MAX_MILLISECONDS) return findings;
    assert.ok(attempt === 0, `${what} took ${took.toFixed(0)} ms`);
  }
}

for (const specimen of specimens) {
  test(`every byte of the metadata damaged: ${specimen.name}`, { skip }, () => {
    const pristine = makeSpecimen(specimen);
    const device = new NotingDevice(pristine);
    const whole = explore(device);
    assert.deepEqual([...whole.kinds], [], "the undamaged image has nothing wrong");
    assert.ok(whole.inodes > 60, `${whole.inodes} inodes`);
    const bytes = pristine.slice();
    let noticed = 0;
    let damaged = 0;
    const before = process.memoryUsage().rss;
    for (const block of device.touched) {
      for (let at = block * 1024; at < (block + 1) * 1024; at++) {
        const value = bytes[at]!;
        // Zeroes in long runs are unused space: every eighth byte of those will do.
        if (value === 0 && at % 8 !== 0 && bytes[at - 1] === 0 && bytes[at + 1] === 0) continue;
        bytes[at] = value ^ (at % 2 === 0 ? 0xff : 1 << (at % 8));
        const findings = exploreInTime(bytes, `byte ${at} (block ${block}) from ${value} to ${bytes[at]}`);
        damaged++;
        if (!findings.opened || findings.kinds.size > 0) noticed++;
        bytes[at] = value;
      }
    }
    // What is not noticed is content without a rule: names, times, owners, free counts, unused space.
    assert.ok(noticed > damaged / 100, `${noticed} of ${damaged} damages noticed`);
    const growth = (process.memoryUsage().rss - before) / 1024 / 1024;
    assert.ok(growth < 400, `memory grew by ${growth.toFixed(0)} MiB`);
  });
}

test("every field set to 0, its maximum and a random value, with right checksums", { skip }, () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  };
  const specimen = specimens.find(({ name }) => name.includes("no checksums"))!;
  const pristine = makeSpecimen(specimen);
  const fs = FileSystem.mount(new MemoryDevice(pristine));
  const targets: {
    what: string;
    base: number;
    layout: typeof SuperblockLayout | typeof GroupDescriptorLayout | typeof InodeLayout;
  }[] = [
    { what: "superblock", base: SUPERBLOCK, layout: SuperblockLayout },
    { what: "group descriptor", base: 2048, layout: GroupDescriptorLayout },
  ];
  const { inodeSize, inodeCount } = fs.geometry;
  const table = new DataView(pristine.buffer).getUint32(2048 + GroupDescriptorLayout.offset.inodeTableLo, true) * 1024;
  for (let ino = 1; ino <= inodeCount; ino++) {
    const base = table + (ino - 1) * inodeSize;
    if (pristine[base] === 0 && pristine[base + 1] === 0) continue; // not in use
    targets.push({ what: `inode ${ino}`, base, layout: InodeLayout });
  }
  const bytes = pristine.slice();
  for (const { what, base, layout } of targets) {
    for (const [name, { offset, size }] of Object.entries(layout.fields)) {
      if (layout === GroupDescriptorLayout && offset >= 32) continue; // this image's descriptors have 32 bytes
      const start = base + offset;
      const saved = bytes.slice(start, start + size);
      for (const fill of [() => 0, () => 0xff, random, random]) {
        for (let at = start; at < start + size; at++) bytes[at] = fill();
        exploreInTime(bytes, `${what}.${name} = ${bytes.slice(start, start + size)} (seed ${seed})`);
        bytes.set(saved, start);
      }
    }
  }
});

test("the checksum of the superblock made right for every value of its fields", { skip }, () => {
  const specimen = specimens.find(({ name }) => name.includes("metadata_csum"))!;
  const bytes = makeSpecimen(specimen);
  const view = new DataView(bytes.buffer);
  let opened = 0;
  for (const [name, { offset, size }] of Object.entries(SuperblockLayout.fields)) {
    if (name === "checksum") continue;
    const start = SUPERBLOCK + offset;
    const saved = bytes.slice(start, start + size);
    for (const value of [0, 1, 0x7f, 0xff]) {
      bytes.fill(value, start, start + size);
      view.setUint32(SUPERBLOCK + 0x3fc, crc32c(0xffffffff, bytes, SUPERBLOCK, SUPERBLOCK + 0x3fc), true);
      if (exploreInTime(bytes, `superblock.${name} filled with ${value}`).opened) opened++;
    }
    bytes.set(saved, start);
  }
  assert.ok(opened > 50, `${opened} still opened: the checksum was right`);
});

test("an image truncated at every block", { skip }, () => {
  for (const specimen of specimens) {
    const bytes = makeSpecimen(specimen);
    for (let end = 0; end < bytes.length; end += 1024) {
      const findings = exploreInTime(bytes.subarray(0, end), `${specimen.name} truncated to ${end} bytes`);
      assert.ok(!findings.opened, `${specimen.name} truncated to ${end} bytes still opened`);
    }
    // With a block count to match, what is missing is met on the way.
    const view = new DataView(bytes.buffer);
    for (let end = 64; end < bytes.length / 1024; end += 7) {
      view.setUint32(SUPERBLOCK + 4, end, true);
      view.setUint32(SUPERBLOCK + 0x3fc, crc32c(0xffffffff, bytes, SUPERBLOCK, SUPERBLOCK + 0x3fc), true);
      exploreInTime(bytes.subarray(0, end * 1024), `${specimen.name} cut to ${end} blocks`);
    }
  }
});
