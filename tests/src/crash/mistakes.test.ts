// Oracle: mistakes that are made on purpose. The judge of crashes notices each.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { type BlockDevice, MemoryDevice, RecordingDevice } from "@bulkhead/ext4";
import { withoutTools } from "../facilities.js";
import { Actor } from "./actor.js";
import { campaign } from "./campaign.js";
import { Fsck } from "./e2fsck.js";
import { type Base, CRASH_IMAGES, makeBase } from "./images.js";
import { Judge } from "./judge.js";
import type { Operation } from "./sequences.js";
import { TrackedImage } from "./tracked-image.js";

/** Says that all is durable, and does nothing for it. */
class CarelessDevice extends RecordingDevice {
  override flush(): void {}
}

/** Writes what it is given last before what it is given first. */
class HastyDevice extends RecordingDevice {
  #flushes = 0;
  /** The flush between a transaction and its commit block is left out. */
  override flush(): void {
    if (this.#flushes++ % 2 === 0) super.flush();
  }
}

const SEED = 7;
/** Place of i_links_count in an inode. */
const LINKS = 0x1a;
const renames: Operation = {
  name: "rename, fsync",
  act: (actor) => {
    for (let n = 0; n < 4; n++) {
      actor.create("A/new");
      actor.write("A/new", 0, 3000);
      actor.rename("A/new", "B/bar");
      actor.fsync("B/bar");
    }
  },
};

describe("the judge of crashes notices", { skip: withoutTools("mke2fs", "e2fsck", "dumpe2fs") }, () => {
  const fsck = new Fsck();
  const base = () => makeBase(CRASH_IMAGES[0]!);
  after(() => fsck.close());

  async function complaints(on: Base, wrap?: (device: BlockDevice) => RecordingDevice): Promise<string> {
    const options = { seed: SEED, states: 400, workloads: [renames], mostPerWorkload: 400 };
    const { failures } = await campaign(on, fsck, { ...options, ...(wrap === undefined ? {} : { wrap }) });
    return failures.map(({ what }) => what).join("\n");
  }

  /** One state, changed by hand; all of the workload is synced. What the judge knows already is the state as it was. */
  async function complaint(
    spoil: (image: Uint8Array, actor: Actor, on: Base) => void,
    on: Base = base(),
  ): Promise<string> {
    const bytes = on.bytes.slice();
    const actor = new Actor(new MemoryDevice(bytes), on.model.clone(), {});
    renames.act(actor);
    actor.unmount();
    const events = actor.device.events.length;
    const image = new TrackedImage(on.bytes, on.blockSize);
    image.write(0, bytes);
    const judge = new Judge(on, fsck);
    const state = { image, issued: events, latest: events, label: "" };
    await judge.judge(actor, state, "as it was");
    spoil(bytes, actor, on);
    image.write(0, bytes);
    await judge.judge(actor, state, "by hand");
    await judge.finish();
    return judge.failures.map(({ label, what }) => `${label}: ${what}`).join("\n");
  }

  it("nothing where nothing is wrong", async () => {
    assert.equal(await complaints(base()), "");
    assert.equal(await complaint(() => {}), "");
  });

  it("a device that ignores flushes", async () => {
    const wrap = (device: BlockDevice) => new CarelessDevice(device);
    assert.match(await complaints(base(), wrap), /it shows none of the moments|our recovery/);
  });

  it("commit blocks that are not waited for", async () => {
    const wrap = (device: BlockDevice) => new HastyDevice(device);
    assert.notEqual(await complaints(base(), wrap), "");
  });

  it("a journal without barriers", async () => {
    const clean = base();
    const image = { ...clean.image, options: { barrier: false } };
    assert.match(await complaints({ ...clean, image }), /it shows none of the moments|our recovery|none of|byte/);
  });

  it("bytes that are nobody's in a file", async () => {
    const said = await complaint((image, { fs }) => {
      const inode = fs.inode(fs.lookup(fs.inode(fs.lookup(fs.root, Buffer.from("B"))), Buffer.from("bar")));
      const mapping = { type: 0, flags: 0, offset: 0, length: 0, addr: 0, dev: 0 };
      fs.iomapBegin(inode, 1024, 1, 0, mapping);
      image.set(Buffer.from("<f1.99.0________>"), mapping.addr + 1024 - mapping.offset);
    });
    assert.match(said, /\/B\/bar: byte 1024 to 1535 of 3000: "<f1\.99/);
  });

  it("what was synced and is gone", async () => {
    const said = await complaint((image, { fs }, on) => {
      image.set(on.bytes);
      assert.ok(fs.superblock.mountCount > 0);
    });
    assert.match(said, /it shows none of the moments/);
  });

  it("what was synced and is gone, in an image that it knows from when it was right", async () => {
    const on = base();
    const actor = new Actor(new MemoryDevice(on.bytes.slice()), on.model.clone(), {});
    renames.act(actor);
    const events = actor.device.events.length;
    const judge = new Judge(on, fsck);
    const image = new TrackedImage(on.bytes, on.blockSize);
    await judge.judge(actor, { image, issued: 0, latest: 0, label: "" }, "at the beginning");
    assert.deepEqual(judge.failures, []);
    await judge.judge(actor, { image, issued: 0, latest: events, label: "" }, "at the end");
    await judge.finish();
    assert.match(judge.failures.map(({ label, what }) => `${label}: ${what}`).join(), /^at the end: it shows none/);
    assert.deepEqual([judge.tally.states, judge.tally.images], [2, 1]);
  });

  it("what e2fsck finds in a file, and we do not", async () => {
    const unchecked = makeBase(CRASH_IMAGES.find(({ name }) => name === "1 KiB, no checksums")!);
    const said = await complaint((image, { fs }) => {
      const ino = fs.lookup(fs.inode(fs.lookup(fs.root, Buffer.from("B"))), Buffer.from("bar"));
      const { inodeTable } = fs.volume.descriptors.get(0)!;
      const at = inodeTable * fs.geometry.blockSize + (ino - 1) * fs.geometry.inodeSize;
      image[at + LINKS]!++;
    }, unchecked);
    assert.match(said, /by hand: our recovery, e2fsck -fn: 4/);
    assert.match(said, /by hand: our recovery \(-\) and e2fsck's \(\+\):\n- \/B\/bar: .* links 2/);
  });

  it("a block that is free and in use", async () => {
    const said = await complaint((image, { fs }) => {
      const bitmap = fs.volume.descriptors.get(0)!.blockBitmap * fs.geometry.blockSize;
      image[bitmap + 20]! ^= 0xff;
    });
    assert.match(said, /e2fsck/);
  });
});
