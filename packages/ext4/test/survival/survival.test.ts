// Oracles: a model of what operations leave, and e2fsck. A process dies at any of its writes, to the device or to the region; what it
// wrote before is there.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { after, describe, it } from "node:test";
import type { BlockDevice } from "../../src/device/device.js";
import { IoLater } from "../../src/device/io-later.js";
import { MemoryDevice } from "../../src/device/memory.js";
import { RecordingDevice } from "../../src/device/recording.js";
import { FileSystem, type MountOptions } from "../../src/filesystem.js";
import { KeptState } from "../../src/survival/kept-state.js";
import { ArrayRegion, type SurvivalRegion } from "../../src/survival/region.js";
import { ImageDirectory, missingTool, TestEnvironment } from "../images.js";
import { randomFrom } from "../journal/power-loss.js";
import { bytesOf, contentsOf, memoryOf, overwrite } from "../journal/writing.js";
import { checkImage } from "../writable.js";

const REGION_BYTES = 8 * 1024 * 1024;

/** A write, and where it goes: the device, or the region. */
interface Event {
  readonly target: "device" | "region";
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** Whether a death can leave half of it. */
  readonly divisible: boolean;
}

/** Notes what a process writes, in order. */
class Recorder {
  readonly events: Event[] = [];

  device(base: MemoryDevice): BlockDevice {
    return {
      size: base.size,
      readOnly: false,
      read: (offset, target) => base.read(offset, target),
      write: (offset, source) => {
        this.events.push({ target: "device", offset, bytes: source.slice(), divisible: true });
        base.write(offset, source);
      },
      flush: () => {},
      close: () => {},
    };
  }

  region(bytes: Uint8Array): SurvivalRegion {
    const base = new ArrayRegion(bytes);
    return {
      length: base.length,
      bytes: (offset, length) => base.bytes(offset, length),
      number: (offset) => base.number(offset),
      write: (offset, source) => {
        this.events.push({ target: "region", offset, bytes: source.slice(), divisible: true });
        base.write(offset, source);
      },
      setNumber: (offset, value) => {
        const number = new Uint8Array(Float64Array.of(value).buffer);
        this.events.push({ target: "region", offset, bytes: number, divisible: false });
        base.setNumber(offset, value);
      },
    };
  }
}

/** What is to be there: contents by path, undefined for a directory; and inodes without a name that are in use. */
interface Model {
  readonly paths: Map<string, Uint8Array | undefined>;
  readonly nameless: Map<number, number>;
}

type Step = (mounted: FileSystem, model: Model) => void;

const owner = { uid: 1000, gid: 1000 };
const name = bytesOf;

function contents(seed: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (at * 7 + seed) & 0xff);
}

function create(path: string, length: number): Step {
  return (mounted, { paths }) => {
    const inode = mounted.create(mounted.root, name(path), { mode: 0o100644, ...owner });
    const bytes = contents(path.length, length);
    if (length > 0) overwrite(mounted, inode, bytes);
    paths.set(`/${path}`, bytes);
  };
}

/** What operations do that are known to be difficult: blocks that are freed and used again, names that move, nameless files. */
const STEPS: readonly Step[] = [
  create("first", 5000),
  (mounted, { paths }) => {
    const dir = mounted.mkdir(mounted.root, name("dir"), { mode: 0o40755, ...owner });
    for (let n = 0; n < 40; n++)
      mounted.create(dir, name(`a rather long name, number ${n}`), { mode: 0o100600, ...owner });
    paths.set("/dir", undefined);
    for (let n = 0; n < 40; n++) paths.set(`/dir/a rather long name, number ${n}`, new Uint8Array(0));
  },
  create("second", 20_000),
  (mounted) => mounted.sync(),
  (mounted, { paths }) => {
    const dir = mounted.inode(mounted.lookup(mounted.root, name("dir")));
    mounted.rename(mounted.root, name("first"), dir, name("moved"));
    paths.set("/dir/moved", paths.get("/first"));
    paths.delete("/first");
  },
  (mounted, { paths, nameless }) => {
    const ino = mounted.lookup(mounted.root, name("second"));
    mounted.unlink(mounted.root, name("second"));
    nameless.set(ino, 20_000);
    paths.delete("/second");
  },
  (mounted, { nameless }) => {
    for (const ino of nameless.keys()) mounted.release(ino);
    nameless.clear();
  },
  create("third", 30_000),
  (mounted, { nameless }) => {
    const inode = mounted.tmpfile(mounted.root, { mode: 0o100600, ...owner });
    overwrite(mounted, inode, contents(9, 7000));
    nameless.set(inode.ino, 7000);
  },
  (mounted, { paths }) => {
    const dir = mounted.inode(mounted.lookup(mounted.root, name("dir")));
    for (let n = 0; n < 40; n += 2) {
      const victim = name(`a rather long name, number ${n}`);
      const ino = mounted.lookup(dir, victim);
      mounted.unlink(dir, victim);
      mounted.release(ino);
      paths.delete(`/dir/a rather long name, number ${n}`);
    }
  },
  (mounted) => {
    const inode = mounted.inode(mounted.lookup(mounted.root, name("third")));
    mounted.fsync(inode);
  },
  (mounted, { paths }) => {
    const inode = mounted.inode(mounted.lookup(mounted.root, name("third")));
    mounted.resize(inode, 3072);
    paths.set("/third", paths.get("/third")!.slice(0, 3072));
  },
  (mounted, { paths }) => {
    mounted.mkdir(mounted.root, name("short-lived"), { mode: 0o40755, ...owner });
    mounted.rmdir(mounted.root, name("short-lived"));
    mounted.symlink(mounted.root, name("link"), bytesOf("x".repeat(200)), owner);
    paths.set("/link", undefined);
  },
  create("fourth", 9000),
  (mounted) => mounted.sync(),
  create("fifth", 100),
];

