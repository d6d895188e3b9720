// Oracles: debugfs's dump_mmp, and e2fsck, which would refuse or wait.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { crc32c } from "../../src/checksum/crc32c.js";
import { FileSystemError } from "../../src/errors.js";
import type { FileSystem } from "../../src/filesystem.js";
import { MmpBlock, MmpSequence } from "../../src/format/mmp.js";
import { MultiMountProtection } from "../../src/mount/mmp.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import { ImageDirectory, missingLoopMount, run, TestEnvironment } from "../images.js";
import { checkImage } from "../writable.js";
import { bytesOf, mountForWriting, openForWriting } from "./writing.js";

const skip = missingLoopMount() ?? false;

describe("multi-mount protection", { skip }, () => {
  const images = new ImageDirectory();
  let image: string;
  const waits: number[] = [];
  const wait = (seconds: number) => void waits.push(seconds);
  const environment = new TestEnvironment();

  before(() => {
    image = images.make("image", "16M", ["-t", "ext4", "-O", "mmp", "-E", "mmp_update_interval=5"]);
  });
  after(() => images.remove());

  function sequence(): string {
    return /^sequence: (\S+)/m.exec(run("debugfs", ["-R", "dump_mmp", image]))![1]!;
  }

  function mount(): FileSystem {
    waits.length = 0;
    return mountForWriting(openForWriting(image), { wait, nodeName: "here", deviceName: "stick" }, environment);
  }

  it("takes a clean file system after the wait that finds a race, and lets go of it", () => {
    const mounted = mount();
    assert.deepEqual(waits, [11]);
    const shown = run("debugfs", ["-R", "dump_mmp", image]);
    assert.match(shown, /node_name: here/);
    assert.match(shown, /device_name: stick/);
    mounted.unmount();
    mounted.close();
    assert.match(sequence(), /ff4d4d50/i);
    checkImage(image);
  });

  it("refuses a file system that somebody uses, and takes one that nobody does any more", () => {
    const first = mount();
    assert.throws(
      () =>
        mountForWriting(openForWriting(image), {
          wait: () => {
            environment.seconds += 6;
            first.tick();
          },
        }),
      (error: unknown) => error instanceof FileSystemError && error.code === "EBUSY" && /"here"/.test(error.message),
    );
    first.close(); // as a crash: nobody lets go of it
    const second = mount();
    assert.deepEqual(waits, [11, 11]);
    second.unmount();
    second.close();
    checkImage(image);
  });

  it("is gone on with at once after a death, however long the wait was, and not when others may have come since", () => {
    const waiting = (seconds: number) => {
      environment.seconds += seconds;
    };
    const first = mountForWriting(openForWriting(image), { wait: waiting, nodeName: "here" }, environment);
    MultiMountProtection.takeOver(first.volume, { nodeName: "here" });
    environment.seconds += 11;
    const isBusy = (error: unknown) => error instanceof FileSystemError && error.code === "EBUSY";
    assert.throws(() => MultiMountProtection.takeOver(first.volume, { nodeName: "here" }), isBusy);
    first.close();
    const second = mount();
    second.unmount();
    second.close();
    checkImage(image);
  });

  it("updates its block every few seconds, and stops writing when another has taken the file system", () => {
    const mounted = mount();
    const before = sequence();
    environment.seconds += 4;
    mounted.tick();
    assert.equal(sequence(), before);
    environment.seconds += 1;
    assert.equal(mounted.nextDeadline, 0);
    mounted.tick();
    assert.notEqual(sequence(), before);
    // It stood still for a minute, and somebody else came.
    environment.seconds += 60;
    const other = mount();
    assert.throws(
      () => mounted.tick(),
      (error: unknown) => error instanceof FileSystemError && error.code === "EBUSY",
    );
    assert.throws(
      () => mounted.create(mounted.root, bytesOf("name"), { mode: 0o100644, uid: 0, gid: 0 }),
      (error: unknown) => error instanceof FileSystemError && error.code === "EROFS",
    );
    const during = sequence();
    mounted.unmount();
    mounted.close();
    assert.equal(sequence(), during, "the other's block is left alone");
    other.unmount();
    other.close();
    checkImage(image);
  });

  it("refuses what a file system check has taken", () => {
    const device = openForWriting(image);
    const volume = openVolume(device);
    const offset = volume.superblock.mmpBlock * volume.geometry.blockSize;
    const bytes = new Uint8Array(MmpBlock.size);
    device.read(offset, bytes);
    const fields = MmpBlock.at(new DataView(bytes.buffer), 0);
    fields.sequence = MmpSequence.fsck;
    fields.checksum = crc32c(volume.checksumSeed, bytes, 0, MmpBlock.offset.checksum);
    device.write(offset, bytes);
    device.close();
    assert.match(sequence(), /e24d4d50/i);
    assert.throws(mount, (error: unknown) => error instanceof FileSystemError && /check/.test(error.message));
  });
});
