// Oracles: e2fsck, which counts what each owner has; debugfs; and a reader of quota files of the test's own.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { after, describe, it } from "node:test";
import { FileDevice } from "../../src/device/file.js";
import { MemoryDevice } from "../../src/device/memory.js";
import { CorruptionError, FileSystemError, isEngineError } from "../../src/errors.js";
import { FileSystem } from "../../src/filesystem.js";
import { InodeFlag, ReservedInode } from "../../src/format/inode.js";
import { cachedInode } from "../../src/inode/cached-inode.js";
import type { Inode } from "../../src/inode/inode.js";
import type { Handle } from "../../src/journal/handle.js";
import { NoJournal } from "../../src/journal/no-journal.js";
import { Transactions, transact } from "../../src/journal/transactions.js";
import { readFileBlock } from "../../src/map/read-data.js";
import { changeXattr } from "../../src/namespace/attributes.js";
import { create } from "../../src/namespace/create.js";
import {
  chargeBlocks,
  chargeInode,
  enableQuota,
  type NewOwners,
  quotaUsage,
  transferQuota,
} from "../../src/quota/quota.js";
import { QuotaTree } from "../../src/quota/quota-tree.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import type { Volume } from "../../src/volume.js";
import { ImageDirectory, missingTool, run } from "../images.js";
import { changeImage, checkImage } from "../writable.js";
import { randomNumbers } from "../xattr/changes.js";
import { checkQuotaFile, quotaFileBytes } from "./tree-check.js";

const images = new ImageDirectory();
after(() => images.remove());

const FILES = 200;

/** An image with quota and 200 files of 0 to 4 KiB, and the numbers of their inodes. */
function makeImage(name: string, options: readonly string[]): { image: string; inodes: number[] } {
  const from = images.file(`${name}.files`);
  fs.mkdirSync(from, { recursive: true });
  for (let n = 0; n < FILES; n++) fs.writeFileSync(`${from}/f${n}`, "x".repeat((n % 5) * 1000));
  const image = images.make(name, "16M", ["-t", "ext4", "-d", from, ...options]);
  spawnSync("e2fsck", ["-fy", image]); // mke2fs counts before it copies
  checkImage(image);
  const listed = run("debugfs", ["-R", "ls -l /", image]);
  const inodes = [...listed.matchAll(/^ *(\d+) .* f\d+$/gm)].map((match) => Number(match[1]));
  assert.equal(inodes.length, FILES);
  return { image, inodes };
}

function change(handle: Handle, inode: Inode, owners: NewOwners): void {
  transferQuota(handle, inode, owners);
  handle.modifyInode(inode);
  inode.uid = owners.uid ?? inode.uid;
  inode.gid = owners.gid ?? inode.gid;
  inode.projectId = owners.projectId ?? inode.projectId;
}

function quotaInodes({ superblock }: Volume): number[] {
  return [superblock.userQuotaInode, superblock.groupQuotaInode, superblock.projectQuotaInode];
}

class Undone extends Error {}

