/**
 * Oracles: what was written, read back by the host; e2fsck -fn; and the kernel's ext4 through a loop mount. The host is the one of
 * `@bulkhead/iomap`, with page cache and write-back, and device and server are as far apart as in a kernel.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { FileIdentity, IomapFile } from "@bulkhead/iomap";
import { withoutLoopMounts } from "../facilities.js";
import { Random } from "../images/random.js";
import { withLoopMount } from "../system/loop.js";
import { Clutter } from "./clutter.js";
import { makeImage, STALE, type Variant, variants, withCleanImage } from "./images.js";
import { WholeHost } from "./whole-host.js";

const { SEED } = process.env;
const seed = SEED === undefined ? Date.now() % 1_000_000 : Number(SEED);
const REACH = 200_000;

interface Played {
  file: IomapFile<FileIdentity>;
  bytes: Uint8Array;
}

/** One random operation on a file, and on what it is to hold. */
function step(played: Played, random: Random): void {
  const { file, bytes } = played;
  const pos = random.below(random.below(8) === 0 ? 200 : REACH);
  const length = 1 + random.below(random.below(4) === 0 ? 200 : 40_000);
  const grown = new Uint8Array(Math.max(bytes.length, pos + length));
  switch (random.below(12)) {
    case 0:
      assert.equal(file.truncate(pos), 0);
      played.bytes = new Uint8Array(pos);
      played.bytes.set(bytes.subarray(0, pos));
      break;
    case 1: {
      const failure = file.fallocate([0, 3, 0x10][random.below(3)]!, pos, length);
      assert.ok(failure === 0 || failure === -95, `fallocate answers ${failure}`);
      played.bytes = read(file);
      break;
    }
    case 2:
      assert.equal(file.fsync(), 0);
      break;
    case 3:
      assert.deepEqual(Buffer.compare(read(file), bytes), 0, "what is read");
      break;
    default: {
      const data = new Uint8Array(length).fill(1 + random.below(STALE - 1));
      const put = random.below(3) === 0 ? file.writeDirect(pos, data) : file.write(pos, data);
      assert.equal(put, length);
      grown.set(bytes);
      grown.set(data, pos);
      played.bytes = grown;
    }
  }
}

function read(file: IomapFile<FileIdentity>): Uint8Array {
  const bytes = new Uint8Array(file.size);
  assert.equal(file.read(0, bytes), bytes.length);
  return bytes;
}

function play(variant: Variant, cacheMappings: boolean, steps: number): void {
  const random = new Random(seed);
  const mount = { barrier: random.below(2) === 0 };
  const host = new WholeHost(makeImage(variant), { blockSize: variant.blockSize, cacheMappings, mount });
  const files = new Map<string, Played>();
  for (const name of ["a", "b", "c"]) files.set(name, { file: host.create(name), bytes: new Uint8Array(0) });
  const clutter = new Clutter(host.wire, (below) => random.below(below));
  for (let n = 0; n < steps; n++) {
    const [name, played] = [...files][random.below(files.size)]!;
    switch (random.below(20)) {
      case 0:
        clutter.step();
        break;
      case 1:
        clutter.attribute(played.file.identity.nodeid);
        break;
      case 2:
        host.wire.device.writeBack(() => random.below(2) === 0);
        break;
      case 3:
        played.file = host.evict(name, played.file);
        assert.equal(played.file.size, played.bytes.length);
        break;
      default:
        step(played, random);
    }
  }
  for (const { file, bytes } of files.values()) assert.equal(Buffer.compare(read(file), bytes), 0);
  host.unmount();
  withCleanImage(host.wire.device.platter, (path) => {
    withLoopMount(path, { options: ["ro"] }, (mountPoint) => {
      for (const [name, { bytes }] of files) {
        assert.equal(Buffer.compare(fs.readFileSync(join(mountPoint, name)), bytes), 0, name);
      }
    });
  });
}

describe(`the host with its page cache, over the wire, seed ${seed}`, { skip: withoutLoopMounts() }, () => {
  for (const variant of variants) {
    const cacheMappings = variant.blockSize === 4096;
    it(`writes what the kernel reads: ${variant.name}`, () => play(variant, cacheMappings, 80));
  }

  it("asks once: what was read and written is read and written again without an upcall", () => {
    const [variant] = variants;
    const host = new WholeHost(makeImage(variant!), { blockSize: 4096, cacheMappings: true });
    const file = host.create("f");
    const data = new Uint8Array(1 << 20).fill(7);
    assert.equal(file.write(0, data), data.length);
    assert.equal(file.fsync(), 0);
    assert.equal(file.readDirect(0, data), data.length);
    const begins = () => host.wire.asked.get("IOMAP_BEGIN") ?? 0;
    const before = begins();
    assert.equal(file.readDirect(0, data), data.length);
    assert.equal(file.writeDirect(4096, data.subarray(0, 65_536)), 65_536);
    assert.equal(file.readDirect(0, data), data.length);
    assert.equal(begins(), before);
    host.unmount();
    withCleanImage(host.wire.device.platter, () => {});
  });
});
