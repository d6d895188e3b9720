// Damage by hand and by seeded mutation. Each rule of the log has its error; nothing crashes, hangs or writes.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, before, describe, it } from "node:test";
import { crc32c } from "../../src/checksum/crc32c.js";
import { MemoryDevice } from "../../src/device/memory.js";
import { OverlayDevice } from "../../src/device/overlay.js";
import { lookup, readDirectory } from "../../src/dir/directory.js";
import { CorruptionError, FileSystemError, UnsupportedFeatureError } from "../../src/errors.js";
import { applyFastCommits } from "../../src/fast-commit/apply.js";
import { readInode } from "../../src/inode/inode-table.js";
import { openJournal } from "../../src/journal/journal-inode.js";
import { type Replay, replayJournal } from "../../src/journal/replay.js";
import { mapBlocks } from "../../src/map/map-blocks.js";
import { BlockMapping } from "../../src/map/mapping.js";
import { orphans } from "../../src/orphan/orphans.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import { cannotMakeImages, run, Shutdown, shell, Workshop } from "./dirty-image.js";

const workshop = new Workshop();
after(() => workshop.remove());

const BLOCK = 1024;

/** An image in memory whose journal can be poked, replayed and put back. */
class Patient {
  readonly bytes: Uint8Array;
  readonly device: MemoryDevice;
  readonly #blocks: number[] = [];
  readonly #pristine: Uint8Array;

  constructor(image: string) {
    this.bytes = new Uint8Array(fs.readFileSync(image));
    this.#pristine = this.bytes.slice();
    this.device = new MemoryDevice(this.bytes, { readOnly: true });
    const log = openJournal(openVolume(this.device));
    for (let block = 0; block < log.fastCommitEnd; block++) this.#blocks.push(log.locate(block));
  }

  /** Byte offset on the device of a byte of the journal. */
  at(block: number, offset: number): number {
    return this.#blocks[block]! * BLOCK + offset;
  }

  view(block: number): DataView {
    return new DataView(this.bytes.buffer, this.bytes.byteOffset + this.at(block, 0), BLOCK);
  }

