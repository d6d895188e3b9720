// Oracle: what the kernel in front of a server goes on showing after a call that failed: what it showed before. e2fsck for the rest.
import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, ROOT } from "./client.js";
import { BIG_SIZE, cannotMakeImages, pattern } from "./image.js";
import { Writer } from "./writer.js";

const skip = cannotMakeImages;
const ENOSPC = -28;
const EFBIG = -27;
const KEEP_SIZE = 1;
const PUNCH_HOLE = 3;
const ZERO_RANGE = 0x10;
const BLOCK = 1024;
/** Bytes: more than the image has. */
const MUCH = 64 << 20;

/** An ACL for 20 users, which no inode has room for. */
const LONG_ACL = (() => {
  const users = Array.from({ length: 20 }, (_, n) => [2, 7, n + 1]);
  const entries = [[1, 7, -1], ...users, [4, 5, -1], [0x10, 7, -1], [0x20, 5, -1]];
  const acl = new DataView(new ArrayBuffer(4 + 8 * entries.length));
  acl.setUint32(0, 2, true);
  for (const [n, [tag, permissions, id]] of entries.entries()) {
    acl.setUint16(4 + 8 * n, tag!, true);
    acl.setUint16(6 + 8 * n, permissions!, true);
    acl.setUint32(8 + 8 * n, id!, true);
  }
  return new Uint8Array(acl.buffer);
})();

/** A client of a mount that can be filled. */
class Filler extends Writer {
  fallocate(node: number, mode: number, offset: number, length: number): number {
    return this.ask("FALLOCATE", node, { request: { mode, offset, length } }).error;
  }

  /** Takes the last block. @returns the node that has it */
  fill(): number {
    const node = this.make("fill");
    for (let at = 0; this.write(node, at, pattern(BLOCK)) > 0; at += BLOCK);
    return node;
  }

  /** Leaves a thousand blocks free, no two of them together: so many steps does it take to find no space. */
  scatter(): void {
    const node = this.fill();
    for (let n = 0; n < 1000; n++) assert.equal(this.fallocate(node, PUNCH_HOLE, n * 2 * BLOCK, BLOCK), 0);
  }

  contents(node: number): Uint8Array {
    return this.read(node, 0, this.attributes(node).size);
  }
}

for (const mode of [0, ZERO_RANGE]) {
  test(`FALLOCATE 0x${mode.toString(16)} that finds no space leaves the size`, { skip }, () => {
    const client = new Filler();
    const node = client.make("f");
    assert.equal(client.write(node, 0, pattern(412)), 412);
    client.scatter();
    assert.equal(client.fallocate(node, mode, 100, MUCH), ENOSPC);
    assert.deepEqual(client.contents(node), pattern(412));
    client.closed();
  });
}

test("ZERO_RANGE that finds no space leaves every byte", { skip }, () => {
  const client = new Filler();
  const node = client.make("f");
  const bytes = pattern(20_000);
  assert.equal(client.write(node, 0, bytes), bytes.length);
  assert.equal(client.fallocate(node, ZERO_RANGE | KEEP_SIZE, 1500, MUCH), ENOSPC);
  assert.deepEqual(client.contents(node), bytes);
  client.closed();
});

test("ZERO_RANGE writes zeros where only the map has no room to grow", { skip }, () => {
  const client = new Filler();
  const node = client.make("f");
  const other = client.make("other");
  // Four extents in turns with another file's: what an inode holds.
  for (let turn = 0; turn < 4; turn++) {
    assert.equal(client.write(node, turn * 8 * BLOCK, pattern(4 * BLOCK)), 4 * BLOCK);
    assert.equal(client.write(other, turn * 4 * BLOCK, pattern(4 * BLOCK)), 4 * BLOCK);
  }
  client.fill();
  const expected = client.contents(node);
  assert.equal(client.fallocate(node, ZERO_RANGE | KEEP_SIZE, 9 * BLOCK + 10, 2 * BLOCK), 0);
  assert.deepEqual(client.contents(node), expected.fill(0, 9 * BLOCK + 10, 11 * BLOCK + 10));
  client.closed();
});

test("a punched hole that the map has no room for leaves every byte", { skip }, () => {
  const client = new Filler();
  const big = client.node("big");
  for (let at = 0; at < BIG_SIZE; at += 16 * BLOCK) client.fallocate(big, PUNCH_HOLE, at, BLOCK);
  client.fill();
  const before = client.contents(big);
  for (let at = 4 * BLOCK + 7; at < BIG_SIZE; at += 16 * BLOCK) {
    const error = client.fallocate(big, PUNCH_HOLE, at, 3 * BLOCK);
    assert.ok(error === 0 || error === ENOSPC, String(error));
    if (error === 0) before.fill(0, at, Math.min(at + 3 * BLOCK, BIG_SIZE));
    assert.deepEqual(client.contents(big), before, `at ${at}`);
  }
  client.closed();
});