function linesOf({ paths }: Model): string[] {
  return [...paths]
    .map(([path, bytes]) => {
      if (path === "/link") return `${path} -> ${hashOf(bytesOf("x".repeat(200)))}`;
      return bytes === undefined ? `${path} directory` : `${path} ${hashOf(bytes)}`;
    })
    .sort();
}

function hashOf(bytes: Uint8Array): string {
  return `${bytes.length} ${createHash("sha256").update(bytes).digest("hex").slice(0, 16)}`;
}

function mount(
  device: BlockDevice,
  region: SurvivalRegion,
  nameless: ReadonlyMap<number, number>,
  options: MountOptions,
) {
  const survival = { region, isInUse: (ino: number) => nameless.has(ino) };
  return FileSystem.mount(device, { wait: () => {}, ...options, writable: true, survival }, new TestEnvironment());
}

interface Life {
  readonly events: readonly Event[];
  /** How many events there were after each number of steps. */
  readonly keptAt: readonly number[];
  /** The last of so many steps that changed something: of others nothing is kept. */
  readonly lastChange: readonly number[];
  /** What is to be there after each number of steps. */
  readonly models: readonly Model[];
}

/** Does all steps in a process that does not die. */
function live(image: Uint8Array, options: MountOptions): Life {
  const recorder = new Recorder();
  const model: Model = { paths: new Map(), nameless: new Map() };
  const copy = (): Model => ({ paths: new Map(model.paths), nameless: new Map(model.nameless) });
  const region = recorder.region(new Uint8Array(REGION_BYTES));
  const mounted = mount(recorder.device(new MemoryDevice(image.slice())), region, model.nameless, options);
  const keptAt = [recorder.events.length];
  const lastChange = [0];
  const models = [copy()];
  STEPS.forEach((step, index) => {
    step(mounted, model);
    lastChange.push(mounted.kept!.isBehind ? index + 1 : lastChange[index]!);
    mounted.kept!.keep(Uint8Array.of(index + 1));
    keptAt.push(recorder.events.length);
    models.push(copy());
  });
  return { events: recorder.events, keptAt, lastChange, models };
}

/** What is there when a process dies after `count` events, in the middle of the next one if that can be. */
function deathAfter(count: number, image: Uint8Array, { events }: Life) {
  const left = { device: image.slice(), region: new Uint8Array(REGION_BYTES) };
  for (let n = 0; n < count; n++) left[events[n]!.target].set(events[n]!.bytes, events[n]!.offset);
  const next = events[count];
  if (next?.divisible === true) left[next.target].set(next.bytes.subarray(0, next.bytes.length >> 1), next.offset);
  return left;
}