  heal(): void {
    this.bytes.set(this.#pristine);
  }

  healBlock(block: number): void {
    this.bytes.set(this.#pristine.subarray(this.at(block, 0), this.at(block, BLOCK)), this.at(block, 0));
  }

  replay(): Replay {
    return replayJournal(openVolume(this.device));
  }

  refused(kind: string, about: RegExp): void {
    assert.throws(
      () => this.replay(),
      (error) => {
        assert.ok(error instanceof CorruptionError, String(error));
        assert.equal(error.kind, kind);
        assert.match(error.evidence, about);
        return true;
      },
    );
    this.heal();
  }
}

function journalled(name: string, features: string, open: string, commands: string): Patient {
  const image = workshop.make(name, ["-b", String(BLOCK), "-O", features], 8);
  const content = workshop.path("content");
  fs.writeFileSync(content, new Uint8Array(4 * BLOCK).fill(7));
  const script = workshop.path("commands");
  fs.writeFileSync(script, `${open}\n${commands.replaceAll("FILE", content)}\njc\n`);
  run("debugfs", ["-w", "-f", script, image]);
  return new Patient(image);
}

/** Blocks of the journal: 1 descriptor, 2 to 4 logged, 5 commit, 6 descriptor, 7 logged, 8 commit, 9 revoke, 10 commit. */
const TRANSACTIONS = "jw -b 5000,5003,5006 FILE\njw -b 5000 FILE\njw -r 5003";

describe("a damaged journal", { skip: cannotMakeImages }, () => {
  let plain: Patient;
  let checked: Patient;
  before(() => {
    plain = journalled("plain.img", "^64bit,^metadata_csum", "jo", TRANSACTIONS);
    checked = journalled("checked.img", "64bit,metadata_csum", "jo -c -v 3", TRANSACTIONS);
  });

  it("replays while it is whole", () => {
    for (const patient of [plain, checked]) {
      const { report } = patient.replay();
      assert.deepEqual([report.transactions, report.blocks, report.revoked], [3, 2, 1]);
    }
  });

  it("is refused by the rule that its superblock breaks", () => {
    const set = (offset: number, value: number) => plain.view(0).setUint32(offset, value);
    const rules: [offset: number, value: number, about: RegExp][] = [
      [0x0, 0, /magic/],
      [0x4, 1, /block type 1/],
      [0xc, 4096, /block size 4096/],
      [0x10, 5, /length 5/],
      [0x10, 0xffff_ffff, /length 4294967295/],
      [0x14, 0, /starts at block 0/],
      [0x14, 0x7fff_ffff, /starts at block/],
      [0x1c, 0x7fff_ffff, /recovery starts/],
    ];
    for (const [offset, value, about] of rules) {
      set(offset, value);
      plain.refused("journal-superblock", about);
    }
    set(0x28, 0x18);
    plain.refused("journal-superblock", /more than one kind/);
    checked.view(0).setUint8(0x50, 1);
    checked.refused("journal-superblock", /checksum type/);
    checked.view(0).setUint32(0x18, 99);
    checked.refused("journal-checksum", /journal superblock/);
    plain.view(0).setUint32(0x28, 0x20);
    plain.view(0).setUint32(0x54, 0xffff_0000);
    plain.refused("journal-superblock", /fast commits/);
    plain.view(0).setUint32(0x28, 0x80);
    assert.throws(
      () => plain.replay(),
      (error) => error instanceof UnsupportedFeatureError && error.features[0] === "FEATURE_I7",
    );
    plain.heal();
  });

  it("is refused when it is longer than any real one", () => {
    const image = workshop.copy(workshop.path("plain.img"), "long.img");
    run("debugfs", ["-w", "-R", "sif <8> size 4398046510080", image]);
    const bytes = new Uint8Array(fs.readFileSync(image));
    const log = openJournal(openVolume(new MemoryDevice(bytes)));
    new DataView(bytes.buffer).setUint32(log.locate(0) * BLOCK + 0x10, 0xffff_ffff);
    assert.throws(
      () => replayJournal(openVolume(new MemoryDevice(bytes))),
      (error) => error instanceof CorruptionError && /4294967295 blocks; at most 10240000/.test(error.message),
    );
  });

  it("is not replayed where it says that it is clean, and tells why it was aborted", () => {
    plain.view(0).setUint32(0x1c, 0);
    plain.view(0).setInt32(0x20, -5);
    const { device, report } = plain.replay();
    assert.equal(device, plain.device);
    assert.deepEqual([report.transactions, report.errno], [0, -5]);
    plain.heal();
  });

  it("ends where a transaction has no commit block", () => {
    for (const [block, transactions] of [
      [5, 0],
      [8, 1],
      [10, 2],
    ] as const) {
      plain.view(block).setUint32(0, 0);
      assert.equal(plain.replay().report.transactions, transactions);
      plain.heal();
      plain.view(block).setUint32(8, 77);
      assert.equal(plain.replay().report.transactions, transactions);
      plain.heal();
    }
  });

  it("is refused where a tag leads out of the device, a revoke block out of itself, a transaction out of the log", () => {
    plain.view(1).setUint32(12, 0xffff_fff0);
    plain.refused("journal-block", /block 4294967280 of/);
    plain.view(9).setUint32(12, 0xffff);
    plain.refused("journal-block", /revoke block is longer/);
    // A log of nothing but descriptor blocks of one transaction that never ends.
    const { last } = openJournal(openVolume(plain.device));
    for (let block = 1; block < last; block++) {
      plain.view(block).setUint32(0, 0xc03b3998);
      plain.view(block).setUint32(4, 1);
      plain.view(block).setUint32(8, 1);
      for (let at = 12; at + 8 <= BLOCK; at += 8) plain.view(block).setUint32(at + 4, 2);
    }
    plain.refused("journal-block", /longer than the log/);
    for (let block = 1; block < last; block++) plain.view(block).setUint32(4, 5);
    for (let block = 1; block < last; block++) plain.view(block).setUint32(0, 0xc03b3998);
    for (let block = 1; block < last; block++) plain.view(block).setUint32(8, 1);
    assert.equal(plain.replay().report.transactions, 0); // revoke blocks all around: the scan ends after one round
    plain.heal();
  });

  it("is refused where a checksum in the middle is wrong", () => {
    checked.bytes[checked.at(1, 40)]! ^= 1;
    checked.refused("journal-checksum", /descriptor or revoke block/);
    checked.bytes[checked.at(9, 900)]! ^= 1;
    checked.refused("journal-checksum", /descriptor or revoke block/);
    checked.bytes[checked.at(5, 20)]! ^= 1;
    checked.refused("journal-checksum", /the commit block of transaction 1/);
    checked.bytes[checked.at(7, 100)]! ^= 1;
    checked.refused("journal-checksum", /copy of block 5000/);
  });

  it("does not mind what a torn commit block has behind its header", () => {
    checked.bytes.fill(0x6a, checked.at(5, 512), checked.at(5, 1024));
    assert.equal(checked.replay().report.blocks, 2);
    checked.heal();
  });

  it("does not mind damage in copies that do not count", () => {
    checked.bytes[checked.at(3, 100)]! ^= 1; // revoked
    checked.bytes[checked.at(2, 100)]! ^= 1; // logged again later
    assert.equal(checked.replay().report.blocks, 2);
    checked.heal();
  });

  it("is taken for the left-over of an older log where the time of a wrong commit goes back", () => {
    checked.bytes[checked.at(6, 40)]! ^= 1;
    checked.view(8).setUint32(0x30, 0); // debugfs puts its seconds into the upper half
    assert.equal(checked.replay().report.transactions, 1);
    checked.heal();
  });

  it("is found by the copy of its inode in the superblock", () => {
    const image = workshop.path("plain.img");
    run("debugfs", ["-w", "-R", "clri <8>", image]);
    const { report } = replayJournal(openVolume(new MemoryDevice(fs.readFileSync(image))));
    assert.equal(report.transactions, 3);
  });
});

/** Small, fast, seeded: mulberry32. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** Replays and looks around; any error but the engine's own is a bug. */
function exercise(patient: Patient, seed: number): void {
  const started = performance.now();
  try {
    const replay = patient.replay();
    const { device, fastCommits } = replay;
    const volume = openVolume(fastCommits.length > 0 ? applyFastCommits(device, fastCommits) : device);
    orphans(volume);
    const mapping = new BlockMapping();
    for (const ino of [2, 11, 12, 13, 14, 20, 40]) {
      try {
        const inode = readInode(volume, ino);
        if (inode.isDirectory) {
          lookup(volume, inode, new Uint8Array([0x61]));
          readDirectory(volume, inode, 0, 0, () => true);
        } else {
          for (let at = 0, steps = 0; at < 4000 && steps < 4000; at += mapping.length, steps++) {
            mapBlocks(volume, inode, at, mapping);
          }
        }
      } catch (error) {
        if (!(error instanceof CorruptionError || error instanceof FileSystemError)) throw error;
      }
    }
  } catch (error) {
    const known =
      error instanceof CorruptionError || error instanceof UnsupportedFeatureError || error instanceof FileSystemError;
    assert.ok(known, `seed ${seed}: ${error instanceof Error ? error.stack : error}`);
  }
  const took = performance.now() - started;
  assert.ok(took < 2000, `seed ${seed} took ${took} ms`);
}

describe("a mutated journal", { skip: cannotMakeImages }, () => {
  it("never crashes or hangs the replay", () => {
    const patients = [
      journalled("f1.img", "^64bit,^metadata_csum", "jo", TRANSACTIONS),
      journalled("f2.img", "64bit,^metadata_csum", "jo", TRANSACTIONS),
    ];
    for (let seed = 1; seed <= 1500; seed++) {
      const patient = patients[seed % patients.length]!;
      const next = random(seed);
      const touched = new Set<number>();
      for (let count = 1 + next(4); count > 0; count--) {
        const block = next(12);
        touched.add(block);
        const offset = (next(3) === 0 ? next(256) : next(24)) * 4;
        const values = [0, 1, 2, 5, 0x7fff_ffff, 0xffff_ffff, next(9000), next(2 ** 32 - 1)];
        patient.view(block).setUint32(offset, values[next(values.length)]!);
      }
      exercise(patient, seed);
      for (const block of touched) patient.healBlock(block);
    }
  });

  it("never crashes or hangs on fast commits whose checksums are right", () => {
    let patient: Patient | undefined;
    let first = 0;
    for (let attempt = 0; attempt < 8; attempt++) {
      const image = workshop.make("fast.img", ["-b", String(BLOCK), "-O", "fast_commit"], 16);
      workshop.crash(image, "noatime,commit=300", Shutdown.noLogFlush, (at) => {
        shell(at, "mkdir d e; for i in 1 2 3 4 5 6 7 8 9; do echo $i > d/f$i; done; sync -f .");
        shell(
          at,
          "echo a > a; sync a; mkdir n; echo b > n/b; sync n/b; mv d/f1 e/g; sync e/g; rm d/f2; head -c 50000 /dev/urandom >> d/f3; sync d/f3; truncate -s 9 d/f3; sync d/f3",
        );
      });
      patient = new Patient(image);
      first = openJournal(openVolume(patient.device)).fastCommitFirst;
      if (patient.replay().report.fastCommits >= 4) break;
    }
    const whole = patient!;
    const { fastCommits, report } = whole.replay();
    assert.ok(report.fastCommits >= 4 && fastCommits.length > 10);
    const area = Math.min(report.fastCommits + 2, 16);
    let applied = 0;
    for (let seed = 1; seed <= 1500; seed++) {
      const next = random(seed);
      for (let count = 1 + next(3); count > 0; count--) {
        const view = whole.view(first + next(area - 1));
        const offset = next(2) === 0 ? next(60) * 4 : next(240);
        const values = [0, 1, 2, 3, 8, 255, 0xffff, 0x7fff_ffff, 0xffff_ffff, next(40), next(20000), next(2 ** 32 - 1)];
        const value = values[next(values.length)]!;
        if (next(2) === 0) view.setUint32(offset, value, true);
        else view.setUint16(offset, value & 0xffff, true);
      }
      seal(whole, first, area);
      exercise(whole, seed);
      try {
        const { device, fastCommits } = whole.replay();
        if (fastCommits.length > 0 && applyFastCommits(device, fastCommits).count > 0) applied++;
      } catch {}
      for (let block = 0; block < area; block++) whole.healBlock(first + block);
    }
    assert.ok(applied > 300, `${applied} of the mutated areas were applied: else their checksums were not right`);
  });

  it("leaves out a fast commit that is torn, and what follows", () => {
    const patient = new Patient(workshop.path("fast.img"));
    const first = openJournal(openVolume(patient.device)).fastCommitFirst;
    const { fastCommits } = patient.replay().report;
    patient.bytes[patient.at(first + 1, 30)]! ^= 1;
    const torn = patient.replay().report;
    assert.ok(torn.fastCommits < fastCommits);
    assert.match(torn.fastCommitsStopped ?? "", /wrong checksum|tag/);
    patient.heal();
    patient.view(first).setUint32(4, 1, true);
    assert.throws(() => patient.replay(), UnsupportedFeatureError);
  });
});

/** Puts right checksums behind the tags of a fast-commit area, as far as its tags can be followed. */
function seal(patient: Patient, first: number, blocks: number): void {
  let crc = 0;
  for (let block = first; block < first + blocks; block++) {
    const view = patient.view(block);
    const bytes = new Uint8Array(view.buffer, view.byteOffset, BLOCK);
    for (let at = 0; at + 4 <= BLOCK; ) {
      const end = at + 4 + view.getUint16(at + 2, true);
      if (end > BLOCK) return;
      if (view.getUint16(at, true) === 8 && end - at >= 12) {
        view.setUint32(at + 8, crc32c(crc, bytes, at, at + 8), true);
        crc = 0;
      } else crc = crc32c(crc, bytes, at, end);
      at = end;
    }
  }
}

describe("an overlay device", () => {
  it("gives every range what blocks, sources and escapes say", () => {
    const size = 40;
    const base = new Uint8Array(size * 8).map((_, at) => (at * 31 + 7) % 256);
    const prefix = new Uint8Array([1, 2, 3, 4]);
    const blocks = Float64Array.of(3, 4, 5, 6, 9, 12, 39);
    const sources = Float64Array.of(20, 21, 25, 26, 27, 0, 30);
    const escaped = Uint8Array.of(0, 1, 0, 0, 1, 0, 1);
    const device = new OverlayDevice(new MemoryDevice(base), 8, blocks, sources, escaped, prefix);
    const expected = base.slice();
    blocks.forEach((block, index) => {
      expected.set(base.subarray(sources[index]! * 8, sources[index]! * 8 + 8), block * 8);
      if (escaped[index] === 1) expected.set(prefix, block * 8);
    });
    for (let start = 0; start < expected.length; start++) {
      for (let end = start; end <= Math.min(expected.length, start + 90); end++) {
        const target = new Uint8Array(end - start);
        device.read(start, target);
        assert.deepEqual(target, expected.subarray(start, end));
      }
    }
    assert.throws(() => device.read(39 * 8, new Uint8Array(9)), { code: "ERR_EXT4_DEVICE" });
    assert.throws(() => device.write(0, prefix), { code: "ERR_EXT4_DEVICE" });
  });
});
