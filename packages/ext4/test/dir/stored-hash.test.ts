// Directories that are both encrypted and case-insensitive store the hash of a name (SipHash, which takes the key) behind it.
// No kernel or tool here makes them, so their blocks are written by the format: fs/ext4/ext4.h's ext4_dir_entry_hash.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { MemoryDevice } from "../../src/device/memory.js";
import { lookup } from "../../src/dir/directory.js";
import { NokeyName } from "../../src/dir/nokey-name.js";
import { CorruptionError } from "../../src/errors.js";
import { InodeFlag } from "../../src/format/inode.js";
import type { Inode } from "../../src/inode/inode.js";
import { readInode } from "../../src/inode/inode-table.js";
import { mapBlocks } from "../../src/map/map-blocks.js";
import { BlockMapping } from "../../src/map/mapping.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import type { Volume } from "../../src/volume.js";
import { bytesOf, list, makeFolder, run, skipWithout } from "./images.js";

const BLOCK = 1024;

interface Entry {
  readonly ino: number;
  /** Ciphertext: 16 bytes or more. */
  readonly name: string;
  readonly hash: number;
  readonly minor: number;
}

/** What the name is shown as without the key. */
function shown({ name, hash, minor }: Entry): string {
  const nokey = new NokeyName();
  nokey.encode(hash, minor, bytesOf(name), 0, name.length, 0);
  return Buffer.from(nokey.text.subarray(0, nokey.textLength)).toString();
}

