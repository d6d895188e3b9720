// Images that mke2fs made and e2fsck indexed, then broken rule by rule.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { after, before, describe, it, test } from "node:test";
import { sha256 } from "../../src/checksum/sha256.js";
import { MemoryDevice } from "../../src/device/memory.js";
import { lookup, readDirectory } from "../../src/dir/directory.js";
import { CorruptionError, type CorruptionKind, FileSystemError } from "../../src/errors.js";
import { InodeFlag } from "../../src/format/inode.js";
import type { Inode } from "../../src/inode/inode.js";
import { readInode } from "../../src/inode/inode-table.js";
import { mapBlocks } from "../../src/map/map-blocks.js";
import { BlockMapping } from "../../src/map/mapping.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import type { Volume } from "../../src/volume.js";
import { bytesOf, list, makeFolder, run, seededRandom, skipWithout } from "./images.js";

const NAMES = Array.from({ length: 600 }, (_, i) => `name-number-${i}`);
const BLOCK = 1024;

interface Broken {
  readonly volume: Volume;
  readonly dir: Inode;
  /** What was logged. */
  readonly log: string[];
}

/** Where a block of the directory lies on the device, in bytes. */
function offsetOf(volume: Volume, dir: Inode, fileBlock: number): number {
  const mapping = new BlockMapping();
  mapBlocks(volume, dir, fileBlock, mapping);
  return mapping.block * BLOCK;
}

function corrupt(kind: CorruptionKind) {
  return (error: unknown) => {
    assert.ok(error instanceof CorruptionError, String(error));
    assert.equal(error.kind, kind, error.message);
    return true;
  };
}

test("SHA-256 is that of Node's crypto, at every length around the block size", () => {
  for (let length = 0; length < 300; length++) {
    const data = Uint8Array.from({ length }, (_, i) => (i * 7 + length) & 0xff);
    assert.equal(Buffer.from(sha256(data)).toString("hex"), createHash("sha256").update(data).digest("hex"));
  }
});

