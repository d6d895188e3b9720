// Oracle: e2fsck -E journal_only, which replays the journal of a copy and touches nothing else; every block must be equal.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, describe, it } from "node:test";
import { FileDevice } from "../../src/device/file.js";
import { openJournal } from "../../src/journal/journal-inode.js";
import { type ReplayReport, replayJournal } from "../../src/journal/replay.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import {
  cannotMakeImages,
  lastWritten,
  needsRecovery,
  replayedByE2fsck,
  run,
  Shutdown,
  shell,
  Workshop,
} from "./dirty-image.js";

const workshop = new Workshop();
after(() => workshop.remove());

/** Replays the image and compares each block with the copy that e2fsck replayed. */
function assertReplaysAsE2fsck(image: string): ReplayReport & { readonly overlaid: number } {
  assert.ok(needsRecovery(image), "the workload left a dirty journal");
  const before = lastWritten(image);
  const truth = fs.readFileSync(replayedByE2fsck(workshop, image));
  const device = new FileDevice(fs, fs.openSync(image, "r"));
  try {
    const volume = openVolume(device);
    const log = openJournal(volume);
    const replay = replayJournal(volume);
    const { blockSize, blockCount } = volume.geometry;
    const superblock = volume.superblockBlock;
    const journal = log.locate(0);
    const wrong: number[] = [];
    const run = 64;
    const bytes = new Uint8Array(run * blockSize);
    for (let first = 0; first < blockCount; first += run) {
      const count = Math.min(run, blockCount - first);
      replay.device.read(first * blockSize, bytes.subarray(0, count * blockSize));
      for (let n = 0; n < count; n++) {
        const at = (first + n) * blockSize;
        if (first + n === superblock || first + n === journal) continue; // e2fsck marks both as recovered
        if (
          Buffer.compare(bytes.subarray(n * blockSize, (n + 1) * blockSize), truth.subarray(at, at + blockSize)) !== 0
        ) {
          wrong.push(first + n);
        }
      }
    }
    assert.deepEqual(wrong, [], "blocks that differ from e2fsck's replay");
    // Without the overlay they differ: otherwise this test proves nothing.
    let overlaid = 0;
    const raw = new Uint8Array(blockSize);
    for (let block = superblock + 1; block < blockCount; block++) {
      if (block === journal) continue;
      device.read(block * blockSize, raw);
      if (Buffer.compare(raw, truth.subarray(block * blockSize, (block + 1) * blockSize)) !== 0) overlaid++;
    }
    assert.equal(lastWritten(image), before, "the source is untouched");
    return { ...replay.report, overlaid };
  } finally {
    device.close();
  }
}

const work = `
  mkdir -p a/b/c; for i in $(seq 200); do echo "file $i" > a/b/f$i; done; sync .
  rm a/b/f1*; mv a/b/c d; sync .; ln a/b/f2 hard; ln -s /somewhere/else soft; sync .
  head -c 300000 /dev/urandom > big; truncate -s 1000 a/b/f3; sync .; chmod 600 hard; sync .`;
/** Directories that go away and whose blocks become data: the log must not be replayed over them. */
const revoking = `
  mkdir keep; for i in $(seq 50); do echo $i > keep/$i; done
  for round in 1 2 3; do
    mkdir many; for i in $(seq 400); do mkdir many/d$i; echo x > many/d$i/x; done; sync .
    rm -r many; sync .
    head -c 3000000 /dev/urandom > data$round; sync .
  done`;

const variants: [name: string, mke2fs: string[], mount: string, workload: string][] = [
  // name, options, workload; the journal's features are asserted where the name tells them
  ["4 KiB blocks, 64bit, checksum v3", ["-b", "4096", "-O", "64bit,metadata_csum"], "data=ordered", work],
  ["1 KiB blocks, 32-bit, no checksums", ["-b", "1024", "-O", "^64bit,^metadata_csum"], "data=ordered", work],
  ["1 KiB blocks, 64bit, no checksums", ["-b", "1024", "-O", "64bit,^metadata_csum"], "data=ordered", work],
  ["1 KiB blocks, 32-bit, checksum v3", ["-b", "1024", "-O", "^64bit,metadata_csum"], "data=ordered", work],
  ["checksum v1", ["-b", "1024", "-O", "^64bit,^metadata_csum"], "journal_checksum", work],
  [
    "checksum v1, asynchronous commits",
    ["-b", "4096", "-O", "64bit,^metadata_csum"],
    "journal_async_commit,data=writeback",
    work,
  ],
  [
    "checksum v3, asynchronous commits",
    ["-b", "4096", "-O", "metadata_csum"],
    "journal_async_commit,data=writeback",
    work,
  ],
  ["revokes, 4 KiB blocks", ["-b", "4096", "-O", "metadata_csum", "-J", "size=16"], "data=ordered", revoking],
  ["revokes, 32-bit, no checksums", ["-b", "1024", "-O", "^64bit,^metadata_csum"], "data=ordered", revoking],
  ["journalled data", ["-b", "4096"], "data=journal", work],
  [
    "journalled data that looks like journal blocks",
    ["-b", "1024"],
    "data=journal",
    `python3 -c "open('escaped','wb').write((bytes.fromhex('c03b3998')+bytes(508)+b'x'*512)*300)"; sync .
     python3 -c "open('b','wb').write(bytes.fromhex('c03b3998'))"; sync .`,
  ],
  [
    "a log that wrapped around",
    ["-b", "1024", "-J", "size=1"],
    "data=journal",
    `for i in $(seq 46); do head -c 60000 /dev/urandom > f$i; sync f$i; rm -f f$((i-3)); done; sync .`,
  ],
];

