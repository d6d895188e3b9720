/** What the tests of the fake kernel do with each kind of file system. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { Ext4, FileSystem, MemoryDevice } from "@bulkhead/ext4";
import { withLoopMount } from "../system/loop.js";
import { FaultyGame } from "./game.js";
import { makeImage, STALE, type Variant, withCleanImage } from "./images.js";

export interface Trial {
  readonly variant: Variant;
  readonly cacheMappings: boolean;
  readonly seed: number;
}

/**
 * Plays, unmounts, and has e2fsck and the kernel's ext4 look at what is there. Every second time nothing is flushed before: what the
 * server has written is in the page cache alone, for as long as that likes.
 */
export function playAndCompare({ variant, cacheMappings, seed }: Trial, steps: number): void {
  const mount = { barrier: seed % 2 === 0 };
  const game = new FaultyGame(makeImage(variant), { blockSize: variant.blockSize, cacheMappings, mount }, seed);
  game.play(steps);
  const { image, contents } = game.end();
  withCleanImage(image, (path) => {
    withLoopMount(path, { options: ["ro"] }, (mountPoint) => {
      for (const [file, bytes] of contents) {
        const found = fs.readFileSync(join(mountPoint, file));
        assert.ok(Buffer.compare(found, bytes) === 0, `${file}: ${differ(found, bytes)}`);
      }
    });
  });
}

/** Plays on and on, and looks now and then at what a crash at that moment leaves. */
export function crashAndRecover({ variant, cacheMappings, seed }: Trial, crashes: number): void {
  const game = new FaultyGame(makeImage(variant), { blockSize: variant.blockSize, cacheMappings }, seed);
  for (let crash = 0; crash < crashes; crash++) {
    game.play(20);
    const { image, durable } = game.crash();
    const recovered = FileSystem.mount(new MemoryDevice(image, { readOnly: false }), { writable: true });
    recovered.unmount();
    recovered.close();
    withCleanImage(image, () => {});
    assertRecovered(image, durable);
  }
}

function differ(found: Uint8Array, wanted: Uint8Array): string {
  if (found.length !== wanted.length) return `${found.length} bytes, not ${wanted.length}`;
  const at = found.findIndex((byte, index) => byte !== wanted[index]);
  return `byte ${at} is ${found[at]}, not ${wanted[at]}`;
}

/** Nothing shows what the device held before, and what was synced and not touched since is whole. */
function assertRecovered(image: Uint8Array, durable: ReadonlyMap<string, Uint8Array>): void {
  const ext4 = Ext4.open(new MemoryDevice(image));
  try {
    for (const { name } of ext4.readDirectory("/")) {
      if (!/^f/.test(name)) continue;
      const bytes = ext4.readFile(`/${name}`);
      assert.ok(!bytes.includes(STALE), `${name} shows what the device held before, at ${bytes.indexOf(STALE)}`);
      const wanted = durable.get(name);
      if (wanted !== undefined) assert.ok(Buffer.compare(bytes, wanted) === 0, `${name}: ${differ(bytes, wanted)}`);
    }
    for (const name of durable.keys()) assert.ok(ext4.exists(`/${name}`), `${name} was synced`);
  } finally {
    ext4.close();
  }
}