describe("quota files", { skip: missingTool("mke2fs", "e2fsck", "debugfs") ?? false }, () => {
  for (const [blockSize, seed] of [
    [1024, 1],
    [4096, 2],
    [65_536, 3],
  ] as const) {
    it(`follow files that change hands, ids far and near: ${blockSize} byte blocks`, () => {
      const size = blockSize === 65_536 ? ["-O", "quota,project,^has_journal", "-N", "512"] : ["-O", "quota,project"];
      const { image, inodes } = makeImage(`${blockSize}.img`, ["-b", String(blockSize), ...size]);
      const random = randomNumbers(seed);
      const ids = [0, 1, 255, 256, 65_535, 65_536, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe];
      const anId = () =>
        random(3) === 0 ? ids[random(ids.length)]! : random(2) === 0 ? random(400) : random(2 ** 32 - 1);
      for (const few of [false, true]) {
        changeImage(image, (volume) => {
          for (let step = 0; step < 400; step++) {
            const inode = cachedInode(volume, inodes[random(inodes.length)]!);
            const id = few ? random(2) : anId();
            const owners = [{ uid: id }, { gid: id }, { projectId: id }, { uid: id, gid: anId() }][
              random(few ? 3 : 4)
            ]!;
            if (step % 10 === 0) {
              const before = quotaInodes(volume).map((ino) => Buffer.from(quotaFileBytes(volume, ino)));
              assert.throws(
                () =>
                  transact(volume, 40, (handle) => {
                    change(handle, inode, owners);
                    throw new Undone();
                  }),
                Undone,
              );
              const now = quotaInodes(volume).map((ino) => Buffer.from(quotaFileBytes(volume, ino)));
              assert.deepEqual(now, before, `undone, step ${step} of seed ${seed}`);
            }
            transact(volume, 40, (handle) => change(handle, inode, owners));
            if (step % 20 === 19) {
              for (const ino of quotaInodes(volume)) checkQuotaFile(quotaFileBytes(volume, ino));
            }
          }
        });
      }
      // All go back to one owner: what is left in the files is hers and the superuser's.
      changeImage(image, (volume) => {
        for (const ino of inodes) {
          transact(volume, 40, (handle) => change(handle, cachedInode(volume, ino), { uid: 7, gid: 7, projectId: 7 }));
        }
        for (const [type, ino] of quotaInodes(volume).entries()) {
          const entries = checkQuotaFile(quotaFileBytes(volume, ino));
          assert.deepEqual([...entries.keys()].sort(), [0, 7]);
          assert.deepEqual(quotaUsage(volume, type, 7)?.inodes, FILES);
          assert.equal(quotaUsage(volume, type, 8), undefined);
        }
      });
      assert.match(run("debugfs", ["-R", "lq user", image]), /^ +7 .* 200 /m);
    });
  }

  it("do not count the file system's own inodes", () => {
    const { image } = makeImage("own.img", ["-b", "1024", "-O", "quota,project"]);
    changeImage(image, (volume) => {
      for (const ino of [3, 7, 8, volume.superblock.projectQuotaInode]) {
        transact(volume, 20, (handle) => {
          chargeBlocks(handle, cachedInode(volume, ino), 4096);
          chargeInode(handle, cachedInode(volume, ino), 1);
        });
      }
    });
  });

  it("are not needed where the feature is off", () => {
    const { image, inodes } = makeImage("off.img", ["-b", "1024"]);
    changeImage(image, (volume) => {
      assert.equal(enableQuota(volume, { user: true }), false);
      transact(volume, 20, (handle) => {
        const inode = cachedInode(volume, inodes[0]!);
        chargeBlocks(handle, inode, 4096);
        chargeInode(handle, inode, 1);
        change(handle, inode, { uid: 5, gid: 6 });
      });
      assert.equal(quotaUsage(volume, 0, 5), undefined);
    });
  });

  it("have limits that bind when they are enforced, soft ones after a time", () => {
    const { image, inodes } = makeImage("limits.img", ["-b", "1024", "-O", "quota,project"]);
    changeImage(image, (volume) => {
      const mine = inodes.slice(0, 4).map((ino) => cachedInode(volume, ino));
      for (const inode of mine) transact(volume, 40, (handle) => change(handle, inode, { uid: 42 }));
      const tree = new QuotaTree(volume, 0, volume.superblock.userQuotaInode);
      const { space } = quotaUsage(volume, 0, 42)!;
      transact(volume, 10, (handle) => {
        const entry = tree.change(handle, 42);
        entry.spaceSoftLimit = space / 1024 + 2;
        entry.spaceHardLimit = space / 1024 + 4;
        entry.inodeSoftLimit = 4;
        entry.inodeHardLimit = 5;
      });
      let seconds = 1000;
      volume.environment.clock.now = () => ({ seconds, nanoseconds: 0 });
      const charge = (bytes: number, privileged = false) =>
        transact(volume, 10, (handle) => {
          handle.privileged = privileged;
          chargeBlocks(handle, mine[0]!, bytes);
        });
      const count = (n: 1 | -1) => transact(volume, 10, (handle) => chargeInode(handle, mine[0]!, n));
      const refused = (body: () => void) =>
        assert.throws(body, (error) => error instanceof FileSystemError && error.code === "EDQUOT");

      charge(5 * 1024); // nobody enforces
      charge(-5 * 1024);
      assert.equal(enableQuota(volume, { group: true }), true);
      charge(5 * 1024);
      charge(-5 * 1024);
      enableQuota(volume, { user: true });
      refused(() => charge(5 * 1024));
      charge(5 * 1024, true);
      assert.equal(tree.find(42)!.spaceTime, 1000 + 7 * 86_400, "root takes her above it, and the time starts");
      charge(-5 * 1024);
      charge(3 * 1024);
      assert.equal(tree.find(42)!.spaceTime, 1000 + 7 * 86_400);
      seconds += 7 * 86_400 - 1;
      charge(1024);
      charge(-1024);
      seconds++;
      refused(() => charge(1024));
      charge(-1024);
      assert.equal(tree.find(42)!.spaceTime, 0, "below the soft limit the time starts anew");
      charge(1024);
      charge(-3 * 1024);
      count(1);
      assert.equal(tree.find(42)!.inodeTime, seconds + 7 * 86_400);
      refused(() => count(1));
      count(-1);
      assert.equal(tree.find(42)!.inodeTime, 0);

      const other = cachedInode(volume, inodes[9]!);
      transact(volume, 20, (handle) => change(handle, other, { uid: 43 }));
      transact(volume, 10, (handle) => {
        tree.change(handle, 42).inodeHardLimit = 4;
      });
      refused(() => transact(volume, 20, (handle) => change(handle, other, { uid: 42 })));
      assert.equal(other.uid, 43);
      const root = cachedInode(volume, ReservedInode.root);
      const file = { mode: 0o100644, uid: 42, gid: 0 };
      refused(() => create(volume, root, new TextEncoder().encode("more"), file));
      mine.push(create(volume, root, new TextEncoder().encode("more"), { ...file, privileged: true }));
      assert.equal(quotaUsage(volume, 0, 42)?.inodes, 5);
      for (const inode of mine) transact(volume, 40, (handle) => change(handle, inode, { uid: 44 }));
      assert.equal(quotaUsage(volume, 0, 42)?.inodes, 0, "limits stay without usage");
    });
    assert.match(run("debugfs", ["-R", "lq user", image]), /^ +42 +0 .* 0 +4 +4$/m);
  });
});

