// Oracle: counting. What a device may hold after a crash follows from what was written and flushed.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type DeviceEvent, MemoryDevice, RecordingDevice } from "@bulkhead/ext4";
import { crashStates, randomFrom, SECTOR } from "./crash-states.js";
import { TrackedImage } from "./tracked-image.js";

const SIZE = 16 * SECTOR;

function recordOf(work: (device: RecordingDevice) => void): readonly DeviceEvent[] {
  const device = new RecordingDevice(new MemoryDevice(new Uint8Array(SIZE)));
  work(device);
  return device.events;
}

function write(device: RecordingDevice, sector: number, count: number, byte: number): void {
  device.write(sector * SECTOR, new Uint8Array(count * SECTOR).fill(byte));
}

function nothing(): TrackedImage {
  return new TrackedImage(new Uint8Array(SIZE), SECTOR);
}

/** The first byte of each sector, of each state: all different ones. */
function statesOf(events: readonly DeviceEvent[], seed = 1): string[] {
  const found = new Set<string>();
  for (const {
    image: { bytes },
  } of crashStates(nothing(), events, { scattered: 20, random: randomFrom(seed) })) {
    found.add(Array.from({ length: 4 }, (_, sector) => bytes[sector * SECTOR]).join(""));
  }
  return [...found].sort();
}

describe("crash states", () => {
  it("are all subsets of what is written between two flushes", () => {
    const events = recordOf((device) => {
      write(device, 0, 1, 1);
      write(device, 1, 2, 2);
    });
    assert.deepEqual(statesOf(events), ["0000", "0020", "0200", "0220", "1000", "1020", "1200", "1220"]);
  });

  it("hold all that was flushed, in the order in which it was", () => {
    const events = recordOf((device) => {
      write(device, 0, 1, 1);
      device.flush();
      write(device, 0, 1, 2);
      write(device, 1, 1, 2);
      device.flush();
      write(device, 2, 1, 3);
    });
    assert.deepEqual(statesOf(events), ["0000", "1000", "1200", "2000", "2200", "2230"]);
  });

  it("tear writes at the sectors of the device, not of the write", () => {
    const events = recordOf((device) => device.write(SECTOR / 2, new Uint8Array(SECTOR).fill(1)));
    const found = new Set<string>();
    for (const {
      image: { bytes },
    } of crashStates(nothing(), events, { scattered: 9, random: randomFrom(1) })) {
      found.add(`${bytes[SECTOR / 2]}${bytes[SECTOR - 1]}${bytes[SECTOR]}${bytes[SECTOR * 1.5 - 1]}`);
    }
    assert.deepEqual([...found].sort(), ["0000", "0011", "1100", "1111"]);
  });

  it("have in a sector what was written to it before, where the device was given a part of it again", () => {
    const events = recordOf((device) => {
      device.write(8, Uint8Array.of(1));
      device.write(9, Uint8Array.of(1));
    });
    const found = new Set<string>();
    for (const { image } of crashStates(nothing(), events, { scattered: 9, random: randomFrom(1) })) {
      found.add(image.bytes.subarray(8, 10).join(""));
    }
    assert.deepEqual([...found].sort(), ["00", "10", "11"]);
  });

  it("hold anything where something was discarded", () => {
    const events = recordOf((device) => {
      write(device, 0, 1, 1);
      device.flush();
      device.discard(0, SECTOR);
    });
    assert.deepEqual(statesOf(events), ["0000", "1000", `${0x5a}000`]);
  });

  it("are moments that leave something: a write of what is there already leaves nothing", () => {
    const events = recordOf((device) => {
      write(device, 0, 2, 0);
      write(device, 1, 1, 3);
      write(device, 1, 1, 0);
    });
    const states: string[] = [];
    for (const { image, issued } of crashStates(nothing(), events, { scattered: 9, random: randomFrom(1) })) {
      states.push(`${image.bytes[SECTOR]} after ${issued}`);
    }
    assert.deepEqual(states, ["0 after 0", "0 after 3", "3 after 2", "0 after 3", "0 after 3"]);
  });

  it("leave the device as it was", () => {
    const events = recordOf((device) => {
      for (let n = 0; n < 9; n++) write(device, n, 2, n + 1);
      device.flush();
      device.discard(0, 4 * SECTOR);
    });
    const image = nothing();
    for (const { label } of crashStates(image, events, { scattered: 2, random: randomFrom(1) })) {
      if (label.includes("events 10")) break;
    }
    assert.ok(image.bytes.every((byte) => byte === 0));
    assert.equal(image.differences().size, 0);
  });

  it("say between which events the crash came", () => {
    const events = recordOf((device) => {
      write(device, 0, 1, 1);
      device.flush();
      write(device, 1, 1, 2);
      write(device, 2, 1, 3);
      device.flush();
    });
    const moments = [...crashStates(nothing(), events, { scattered: 0, random: randomFrom(1) })].map(
      ({ issued, latest, label }) => `${issued} to ${latest}: ${label}`,
    );
    assert.ok(moments.includes("2 to 4: events 2 to 3: nothing"), moments.join("\n"));
    assert.ok(moments.includes("3 to 4: events 2 to 3: the first 1 of 2"), moments.join("\n"));
    assert.ok(moments.includes("4 to 4: events 2 to 3: all"), moments.join("\n"));
  });

  it("are the same for the same seed, and others for another", () => {
    const events = recordOf((device) => {
      for (let n = 0; n < 12; n++) write(device, n, 3, n + 1);
    });
    const labels = (seed: number) => {
      const options = { scattered: 3, mostPerEpoch: 9, random: randomFrom(seed) };
      return Array.from(crashStates(nothing(), events, options), ({ label, image }) => label + image.bytes.join(""));
    };
    assert.deepEqual(labels(4), labels(4));
    assert.notDeepEqual(labels(4), labels(5));
  });
});