type Outcome = ReturnType<typeof assertReplaysAsE2fsck>;

const ATTEMPTS = 8;

/**
 * Anybody's `sync` of the whole machine commits at once and writes the logged blocks home. Nothing is left to show then, or what
 * was to be logged before its revoke never was: it is tried again.
 */
function crashed(
  mke2fs: string[],
  mount: string,
  workload: string,
  megabytes: number,
  revokes: boolean,
): [image: string, Outcome] {
  for (let attempt = 1; ; attempt++) {
    const image = workshop.make("dirty.img", mke2fs, megabytes);
    workshop.crash(image, mount, Shutdown.noLogFlush, (at) => shell(at, workload));
    const report = assertReplaysAsE2fsck(image);
    if ((report.overlaid > 0 && (report.revoked > 0 || !revokes)) || attempt === ATTEMPTS) return [image, report];
  }
}

describe("replay of a journal that the kernel left dirty", { skip: cannotMakeImages }, () => {
  for (const [name, mke2fs, mount, workload] of variants) {
    it(name, () => {
      const revokes = name.startsWith("revokes");
      const [image, report] = crashed(mke2fs, mount, workload, revokes ? 256 : 32, revokes);
      assert.ok(report.overlaid > 0, "e2fsck's replay changed the image");
      assert.ok(report.transactions > 0 && report.blocks > 0);
      if (revokes) assert.ok(report.revoked > 0, "there were revokes to obey");
      const features = /Journal features: *(.*)/.exec(run("dumpe2fs", ["-h", image]))?.[1] ?? "";
      assert.equal(/journal_checksum\b(?!_)/.test(features), name.includes("checksum v1"), features);
      assert.equal(features.includes("journal_checksum_v3"), !mke2fs.join().includes("^metadata_csum"), features);
      assert.equal(features.includes("journal_async_commit"), name.includes("asynchronous"), features);
      const dump = run("debugfs", ["-R", "logdump -a", image]);
      if (name.includes("looks like")) assert.match(dump, /\(flags 0x[13579bdf]\)/, "blocks are escaped");
      if (name.includes("wrapped")) {
        const places = [...dump.matchAll(/Found expected sequence \d+, type \d \(.*\) at block (\d+)/g)].map((m) =>
          Number(m[1]),
        );
        assert.ok(
          places.some((place, index) => index > 0 && place < places[index - 1]!),
          "the log wrapped around",
        );
      }
    });
  }
});

describe("replay of a journal that debugfs wrote", { skip: cannotMakeImages }, () => {
  /** Writes transactions: a line of debugfs commands each, blocks taken from a file of `content`. */
  function journalled(image: string, commands: string): void {
    const script = workshop.path("commands");
    fs.writeFileSync(script, commands);
    const said = run("debugfs", ["-w", "-f", script, image]);
    assert.doesNotMatch(said, /error|invalid|unknown/i, said);
  }

  for (const version of [2, 3]) {
    for (const is64Bit of [true, false]) {
      it(`checksum v${version}, ${is64Bit ? 64 : 32}-bit tags, escapes, revokes`, () => {
        const features = `${is64Bit ? "" : "^"}64bit,metadata_csum`;
        const image = workshop.make("dirty.img", ["-b", "1024", "-O", features], 16);
        const content = workshop.path("content");
        const bytes = new Uint8Array(8 * 1024).map((_, at) => (at * 7) % 251);
        for (const block of [0, 3, 7]) new DataView(bytes.buffer).setUint32(block * 1024, 0xc03b3998);
        fs.writeFileSync(content, bytes);
        const free = 9000;
        const blocks = Array.from({ length: 8 }, (_, n) => free + n * 3).join(",");
        journalled(
          image,
          `jo -c -v ${version}\njw -b ${blocks} ${content}\njw -b ${free} ${content}\njw -r ${free + 3},${free + 300}\njc\n`,
        );
        const report = assertReplaysAsE2fsck(image);
        assert.ok(report.overlaid > 0, "e2fsck's replay changed the image");
        assert.equal(report.blocks, 7);
        assert.equal(report.revoked, 1);
        assert.match(run("dumpe2fs", ["-h", image]), new RegExp(`journal_checksum_v${version}`));
      });
    }
  }
});