describe("encrypted, case-insensitive directories", { skip: skipWithout("mke2fs") }, () => {
  let folder = "";
  let image = new Uint8Array(0);
  before(() => {
    folder = makeFolder();
    fs.mkdirSync(join(folder, "source/d"), { recursive: true });
    for (let i = 0; i < 90; i++) fs.writeFileSync(join(folder, "source/d", `name-number-${i}`), "");
    const path = join(folder, "image");
    const features = ["-O", "encrypt,casefold,^metadata_csum,^has_journal,^resize_inode", "-E", "encoding=utf8"];
    run("mke2fs", [
      ...["-q", "-F", "-t", "ext4", "-b", "1024", "-N", "256", ...features],
      ...["-d", join(folder, "source"), path, "2m"],
    ]);
    image = new Uint8Array(fs.readFileSync(path));
  });
  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  /** A directory of `leaves`, under an index of these hashes if there are more than one. */
  function make(leaves: readonly (readonly Entry[])[], hashes: readonly number[] = []): [Volume, Inode] {
    const device = new MemoryDevice(image.slice());
    const volume = openVolume(device);
    const dir = readInode(volume, lookup(volume, readInode(volume, 2), bytesOf("d")));
    const view = new DataView(device.bytes.buffer);
    const mapping = new BlockMapping();
    const at = (fileBlock: number) => {
      mapBlocks(volume, dir, fileBlock, mapping);
      return mapping.block * BLOCK;
    };
    dir.flags |= InodeFlag.encrypt | InodeFlag.casefold;
    const indexed = hashes.length > 0;
    if (indexed) dir.flags |= InodeFlag.index;
    dir.size = BLOCK * (leaves.length + (indexed ? 1 : 0));
    const record = (offset: number, end: number, ino: number, name: string, hash?: Entry): number => {
      const length = end > 0 ? end - offset : ((8 + name.length + 3) & ~3) + (hash === undefined ? 0 : 8);
      view.setUint32(offset, ino, true);
      view.setUint16(offset + 4, length, true);
      view.setUint8(offset + 6, name.length);
      view.setUint8(offset + 7, 1);
      device.bytes.set(bytesOf(name), offset + 8);
      if (hash !== undefined) {
        view.setUint32(offset + ((8 + name.length + 3) & ~3), hash.hash, true);
        view.setUint32(offset + ((8 + name.length + 3) & ~3) + 4, hash.minor, true);
      }
      return offset + length;
    };
    const root = at(0);
    device.bytes.fill(0, root, root + BLOCK);
    let place = record(root, 0, dir.ino, ".");
    if (indexed) {
      record(place, root + BLOCK, 2, "..");
      view.setUint8(root + 0x1c, 6);
      view.setUint8(root + 0x1d, 8);
      view.setUint16(root + 0x20, (BLOCK - 0x20) / 8, true);
      view.setUint16(root + 0x22, leaves.length, true);
      hashes.forEach((hash, i) => {
        if (i > 0) view.setUint32(root + 0x20 + 8 * i, hash, true);
        view.setUint32(root + 0x24 + 8 * i, i + 1, true);
      });
    } else place = record(place, 0, 2, "..");
    leaves.forEach((entries, i) => {
      const base = at(i + (indexed ? 1 : 0));
      if (indexed) {
        device.bytes.fill(0, base, base + BLOCK);
        place = base;
      }
      entries.forEach((entry, n) => {
        place = record(place, n === entries.length - 1 ? base + BLOCK : 0, entry.ino, entry.name, entry);
      });
    });
    volume.cache.clear();
    return [volume, dir];
  }

  const entry = (i: number, hash: number, minor: number, length = 16): Entry => ({
    ...{ ino: 20 + i, name: `${i}`.padStart(length, "\xe9"), hash, minor },
  });
  const entries = [
    entry(0, 0x9000_0000, 5),
    entry(1, 0x0000_0010, 9, 32),
    entry(2, 0x9000_0000, 2, 160),
    entry(3, 0xffff_fffc, 0xffff_ffff),
    entry(4, 0x5000_0000, 1),
  ];
  const ordered = [1, 4, 2, 0, 3].map((i) => entries[i]!);

  function check([volume, dir]: [Volume, Inode]): void {
    const listed = list(volume, dir);
    assert.deepEqual(
      listed.slice(2).map(({ name, ino }) => [name, ino]),
      ordered.map((entry) => [shown(entry), entry.ino]),
    );
    assert.deepEqual(list(volume, dir, 1), listed);
    for (const entry of entries) {
      assert.equal(lookup(volume, dir, bytesOf(shown(entry))), entry.ino);
      assert.equal(lookup(volume, dir, bytesOf(shown({ ...entry, name: `${entry.name.slice(0, -1)}!` }))), 0);
    }
    assert.equal(lookup(volume, dir, bytesOf("..")), 2);
  }

  it("of one block are listed in the order of the stored hashes, and their names are found", () => {
    check(make([entries]));
  });

  it("with an index are listed and searched by the stored hashes", () => {
    check(
      make(
        [
          [entries[4]!, entries[1]!],
          [entries[2]!, entries[3]!, entries[0]!],
        ],
        [0, 0x9000_0000],
      ),
    );
  });

  it("keep their cookies in range whatever hash is stored", () => {
    const wild = [entry(0, 0xffff_ffff, 0xffff_ffff), entry(1, 0xffff_fffe, 0xffff_fffe)];
    const [volume, dir] = make([wild]);
    assert.equal(list(volume, dir, 1).length, 4); // `list` checks every cookie
  });

  it("are corrupt when a record has no room for its hash", () => {
    const [volume, dir] = make([entries]);
    const block = new BlockMapping();
    mapBlocks(volume, dir, 0, block);
    const data = (volume.device as MemoryDevice).bytes;
    const first = block.block * BLOCK + 24;
    // The first entry ends where its hash would start, and an unused record takes over from there.
    data[first + 4] = 24;
    data.set([0, 0, 0, 0, 16, 0, 0, 0], first + 24);
    volume.cache.clear();
    const isEntryError = (error: unknown) => error instanceof CorruptionError && error.kind === "directory-entry";
    assert.throws(() => list(volume, dir), isEntryError);
    assert.throws(() => lookup(volume, dir, bytesOf(shown(entries[4]!))), isEntryError);
  });
});
