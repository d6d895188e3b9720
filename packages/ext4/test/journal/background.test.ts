// Oracles: what a recording device saw; e2fsck. Commits whose I/O goes on while operations do: see also the crashes in tests/src/crash.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, describe, it } from "node:test";
import { IoLater } from "../../src/device/io-later.js";
import { MemoryDevice } from "../../src/device/memory.js";
import { RecordingDevice } from "../../src/device/recording.js";
import { DeviceError, FileSystemError } from "../../src/errors.js";
import type { FileSystem } from "../../src/filesystem.js";
import { IomapOperation } from "../../src/iomap/flags.js";
import type { Transactions } from "../../src/journal/transactions.js";
import { BlockMapping } from "../../src/map/mapping.js";
import { ImageDirectory, missingTool, TestEnvironment } from "../images.js";
import { checkImage } from "../writable.js";
import { bytesOf, contentsOf, memoryOf, mountForWriting, remove, writeFile } from "./writing.js";

const skip = missingTool("mke2fs", "e2fsck") ?? false;
const images = new ImageDirectory();
after(() => images.remove());

interface Stage {
  readonly mounted: FileSystem;
  readonly transactions: Transactions;
  readonly memory: MemoryDevice;
  readonly device: RecordingDevice;
  readonly environment: TestEnvironment;
  create(name: string): void;
  flushes(): number;
}

/** Mounts an image whose background does nothing until it is waited for. */
function stage(...mke2fs: string[]): Stage {
  const image = images.make("image", "16M", ["-t", "ext4", "-b", "1024", "-J", "size=1", "-N", "512", ...mke2fs]);
  const memory = memoryOf(image);
  const device = new RecordingDevice(memory);
  const environment = new TestEnvironment();
  const mounted = mountForWriting(device, {}, environment);
  const transactions = mounted.volume.transactions!;
  transactions.background = new IoLater(() => 0);
  const create = (name: string) => {
    mounted.create(mounted.root, bytesOf(name), { mode: 0o100644, uid: 0, gid: 0 });
  };
  const flushes = () => device.events.filter(({ kind }) => kind === "flush").length;
  return { mounted, transactions, memory, device, environment, create, flushes };
}

/** Unmounts, and has e2fsck look. @returns what is there */
function finish({ mounted, memory }: Stage): string[] {
  mounted.unmount();
  const path = images.file("state");
  fs.writeFileSync(path, memory.bytes);
  checkImage(path);
  return contentsOf(new MemoryDevice(memory.bytes));
}

/** Counts answers. */
function counter(): { readonly done: (error: unknown) => void; count: number } {
  const answers = {
    count: 0,
    done(error: unknown) {
      assert.equal(error, undefined);
      answers.count++;
    },
  };
  return answers;
}