describe("broken directories", { skip: skipWithout("mke2fs", "e2fsck") }, () => {
  let folder = "";
  const images = new Map<string, Uint8Array>();

  before(() => {
    folder = makeFolder();
    fs.mkdirSync(join(folder, "source/d"), { recursive: true });
    for (const name of NAMES) fs.writeFileSync(join(folder, "source/d", name), "");
    for (const [kind, options, index] of [
      ["plain", "^metadata_csum", true],
      ["linear", "^metadata_csum", false],
      ["checksums", "metadata_csum", true],
    ] as const) {
      const image = join(folder, kind);
      const features = `${options},^has_journal,^resize_inode`;
      run("mke2fs", [
        "-q",
        "-F",
        "-t",
        "ext4",
        "-b",
        "1024",
        "-N",
        "1024",
        "-O",
        features,
        "-d",
        join(folder, "source"),
        image,
        "4m",
      ]);
      if (index) spawnSync("e2fsck", ["-fyD", image]);
      images.set(kind, new Uint8Array(fs.readFileSync(image)));
    }
  });
  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  /** The directory of an image in which `change` has changed bytes: it gets the view and the place of a directory block. */
  function broken(
    kind: string,
    change: (view: DataView, at: (fileBlock: number) => number, dir: Inode) => void,
  ): Broken {
    const device = new MemoryDevice(images.get(kind)!.slice());
    const log: string[] = [];
    const environment = {
      ...openVolume(device).environment,
      log: (_level: string, line: string) => void log.push(line),
    };
    const volume = openVolume(device, {}, environment);
    const dir = readInode(volume, lookup(volume, readInode(volume, 2), bytesOf("d")));
    change(new DataView(device.bytes.buffer), (fileBlock) => offsetOf(volume, dir, fileBlock), dir);
    volume.cache.clear();
    return { volume, dir, log };
  }

  /** Every name is looked up, so that every leaf is read. */
  function findAll({ volume, dir }: Broken): number {
    return NAMES.filter((name) => lookup(volume, dir, bytesOf(name)) !== 0).length;
  }

  function bothThrow(kind: CorruptionKind, image: string, change: Parameters<typeof broken>[1]): void {
    assert.throws(() => findAll(broken(image, change)), corrupt(kind));
    const { volume, dir } = broken(image, change);
    assert.throws(() => list(volume, dir), corrupt(kind));
  }

  it("are whole before they are broken", () => {
    for (const kind of images.keys()) {
      const whole = broken(kind, () => {});
      assert.equal(findAll(whole), NAMES.length);
      assert.equal(list(whole.volume, whole.dir).length, NAMES.length + 2);
      assert.equal(whole.dir.has(InodeFlag.index), kind !== "linear");
      assert.deepEqual(whole.log, []);
    }
  });

  const entryRules: [rule: string, change: (view: DataView, entry: number) => void][] = [
    ["a record length of 0", (view, entry) => view.setUint16(entry + 4, 0, true)],
    ["a record length that is no multiple of 4", (view, entry) => view.setUint16(entry + 4, 22, true)],
    ["a record too short for any name", (view, entry) => view.setUint16(entry + 4, 8, true)],
    ["a record too short for its name", (view, entry) => view.setUint8(entry + 6, 255)],
    ["a record past the end of the block", (view, entry) => view.setUint16(entry + 4, 1024, true)],
    [
      "a record that leaves too little behind it",
      (view, entry) => view.setUint16(entry + 4, 1024 - 8 - (entry % 1024), true),
    ],
    ["an inode number past the last", (view, entry) => view.setUint32(entry, 1025, true)],
    ["an inode number of 32 bits", (view, entry) => view.setUint32(entry, 0xffff_ffff, true)],
    ["an empty name", (view, entry) => view.setUint8(entry + 6, 0)],
  ];
  for (const [rule, change] of entryRules) {
    it(`are corrupt: ${rule}`, () => {
      for (const image of ["plain", "linear"]) {
        // The second entry of a leaf: in the linear image, of the block after that of . and ..
        bothThrow("directory-entry", image, (view, at) => change(view, at(2) + view.getUint16(at(2) + 4, true)));
      }
    });
  }

  for (const byte of [0x2f, 0]) {
    it(`are corrupt to a listing when a name has a byte ${byte}; other names are still found`, () => {
      const bad = broken("linear", (view, at) => view.setUint8(at(3) + 8, byte));
      assert.throws(() => list(bad.volume, bad.dir), corrupt("directory-entry"));
      assert.equal(findAll(bad), NAMES.length - 1);
    });
  }

  it("are corrupt when an entry names a reserved inode", () => {
    bothFindReserved("plain");
    bothFindReserved("linear");
  });
  function bothFindReserved(image: string): void {
    assert.throws(
      () => findAll(broken(image, (view, at) => view.setUint32(at(2), 7, true))),
      corrupt("directory-entry"),
    );
  }

  it("are corrupt when a checksum is wrong or missing", () => {
    bothThrow("directory-checksum", "checksums", (view, at) => view.setUint8(at(2) + 9, 0x58));
    bothThrow("directory-checksum", "checksums", (view, at) => view.setUint8(at(2) + BLOCK - 5, 0));
    bothThrow("directory-checksum", "checksums", (view, at) =>
      view.setUint8(at(2) + BLOCK - 1, view.getUint8(at(2) + BLOCK - 1) ^ 1),
    );
    bothThrow("htree-checksum", "checksums", (view, at) =>
      view.setUint32(at(0) + 40, view.getUint32(at(0) + 40, true) ^ 2, true),
    );
  });

  const rootRules: [rule: string, kind: CorruptionKind, change: (view: DataView, root: number) => void][] = [
    ["an unknown hash version", "htree-header", (view, root) => view.setUint8(root + 0x1c, 9)],
    ["a hash that needs stored hashes", "htree-header", (view, root) => view.setUint8(root + 0x1c, 6)],
    ["unknown flags", "htree-header", (view, root) => view.setUint8(root + 0x1f, 1)],
    ["too many levels", "htree-header", (view, root) => view.setUint8(root + 0x1e, 2)],
    ["an information length that is not 8", "htree-header", (view, root) => view.setUint8(root + 0x1d, 16)],
    ["a wrong limit", "htree-header", (view, root) => view.setUint16(root + 0x20, 122, true)],
    ["a count of 0", "htree-header", (view, root) => view.setUint16(root + 0x22, 0, true)],
    ["a count above the limit", "htree-header", (view, root) => view.setUint16(root + 0x22, 500, true)],
    ["a leaf at block 0", "htree-order", (view, root) => view.setUint32(root + 0x24, 0, true)],
    ["a leaf past the end", "htree-order", (view, root) => view.setUint32(root + 0x24, 0xfff_ffff, true)],
  ];
  for (const [rule, kind, change] of rootRules) {
    it(`without checksums are searched without their index, with them are corrupt: ${rule}`, () => {
      const unindexed = broken("plain", (view, at) => change(view, at(0)));
      assert.equal(findAll(unindexed), NAMES.length);
      assert.equal(list(unindexed.volume, unindexed.dir, 17).length, NAMES.length + 2);
      assert.equal(unindexed.log.length, 1, "one line for one directory");
      if (kind !== "htree-header") return;
      bothThrow(kind, "checksums", (view, at) => change(view, at(0)));
    });
  }

  it("are searched and listed without their index when its hashes are out of order", () => {
    const unordered = broken("plain", (view, at) => view.setUint32(at(0) + 0x30, 2, true));
    assert.equal(findAll(unordered), NAMES.length);
    assert.equal(list(unordered.volume, unordered.dir, 17).length, NAMES.length + 2);
    assert.equal(unordered.log.length, 1);
  });

  it("are searched and listed without their index when it does not lead to its first leaf", () => {
    // With a level more, the leaves stand where index blocks should.
    const change = (view: DataView, at: (fileBlock: number) => number) => view.setUint8(at(0) + 0x1e, 1);
    const misled = broken("plain", change);
    assert.equal(findAll(misled), NAMES.length);
    assert.equal(list(misled.volume, misled.dir, 17).length, NAMES.length + 2);
    assert.equal(misled.log.length, 1);
  });

  it("are corrupt when an entry names the directory itself", () => {
    for (const image of ["plain", "linear"]) {
      const { volume, dir } = broken(image, (view, at, dir) => view.setUint32(at(2), dir.ino, true));
      assert.throws(() => findAll({ volume, dir, log: [] }), corrupt("directory-entry"));
      assert.equal(lookup(volume, dir, bytesOf(".")), dir.ino);
    }
  });

  it("are corrupt to a listing when more names have equal hashes than chance allows", () => {
    // Three times the same index block of 120 leaves that continue each other; as a leaf it reads as unused space.
    const endless = broken("plain", (view, at, dir) => {
      const block = view.getUint32(at(0) + 0x24, true);
      const node = at(block);
      view.setUint8(at(0) + 0x1e, 1);
      view.setUint16(at(0) + 0x22, 3, true);
      view.setUint32(node, 0, true);
      view.setUint16(node + 4, BLOCK, true);
      view.setUint16(node + 6, 0, true);
      view.setUint16(node + 8, (BLOCK - 8) / 8, true);
      view.setUint16(node + 10, 120, true);
      for (const [entries, count] of [
        [at(0) + 0x20, 3],
        [node + 8, 120],
      ] as const) {
        for (let i = 0; i < count; i++) {
          if (i > 0) view.setUint32(entries + 8 * i, 1, true);
          view.setUint32(entries + 8 * i + 4, block, true);
        }
      }
      dir.size = 1000 * BLOCK;
    });
    assert.throws(
      () => list(endless.volume, endless.dir),
      (error) => corrupt("htree-order")(error) && /more than 256 blocks/.test((error as Error).message),
    );
  });

  it("keep their cookies when the superblock asks for hashes that their entries do not have", () => {
    const cookies = (neighbour: number) => {
      const { volume, dir } = broken("linear", (view, at, dir) => {
        dir.size = BLOCK;
        // Behind the only name a record that reads as a stored hash, if one looks there.
        const { device } = { device: new Uint8Array(view.buffer, at(0) + 24, BLOCK - 24) };
        device.fill(0);
        view.setUint32(at(0) + 24, 13, true);
        view.setUint16(at(0) + 28, 12, true);
        view.setUint8(at(0) + 30, 4);
        device.set(bytesOf("name"), 8);
        view.setUint32(at(0) + 36, neighbour, true);
        view.setUint16(at(0) + 40, BLOCK - 36, true);
        view.setUint8(at(0) + 42, 2);
        device.set(bytesOf("zz"), 20);
      });
      volume.superblock.defaultHashVersion = 6;
      const seen = new Map<string, string>();
      readDirectory(volume, dir, 0, 0, (_ino, _type, bytes, start, length, high, low) => {
        seen.set(Buffer.from(bytes.subarray(start, start + length)).toString(), `${high}:${low}`);
        return true;
      });
      return seen;
    };
    const first = cookies(14);
    assert.deepEqual([...first.keys()].sort(), [".", "..", "name", "zz"]);
    assert.deepEqual(cookies(500), first);
  });

  it("are corrupt to a listing when a leaf has names of other hashes, which would lead back", () => {
    const { volume, dir } = broken("plain", (view, at) => {
      const first = view.getUint32(at(0) + 0x24, true);
      view.setUint32(at(0) + 0x24, view.getUint32(at(0) + 0x2c, true), true);
      view.setUint32(at(0) + 0x2c, first, true);
    });
    assert.throws(() => list(volume, dir), corrupt("htree-order"));
  });

  it("are corrupt when an index block is below itself", () => {
    const loop = (view: DataView, at: (fileBlock: number) => number) => {
      view.setUint8(at(0) + 0x1e, 1);
      const node = at(view.getUint32(at(0) + 0x24, true));
      const leaf = view.getUint32(at(0) + 0x24, true);
      view.setUint16(at(0) + 0x22, 1, true);
      view.setUint32(node, 0, true);
      view.setUint16(node + 4, BLOCK, true);
      view.setUint16(node + 6, 0, true);
      view.setUint16(node + 8, (BLOCK - 8) / 8, true);
      view.setUint16(node + 10, 100, true);
      for (let i = 0; i < 100; i++) view.setUint32(node + 12 + 8 * i, leaf, true);
      for (let i = 1; i < 100; i++) view.setUint32(node + 8 + 8 * i, 2 * i, true);
    };
    const { volume, dir } = broken("plain", loop);
    // Its leaves are the index block itself, which reads as unused space: as many as the directory has blocks, then no more.
    assert.throws(() => list(volume, dir), corrupt("htree-cycle"));
  });

  it("have no holes where their index leads, and may have holes where it does not", () => {
    const holed = broken("plain", (view, at, dir) => {
      view.setUint32(at(0) + 0x24, dir.size / BLOCK + 2, true);
      dir.size += 4 * BLOCK;
    });
    assert.throws(() => list(holed.volume, holed.dir), corrupt("directory-hole"));
    assert.throws(() => findAll(holed), corrupt("directory-hole"));
    const linear = broken("linear", (_view, _at, dir) => {
      dir.size += 1000 * BLOCK;
    });
    assert.equal(findAll(linear), NAMES.length);
    assert.equal(list(linear.volume, linear.dir, 17).length, NAMES.length + 2);
    assert.equal(lookup(linear.volume, linear.dir, bytesOf("none")), 0);
  });

  it("are corrupt when they are bigger than the file system", () => {
    bothThrow("inode-geometry", "plain", (_view, _at, dir) => {
      dir.size = 2 ** 52;
    });
  });

  it("inside their inode are corrupt when their entries or their parent are", () => {
    const image = join(folder, "inline");
    fs.mkdirSync(join(folder, "inline-source/d"), { recursive: true });
    for (const name of ["one", "two"]) fs.writeFileSync(join(folder, "inline-source/d", name), "");
    run("mke2fs", ["-q", "-F", "-t", "ext4", "-O", "inline_data", "-d", join(folder, "inline-source"), image, "4m"]);
    const volume = openVolume(new MemoryDevice(new Uint8Array(fs.readFileSync(image))));
    const ino = lookup(volume, readInode(volume, 2), bytesOf("d"));
    const block = 0x28;
    const rules: [CorruptionKind | undefined, name: string, change: (dir: Inode) => void][] = [
      [undefined, "two", () => {}],
      ["directory-entry", "two", (dir) => dir.view.setUint16(block + 4 + 4, 0, true)],
      ["directory-entry", "two", (dir) => dir.view.setUint16(block + 4 + 4, 60, true)],
      ["directory-entry", "two", (dir) => dir.view.setUint32(block + 4, 0xffff_ffff, true)],
      ["inline-data", "..", (dir) => dir.view.setUint32(block, 0, true)],
      ["inline-data", "..", (dir) => dir.view.setUint32(block, 0xffff_ffff, true)],
      ["inline-data", "two", (dir) => (dir.size = 59)],
      ["inline-data", "two", (dir) => (dir.size = 2 ** 40)],
    ];
    for (const [kind, name, change] of rules) {
      const dir = readInode(volume, ino);
      assert.ok(dir.hasInlineData);
      change(dir);
      if (kind === undefined) {
        assert.ok(lookup(volume, dir, bytesOf(name)) > 0);
        assert.deepEqual(
          list(volume, dir)
            .map((entry) => entry.name)
            .sort(),
          [".", "..", "one", "two"],
        );
      } else {
        assert.throws(() => lookup(volume, dir, bytesOf(name)), corrupt(kind));
        assert.throws(() => list(volume, dir), corrupt(kind));
      }
    }
  });

  it("of no blocks are empty", () => {
    const { volume, dir } = broken("linear", (_view, _at, dir) => {
      dir.size = 0;
    });
    assert.deepEqual(list(volume, dir), []);
    assert.equal(lookup(volume, dir, bytesOf(".")), 0);
  });

  it("that are files are refused", () => {
    const { volume, dir } = broken("plain", () => {});
    const file = readInode(volume, lookup(volume, dir, bytesOf(NAMES[0]!)));
    const isNotDirectory = (error: unknown) => error instanceof FileSystemError && error.code === "ENOTDIR";
    assert.throws(() => lookup(volume, file, bytesOf("x")), isNotDirectory);
    assert.throws(() => list(volume, file), isNotDirectory);
  });

  it("in any way end in a result or a CorruptionError, in bounded time", () => {
    const seed = Number(process.env["FUZZ_SEED"] ?? 1);
    const random = seededRandom(seed);
    const started = Date.now();
    const kinds = new Set<string>();
    let survived = 0;
    for (let round = 0; round < 600; round++) {
      const image = ["plain", "linear", "checksums"][random(3)]!;
      const mutated = broken(image, (view, at, dir) => {
        const blocks = dir.size / BLOCK;
        for (let n = 1 + random(4); n > 0; n--) {
          const block = random(3) === 0 ? 0 : random(blocks);
          const offset = at(block) + (random(2) === 0 ? random(64) : random(BLOCK));
          const value = [0, 0xff, random(256), view.getUint8(offset) ^ (1 << random(8))][random(4)]!;
          view.setUint8(offset, value);
        }
        if (random(20) === 0) dir.size = random(2 ** 31);
        if (random(20) === 0) dir.flags ^= [InodeFlag.index, InodeFlag.encrypt, InodeFlag.casefold][random(3)]!;
      });
      const attempts = [
        () => list(mutated.volume, mutated.dir, 1 + random(200)),
        () => lookup(mutated.volume, mutated.dir, bytesOf(NAMES[random(NAMES.length)]!)),
        () => lookup(mutated.volume, mutated.dir, bytesOf("..")),
      ];
      for (const attempt of attempts) {
        try {
          attempt();
          survived++;
        } catch (error) {
          if (!(error instanceof CorruptionError))
            assert.fail(`seed ${seed}, round ${round}: ${(error as Error).stack}`);
          kinds.add(error.kind);
        }
      }
    }
    assert.ok(survived > 100 && kinds.size >= 4, [...kinds].join(" "));
    assert.ok(Date.now() - started < 30_000);
  });
});