describe("a process that dies", { skip: missingTool("mke2fs", "e2fsck") ?? false }, () => {
  const images = new ImageDirectory();
  after(() => images.remove());

  const variants: readonly [name: string, mke2fs: readonly string[], options?: MountOptions][] = [
    ["with a journal and checksums", ["-b", "1024", "-t", "ext4", "-O", "metadata_csum,64bit"]],
    ["with a journal, without checksums", ["-b", "4096", "-t", "ext3"]],
    ["without a journal", ["-b", "1024", "-t", "ext4", "-O", "^has_journal,metadata_csum"]],
    ["with quota and a file of orphans", ["-b", "4096", "-t", "ext4", "-O", "quota,orphan_file"]],
    ["with clusters", ["-b", "1024", "-t", "ext4", "-O", "bigalloc", "-C", "8192"]],
    ["that logs file data", ["-b", "1024", "-t", "ext4"], { data: "journal" }],
  ];
  for (const [variant, mke2fs, options = {}] of variants) {
    it(`${variant} leaves what it answered last: another one goes on from there`, () => {
      const seed = Number(process.env["SURVIVAL_SEED"] ?? Date.now() % 1_000_000);
      const samples = Number(process.env["SURVIVAL_SAMPLES"] ?? 12);
      const path = images.make(
        "survival.img",
        "16M",
        [...mke2fs, "-N", "512", "-J", "size=4"].slice(
          0,
          mke2fs.includes("^has_journal,metadata_csum") ? -2 : undefined,
        ),
      );
      const image = memoryOf(path).bytes;
      const life = live(image, options);
      const random = randomFrom(seed);
      const first = life.keptAt[0]!;
      const span = life.events.length - first;
      const point = (n: number) =>
        n % 3 === 0 ? life.keptAt[Math.floor(random() * life.keptAt.length)]! : first + Math.floor(random() * span);
      for (let n = 0; n < samples; n++) {
        const count = point(n);
        const label = `seed ${seed}, death after ${count} of ${life.events.length} events`;
        const left = deathAfter(count, image, life);
        const done = KeptState.of(new ArrayRegion(left.region))?.notes[0]?.[0] ?? 0;
        const answered = life.keptAt.filter((at) => at <= count).length - 1;
        const possible = life.lastChange.slice(answered, answered + 2);
        assert.ok(possible.includes(done), `${label}: ${done} steps are kept, ${answered} were answered`);
        goOn(left, life.models[done]!, options, label);
        fs.writeFileSync(path, left.device);
        try {
          checkImage(path);
        } catch (error) {
          assert.fail(`${label}: ${String(error)}`);
        }
        assert.deepEqual(contentsOf(new MemoryDevice(left.device)), linesOf(life.models[done]!), label);
      }
    });
  }

  it("has kept every block as it was, more of them than can have two slots, with commits under way", (context) => {
    const seed = Number(process.env["SURVIVAL_SEED"] ?? Date.now() % 1_000_000);
    context.diagnostic(`seed ${seed}`);
    const random = randomFrom(seed);
    const path = images.make("steps.img", "64M", ["-b", "1024", "-t", "ext4", "-N", "8192"]);
    const memory = memoryOf(path);
    const region = new ArrayRegion(new Uint8Array(REGION_BYTES));
    const mounted = mount(memory, region, new Map(), {});
    const { cache, geometry } = mounted.volume;
    const transactions = mounted.volume.transactions!;
    transactions.background = new IoLater(random);
    const directories = Array.from({ length: 8 }, (_, n) =>
      mounted.mkdir(mounted.root, name(`dir${n}`), { mode: 0o40755, ...owner }),
    );
    const files: [dir: number, name: string][] = [];
    let compared = 0;
    for (let n = 0; n < 4000; n++) {
      const victim = files.length > 0 && random() < 0.3 ? Math.floor(random() * files.length) : -1;
      if (victim >= 0) {
        const [dir, file] = files.splice(victim, 1)[0]!;
        const ino = mounted.lookup(directories[dir]!, name(file));
        mounted.unlink(directories[dir]!, name(file));
        mounted.release(ino);
      } else {
        const dir = Math.floor(random() * directories.length);
        const inode = mounted.create(directories[dir]!, name(`file ${n}`), { mode: 0o100644, ...owner });
        if (random() < 0.2) overwrite(mounted, inode, contents(n, 3000));
        files.push([dir, `file ${n}`]);
      }
      mounted.kept!.keep(Uint8Array.of(1));
      if (random() < 0.01) transactions.syncLater(undefined, false, (error) => assert.equal(error, undefined));
      if (random() < 0.5) transactions.poll();
      if (n % 10 !== 0) continue;
      for (const { block, data } of KeptState.of(region)!.blocks(geometry.blockSize, geometry.blockCount)) {
        const cached = cache.peek(block);
        // What is only sealed is not kept; the superblock's place has what is in memory.
        if (cached?.transaction !== transactions.tid || block === 1) continue;
        assert.deepEqual(data, cached.data, `seed ${seed}, operation ${n}, block ${block}`);
        compared++;
      }
    }
    mounted.unmount();
    assert.ok(compared > 10_000, `compared ${compared} blocks`);
    fs.writeFileSync(path, memory.bytes);
    checkImage(path);
  });

  /** Goes on with what a process left, uses what it had in use, and unmounts. */
  function goOn(
    left: { device: Uint8Array; region: Uint8Array },
    model: Model,
    options: MountOptions,
    label: string,
  ): void {
    const device = new RecordingDevice(new MemoryDevice(left.device));
    const mounted = mount(device, new ArrayRegion(left.region), model.nameless, options);
    // Nothing may be in its place before what the process that died had written, and not flushed.
    assert.equal(device.events[0]?.kind, "flush", `${label}: the first event`);
    for (const [ino, size] of model.nameless) {
      const inode = mounted.inode(ino);
      assert.deepEqual([inode.linksCount, inode.size], [0, size], `${label}: inode ${ino}`);
    }
    mounted.mkdir(mounted.root, name("after"), { mode: 0o40755, ...owner });
    mounted.rmdir(mounted.root, name("after"));
    mounted.unmount();
  }
});