describe("a commit in the background", { skip }, () => {
  it("lets operations go on, and everybody who asks meanwhile share the next one", () => {
    const on = stage();
    const { transactions, create, flushes } = on;
    create("first");
    const before = flushes();
    const answers = counter();
    transactions.syncLater(undefined, false, answers.done);
    const first = transactions.tid;
    for (let n = 0; n < 16; n++) {
      create(`file${n}`);
      transactions.syncLater(
        on.mounted.inode(on.mounted.lookup(on.mounted.root, bytesOf(`file${n}`))),
        false,
        answers.done,
      );
    }
    assert.deepEqual([transactions.isCommitting, answers.count, flushes()], [true, 0, before], "nothing was done yet");
    transactions.wait();
    assert.equal(answers.count, 17);
    assert.equal(transactions.tid, first + 1, "two commits for 17 calls");
    assert.equal(flushes(), before + 4, "two flushes each");
    assert.equal(finish(on).length, 17);
  });

  it("does not come between a write behind the end of a file and the size that it makes", () => {
    const on = stage();
    const { mounted, transactions, memory, create } = on;
    let ready = false;
    transactions.background = new (class extends IoLater {
      override poll(): void {
        if (ready) this.wait();
      }
    })(() => 0);
    create("file");
    const inode = mounted.inode(mounted.lookup(mounted.root, bytesOf("file")));
    const answers = counter();
    transactions.syncLater(undefined, false, answers.done);
    const { tid } = transactions;
    transactions.syncLater(inode, false, answers.done);
    const mapping = { type: 0, flags: 0, offset: 0, length: 0, addr: 0, dev: 0 };
    mounted.iomapBegin(inode, 0, 3000, IomapOperation.write, mapping);
    memory.write(mapping.addr, new Uint8Array(3000).fill(7));
    ready = true;
    mounted.iomapEnd(inode, 0, 3000, 3000, IomapOperation.write, mapping);
    assert.deepEqual([transactions.tid, answers.count], [tid, 0], "nothing has ended");
    transactions.wait();
    const crashed = new MemoryDevice(memory.bytes.slice());
    mountForWriting(crashed).unmount();
    const path = images.file("crashed");
    fs.writeFileSync(path, crashed.bytes);
    checkImage(path);
    finish(on);
  });

  it("is waited for by who preallocates what a deletion has just freed", () => {
    const on = stage();
    const { mounted, transactions, create } = on;
    for (const name of ["filler", "file"]) create(name);
    const inodeOf = (name: string) => mounted.inode(mounted.lookup(mounted.root, bytesOf(name)));
    const { blocksFree: free } = mounted.statfs();
    const { blockSize } = mounted.geometry;
    mounted.fallocate(inodeOf("filler"), 0, 0, Math.floor(free * 0.9) * blockSize, true);
    transactions.commit();
    remove(mounted, mounted.root, "filler");
    const file = inodeOf("file");
    // Its handle is restarted, and what is freed is not durable then.
    mounted.fallocate(file, 0, 0, Math.floor(free * 0.5) * blockSize, true);
    assert.equal(file.size, Math.floor(free * 0.5) * blockSize);
    assert.equal(finish(on).length, 1);
  });

  it("is waited for by who is alone, and by an unmount", () => {
    const on = stage();
    const { mounted, transactions, create } = on;
    create("first");
    const answers = counter();
    transactions.syncLater(undefined, false, answers.done);
    create("second");
    mounted.fsync(mounted.inode(mounted.lookup(mounted.root, bytesOf("second"))));
    assert.deepEqual([transactions.isCommitting, answers.count], [false, 1]);
    create("third");
    transactions.syncLater(undefined, false, answers.done);
    assert.equal(finish(on).length, 3);
    assert.equal(answers.count, 2);
  });

  it("that fails while the file system is unmounted leaves the journal to be replayed", () => {
    const on = stage();
    const { mounted, transactions, create, device } = on;
    create("synced");
    mounted.sync();
    create("lost");
    const errors: unknown[] = [];
    transactions.syncLater(undefined, false, (error) => errors.push(error));
    device.flush = () => {
      throw new DeviceError("flush", 0, 0, "a test");
    };
    mounted.unmount();
    assert.equal(errors.length, 1);
    assert.ok(errors[0] instanceof FileSystemError);
    const found = contentsOf(new MemoryDevice(on.memory.bytes.slice()));
    assert.ok(
      found.some((line) => line.startsWith("/synced")),
      found.join(),
    );
  });

  it("is made by the clock, and nobody waits", () => {
    const on = stage();
    on.create("file");
    const before = on.flushes();
    on.environment.seconds += 6;
    on.mounted.tick();
    assert.deepEqual([on.transactions.isCommitting, on.flushes()], [true, before]);
    on.environment.seconds += 6;
    on.mounted.tick();
    on.transactions.wait();
    assert.equal(on.flushes(), before + 2);
    finish(on);
  });

  it("is followed by the next one when that is due, also if the clock was set back meanwhile", () => {
    const on = stage();
    on.create("first");
    on.transactions.syncLater(undefined, false, () => {});
    on.create("second");
    on.environment.seconds -= 3600;
    on.mounted.tick();
    assert.deepEqual([on.transactions.isCommitting, on.mounted.nextDeadline], [true, 0]);
    finish(on);
  });

  it("keeps what it freed from being used until it is durable", () => {
    const on = stage();
    const { mounted, transactions } = on;
    const { root } = mounted;
    const freed = writeFile(mounted, root, "freed", new Uint8Array(200_000).fill(1));
    mounted.sync();
    const place = new BlockMapping();
    mounted.mapBlocks(freed, 0, place);
    const [from, end] = [place.block * 1024, (place.block + place.length) * 1024];
    const { blocksAvailable } = mounted.statfs();
    remove(mounted, root, "freed");
    transactions.syncLater(undefined, false, () => {});
    // All that is left fits only if nothing of it is what was freed.
    const held = mounted.volume.allocator!.held;
    assert.ok(held >= 195, `${held} clusters`);
    const length = (blocksAvailable - 81) * 1024;
    const events = on.device.events.length;
    writeFile(mounted, root, "large", new Uint8Array(length).fill(2));
    assert.ok(transactions.isCommitting, "it did not have to wait");
    const writes = on.device.events.slice(events).flatMap((event) => (event.kind === "write" ? [event] : []));
    assert.ok(writes.some(({ bytes }) => bytes[0] === 2));
    for (const { offset, bytes } of writes) assert.ok(offset + bytes.length <= from || offset >= end, `at ${offset}`);
    transactions.wait();
    assert.equal(mounted.volume.allocator!.held, 0);
    assert.equal(finish(on).length, 1);
  });
});

describe("old transactions", { skip }, () => {
  for (const background of [false, true]) {
    it(`go home a few at a time, round and round the log${background ? ", in the background" : ""}`, () => {
      const on = stage();
      if (!background) on.transactions.background = undefined;
      let most = 0;
      for (let n = 0; n < 400; n++) {
        on.create(`file${n}`);
        const before = on.device.events.length;
        if (background) {
          on.transactions.syncLater(undefined, false, () => {});
          if (n % 3 === 0) on.transactions.wait();
        } else on.mounted.sync();
        const bytes = on.device.events
          .slice(before)
          .reduce((sum, event) => sum + (event.kind === "write" ? event.bytes.length : 0), 0);
        most = Math.max(most, bytes);
      }
      // The log has 1 MiB, and each commit a few KiB.
      assert.ok(most < 200_000, `${most} bytes in one commit`);
      assert.equal(finish(on).length, 400);
    });
  }
});
