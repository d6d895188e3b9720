// Oracle: mistakes that are made on purpose. The judge of crashes notices each.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { MemoryDevice, RecordingDevice } from "@bulkhead/ext4";
import { withoutTools } from "../facilities.js";
import { Actor } from "./actor.js";
import { campaign } from "./campaign.js";
import { Fsck } from "./e2fsck.js";
import { type Base, CRASH_IMAGES, makeBase } from "./images.js";
import { Judge } from "./judge.js";
import type { Operation } from "./sequences.js";

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

  async function complaints(on: Base, wrap?: (image: Uint8Array) => RecordingDevice): Promise<string> {
    const options = { seed: SEED, states: 400, workloads: [renames], mostPerWorkload: 400 };
    const { failures } = await campaign(on, fsck, { ...options, ...(wrap === undefined ? {} : { wrap }) });
    return failures.map(({ what }) => what).join("\n");
  }

  /** One state, changed by hand; all of the workload is synced. */
  async function complaint(spoil: (image: Uint8Array, actor: Actor, on: Base) => void): Promise<string> {
    const on = base();
    const image = on.bytes.slice();
    const actor = new Actor(image, on.model.clone(), {});
    renames.act(actor);
    actor.unmount();
    const events = actor.device.events.length;
    spoil(image, actor, on);
    const judge = new Judge(on, fsck);
    await judge.judge(actor, { image, issued: events, latest: events, label: "" }, "by hand");
    await judge.finish();
    return judge.failures.map(({ what }) => what).join("\n");
  }

  it("nothing where nothing is wrong", async () => {
    assert.equal(await complaints(base()), "");
    assert.equal(await complaint(() => {}), "");
  });

  it("a device that ignores flushes", async () => {
    const wrap = (image: Uint8Array) => new CarelessDevice(new MemoryDevice(image));
    assert.match(await complaints(base(), wrap), /it shows none of the moments|our recovery/);
  });

  it("commit blocks that are not waited for", async () => {
    const wrap = (image: Uint8Array) => new HastyDevice(new MemoryDevice(image));
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

  it("a block that is free and in use", async () => {
    const said = await complaint((image, { fs }) => {
      const bitmap = fs.volume.descriptors.get(0)!.blockBitmap * fs.geometry.blockSize;
      image[bitmap + 20]! ^= 0xff;
    });
    assert.match(said, /e2fsck/);
  });
});