describe("limits of inodes", { skip: missingTool("mke2fs", "e2fsck") ?? false }, () => {
  it("count an attribute's value that has an inode once", () => {
    const { image, inodes } = makeImage("values.img", ["-b", "1024", "-O", "quota,ea_inode"]);
    changeImage(image, (volume) => {
      const inode = cachedInode(volume, inodes[0]!);
      transact(volume, 40, (handle) => change(handle, inode, { uid: 42 }));
      const tree = new QuotaTree(volume, 0, volume.superblock.userQuotaInode);
      transact(volume, 10, (handle) => {
        tree.change(handle, 42).inodeHardLimit = 2;
      });
      enableQuota(volume, { user: true });
      changeXattr(volume, inode, "user.one", new Uint8Array(2000).fill(1), 0);
      assert.equal(quotaUsage(volume, 0, 42)?.inodes, 2);
      const more = () => changeXattr(volume, inode, "user.two", new Uint8Array(2000).fill(2), 0);
      assert.throws(more, (error) => error instanceof FileSystemError && error.code === "EDQUOT");
    });
  });
});

describe("statfs in a directory of a project", { skip: missingTool("mke2fs", "e2fsck") ?? false }, () => {
  it("answers what the project's limits leave, where they are enforced (ext4_statfs_project)", () => {
    const options = ["-t", "ext4", "-b", "1024", "-O", "quota,project", "-E", "quotatype=prjquota"];
    const image = images.make("statfs.img", "8M", options);
    const bytes = (text: string) => new TextEncoder().encode(text);
    for (const enforced of [false, true]) {
      const device = new FileDevice(fs, fs.openSync(image, "r+"), { readOnly: false });
      const filesystem = FileSystem.mount(device, { writable: true, quota: { project: enforced } });
      const { root, volume } = filesystem;
      const owner = { uid: 0, gid: 0 };
      const dir = enforced
        ? filesystem.inode(filesystem.lookup(root, bytes("dir")))
        : filesystem.mkdir(root, bytes("dir"), { ...owner, mode: 0o755 });
      const tree = new QuotaTree(volume, 2, volume.superblock.projectQuotaInode);
      const limit = (soft: number, hard: number) =>
        transact(volume, 10, (handle) => {
          const entry = tree.change(handle, 5);
          entry.spaceSoftLimit = soft;
          entry.spaceHardLimit = hard;
          entry.inodeSoftLimit = soft / 100;
          entry.inodeHardLimit = hard / 100;
        });
      if (!enforced) {
        filesystem.setProject(dir, 5);
        filesystem.setFlags(dir, dir.flags | InodeFlag.projectInherit);
        const file = filesystem.create(dir, bytes("file"), { ...owner, mode: 0o100644 });
        filesystem.fallocate(file, 0, 0, 50 * 1024);
      }
      limit(300, 1000);
      const whole = filesystem.statfs();
      const numbers = () => {
        const { blocks, blocksFree, blocksAvailable, files, filesFree } = filesystem.statfs(dir);
        return [blocks, blocksFree, blocksAvailable, files, filesFree];
      };
      if (enforced) {
        const taken = quotaUsage(volume, 2, 5)!.space / 1024;
        assert.ok(taken >= 51, String(taken));
        assert.deepEqual(numbers(), [300, 300 - taken, 300 - taken, 3, 1]);
        limit(0, 100);
        assert.deepEqual(numbers(), [100, 100 - taken, 100 - taken, 1, 0]);
        limit(1_000_000, 0);
        const { blocks, blocksFree, blocksAvailable, files, filesFree } = whole;
        assert.deepEqual(numbers(), [blocks, blocksFree, blocksAvailable, files, filesFree]);
        assert.deepEqual(filesystem.statfs(root), whole);
      } else assert.deepEqual(filesystem.statfs(dir), whole);
      filesystem.unmount();
      filesystem.close();
    }
    checkImage(image);
  });
});