test("what remains is root's, the user's and the group's whom the superblock or an option names, whatever they make", {
  skip,
}, () => {
  const USER = { uid: 1000, gid: 1000 };
  const callers = [
    { who: { uid: 0, gid: 7 }, serving: {} },
    { who: { uid: 70, gid: 7 }, serving: {} },
    { who: { uid: 7, gid: 50 }, serving: {} },
    { who: { uid: 71, gid: 7 }, serving: { reservedUid: 71 } },
    { who: { uid: 7, gid: 51 }, serving: { reservedGid: 51 } },
  ];
  for (const { who, serving } of callers) {
    const client = new Filler({}, serving);
    const inlined = client.make("inlined");
    assert.equal(client.write(inlined, 0, pattern(40)), 40);
    const other = client.make("other");
    const withAcl = client.mkdir("acl");
    const setAcl = { request: { size: LONG_ACL.length }, names: [bytes("system.posix_acl_default")] as const };
    assert.equal(client.ask("SETXATTR", withAcl, { ...setAcl, data: LONG_ACL }).error, 0);
    const { superblock } = client.fs.volume;
    superblock.reservedBlocksCountLo = 400;
    superblock.defaultResuid = 70;
    superblock.defaultResgid = 50;
    const filling = client.make("filling");
    const more = { request: { mode: 0, offset: 0, length: 0 } };
    do more.request.length += BLOCK;
    while (client.ask("FALLOCATE", filling, more, 0, USER).error === 0);

    const name = (n: number) => [bytes(`${"n".repeat(200)}${n}`)] as const;
    const target = bytes("t".repeat(300));
    const value = pattern(500);
    const makeAll = (header: { uid: number; gid: number }, from: number) => {
      const errors = new Set<number>();
      // As many as need another block of the directory.
      for (let n = from; n < from + 10; n++) {
        errors.add(client.ask("MKNOD", ROOT, { request: { mode: 0o100644 }, names: name(n) }, 0, header).error);
        const link = { request: { oldnodeid: other }, names: name(n + 100) };
        errors.add(client.ask("LINK", ROOT, link, 0, header).error);
        const rename = { request: { newdir: ROOT }, names: [...name(n + 100), ...name(n + 200)] as const };
        errors.add(client.ask("RENAME2", ROOT, rename, 0, header).error);
      }
      const inAcl = { request: { mode: 0o100644 }, names: [bytes(`${from}`)] as const };
      const link = { names: [bytes(`s${from}`), target] as const };
      const set = { request: { size: value.length }, names: [bytes("trusted.t")] as const, data: value };
      return {
        names: [...errors].filter((error) => error !== -2), // of what LINK did not make
        acl: client.ask("MKNOD", withAcl, inAcl, 0, header).error,
        symlink: client.ask("SYMLINK", ROOT, link, 0, header).error,
        setxattr: client.ask("SETXATTR", other, set, 0, header).error,
        fallocate: client.ask("FALLOCATE", inlined, { request: { mode: 0, length: BLOCK } }, 0, header).error,
      };
    };
    const refused = makeAll(USER, 0);
    assert.deepEqual(refused, {
      names: [0, ENOSPC],
      acl: ENOSPC,
      symlink: ENOSPC,
      setxattr: ENOSPC,
      fallocate: ENOSPC,
    });
    assert.deepEqual(makeAll(who, 20), { names: [0], acl: 0, symlink: 0, setxattr: 0, fallocate: 0 });
    client.closed();
  }
});

test("who goes on writing behind the longest file is told", { skip }, () => {
  const client = new Filler({}, { after() {} });
  const node = client.make("f");
  assert.equal(client.write(node, 2 ** 45, pattern(BLOCK), 1), EFBIG);
  assert.equal(client.ask("GETATTR", node, { request: { getattr_flags: 1 } }).error, EFBIG);
  client.closed();
});

test("who goes on writing to what the cache could not write is told, until the file is emptied", { skip }, () => {
  const CACHE = 1;
  const BY_HANDLE = 1;
  const SIZE = 8;
  const client = new Filler({}, { after() {} });
  const node = client.make("f");
  client.fill();
  const asks = () => client.ask("GETATTR", node, { request: { getattr_flags: BY_HANDLE } }).error;
  assert.equal(asks(), 0);
  assert.equal(client.write(node, 0, pattern(BLOCK), CACHE), ENOSPC);
  assert.equal(asks(), ENOSPC);
  assert.equal(client.ask("SETATTR", node, { request: { valid: SIZE, size: BLOCK } }).error, 0);
  assert.equal(asks(), ENOSPC);
  assert.equal(client.ask("SETATTR", node, { request: { valid: SIZE, size: 0 } }).error, 0);
  assert.equal(asks(), 0);
  client.closed();
});