describe("damaged quota files", { skip: missingTool("mke2fs", "e2fsck", "debugfs") ?? false }, () => {
  it("are refused when quota is enabled", () => {
    const { image } = makeImage("header.img", ["-b", "1024", "-O", "quota,project"]);
    changeImage(image, (volume) => {
      const header = readFileBlock(volume, cachedInode(volume, 3), 0)!;
      for (const [offset, value] of [
        [0, 0xd9c0_1f12],
        [4, 0],
        [20, 1],
        [20, 5000],
      ] as const) {
        const old = header.view.getUint32(offset, true);
        header.view.setUint32(offset, value, true);
        header.verifiedAs = 0;
        assert.throws(
          () => enableQuota(volume, {}),
          (error) => error instanceof CorruptionError && error.kind === "quota-file",
        );
        header.view.setUint32(offset, old, true);
      }
      enableQuota(volume, {});
    });
  });

  it("give a result or a CorruptionError, never another error", () => {
    const { image, inodes } = makeImage("fuzz.img", ["-b", "1024", "-O", "quota,project"]);
    const pristine = new Uint8Array(fs.readFileSync(image));
    const random = randomNumbers(0xbad);
    let corrupt = 0;
    for (let round = 0; round < 100; round++) {
      const volume = openVolume(new MemoryDevice(pristine.slice()));
      volume.transactions = new Transactions(volume, new NoJournal(volume));
      const file = cachedInode(volume, 3 + random(2));
      for (let n = 1 + random(4); n > 0; n--) {
        const block = readFileBlock(volume, file, random(file.size / 1024))!;
        const at = random(2) === 0 ? random(256) & ~3 : random(16) * 2;
        block.view.setUint16(at, [0, 1, 2, 5, 0xffff, random(65_536)][random(6)]!, true);
      }
      for (let step = 0; step < 20; step++) {
        try {
          transact(volume, 40, (handle) => {
            const id = random(40);
            change(handle, cachedInode(volume, inodes[random(FILES)]!), { uid: id, gid: id * 1000 });
          });
        } catch (error) {
          if (!isEngineError(error)) throw new Error(`round ${round}, step ${step}`, { cause: error });
          if (error instanceof CorruptionError) corrupt++;
        }
      }
    }
    assert.ok(corrupt > 50, `${corrupt} corruptions were found`);
  });
});
