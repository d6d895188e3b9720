import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CorruptionError, type CorruptionKind, FileSystemError } from "../../src/errors.js";
import { XattrIndex } from "../../src/format/xattr.js";
import { findInInode } from "../../src/xattr/in-inode.js";
import { getXattr, listXattrs } from "../../src/xattr/xattrs.js";
import { type Attribute, BLOCK_SIZE, EXTRA_SIZE, inodeWith, syntheticVolume, text, writeBlock } from "./synthetic.js";

const HEADER = 128 + EXTRA_SIZE;
const FIRST = HEADER + 4;

function corruption(kind: CorruptionKind, evidence: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof CorruptionError, String(error));
    assert.equal(error.kind, kind);
    assert.match(error.evidence, evidence);
    return true;
  };
}

const userA: Attribute = { index: XattrIndex.user, name: "a", value: text("one") };

describe("attributes inside an inode", () => {
  it("are found by name, listed in order, and given as they are", () => {
    const { volume } = syntheticVolume();
    const inode = inodeWith([userA, { index: XattrIndex.security, name: "b", value: text("two") }]);
    assert.deepEqual(listXattrs(volume, inode), ["user.a", "security.b"]);
    assert.deepEqual(getXattr(volume, inode, "user.a"), text("one"));
    assert.deepEqual(getXattr(volume, inode, "security.b"), text("two"));
    assert.equal(getXattr(volume, inode, "user.b"), undefined);
    assert.equal(inode.noXattrs, false);
  });

  it("hide what Linux hides: inline data, the encryption context, Lustre's, rich ACLs, unknown indexes", () => {
    const { volume } = syntheticVolume();
    const hidden = [0, 5, 7, 8, 9, 11, 255].map((index) => ({ index, name: "data" }));
    const inode = inodeWith([hidden[0]!, hidden[1]!, hidden[2]!, { index: XattrIndex.trusted, name: "t" }]);
    assert.deepEqual(listXattrs(volume, inode), ["trusted.t"]);
    assert.deepEqual(listXattrs(volume, inodeWith(hidden.slice(3))), []);
    assert.throws(() => getXattr(volume, inode, "system.data"), { code: "EOPNOTSUPP" });
    assert.deepEqual(findInInode(volume, inode, XattrIndex.system, "data"), new Uint8Array(0));
  });

  it("keep names that are not UTF-8, a byte a char", () => {
    const { volume } = syntheticVolume();
    const inode = inodeWith([{ index: XattrIndex.user, name: "\xff\x01", value: text("x") }]);
    assert.deepEqual(listXattrs(volume, inode), ["user.\xff\x01"]);
    assert.deepEqual(getXattr(volume, inode, "user.\xff\x01"), text("x"));
  });

  it("are none without the magic number, in a small inode, and with an extra size of zero", () => {
    const { volume } = syntheticVolume();
    const noMagic = inodeWith([userA]);
    noMagic.view.setUint32(HEADER, 0, true);
    const noExtra = inodeWith([userA]);
    noExtra.view.setUint16(128, 0, true);
    const noRoom = inodeWith([userA]);
    noRoom.view.setUint16(128, 124, true);
    const beyond = inodeWith([userA]);
    beyond.view.setUint16(128, 0xfffc, true);
    for (const inode of [noMagic, noExtra, noRoom, beyond]) {
      assert.deepEqual(listXattrs(volume, inode), []);
      assert.equal(inode.noXattrs, true, "the inode remembers");
      assert.equal(getXattr(volume, inode, "user.a"), undefined);
    }
  });

  it("refuse names that do not fit a namespace", () => {
    const { volume } = syntheticVolume();
    const inode = inodeWith([userA]);
    const code = (name: string, expected: string) =>
      assert.throws(
        () => getXattr(volume, inode, name),
        (e) => e instanceof FileSystemError && e.code === expected,
      );
    code("com.example", "EOPNOTSUPP");
    code("", "EOPNOTSUPP");
    code("system.posix_acl_accessory", "EOPNOTSUPP");
    code("user.", "EINVAL");
    code(`user.${"x".repeat(256)}`, "ERANGE");
    assert.equal(getXattr(volume, inode, `user.${"x".repeat(255)}`), undefined);
  });

  it("refuse the ACL of a symbolic link", () => {
    const { volume } = syntheticVolume();
    const inode = inodeWith([]);
    inode.mode = 0o120777;
    assert.throws(() => getXattr(volume, inode, "system.posix_acl_access"), { code: "EOPNOTSUPP" });
  });

  const cases: [string, RegExp, () => ReturnType<typeof inodeWith>, boolean?][] = [
    ["a list without an end", /no end/, () => inodeWith([{ ...userA, name: "x".repeat(75), value: text("") }])],
    [
      "a name that reaches past the inode",
      /no end/,
      () => {
        const inode = inodeWith([userA]);
        inode.raw[FIRST] = 255;
        return inode;
      },
    ],
    ["a zero in a name", /zero in a name/, () => inodeWith([{ ...userA, name: "a\0b" }])],
    ["a value that starts among the names", /among names/, () => inodeWith([{ ...userA, valueOffset: 20 }])],
    ["a value on the end mark", /among names/, () => inodeWith([{ ...userA, valueOffset: 22 }])],
    ["a value that ends past the inode", /in 256/, () => inodeWith([{ ...userA, valueSize: 5 }])],
    ["a value that starts past the inode", /in 256/, () => inodeWith([{ ...userA, valueOffset: 0xffff }])],
    ["a value of 16 MiB and a byte", /16777217 bytes/, () => inodeWith([{ ...userA, valueSize: 0x100_0001 }])],
    ["a value of 4 GiB", /4294967295 bytes/, () => inodeWith([{ ...userA, valueSize: 0xffff_ffff }])],
    [
      "a value inode without the feature",
      /without the feature/,
      () => inodeWith([{ ...userA, valueInode: 12 }]),
      false,
    ],
    ["the root directory as a value", /value inode 2 /, () => inodeWith([{ ...userA, valueInode: 2 }])],
    ["a reserved inode as a value", /value inode 7 /, () => inodeWith([{ ...userA, valueInode: 7 }])],
    ["a value inode past the last", /value inode 65 of 64/, () => inodeWith([{ ...userA, valueInode: 65 }])],
    ["an empty value in an inode", /empty/, () => inodeWith([{ ...userA, value: text(""), valueInode: 12 }])],
  ];
  for (const [what, evidence, build, eaInode = true] of cases) {
    it(`with ${what} are corrupt`, () => {
      const { volume } = syntheticVolume({ eaInode });
      const inode = build();
      assert.throws(() => listXattrs(volume, inode), corruption("xattr-entry", evidence));
      assert.throws(() => getXattr(volume, inode, "user.a"), corruption("xattr-entry", evidence));
      assert.throws(() => findInInode(volume, inode, XattrIndex.user, "a"), corruption("xattr-entry", evidence));
    });
  }

  it("never give inline data from another inode", () => {
    const { volume } = syntheticVolume({ eaInode: true });
    const inode = inodeWith([{ index: XattrIndex.system, name: "data", value: text("x"), valueInode: 12 }]);
    assert.throws(() => findInInode(volume, inode, XattrIndex.system, "data"), corruption("inline-data", /inode 12/));
  });
});

describe("attributes in a block", () => {
  const BLOCK = 5;

  it("come after those in the inode, which win when both have a name", () => {
    const { volume, device } = syntheticVolume({ metadataCsum: true });
    writeBlock(device, BLOCK, [
      { index: XattrIndex.user, name: "a", value: text("block") },
      { index: XattrIndex.user, name: "z", value: text("last") },
    ]);
    const inode = inodeWith([userA], BLOCK);
    assert.deepEqual(listXattrs(volume, inode), ["user.a", "user.a", "user.z"]);
    assert.deepEqual(getXattr(volume, inode, "user.a"), text("one"));
    assert.deepEqual(getXattr(volume, inode, "user.z"), text("last"));
    assert.equal(getXattr(volume, inode, "user.m"), undefined);
  });

  it("may fill the whole block", () => {
    const { volume, device } = syntheticVolume();
    const attributes = Array.from({ length: 41 }, (_, i) => ({
      index: XattrIndex.user,
      name: `n${i}`.padEnd(4, "_"),
      value: text("wxyz"),
    }));
    // 32 bytes of header, 41 entries of 20 bytes and a value of 4 each, and the end mark: 1020 of 1024.
    writeBlock(device, BLOCK, attributes);
    assert.equal(listXattrs(volume, inodeWith([], BLOCK)).length, 41);
    writeBlock(device, BLOCK + 1, [...attributes.slice(1), { ...attributes[0]!, value: text("12345678") }]);
    assert.equal(listXattrs(volume, inodeWith([], BLOCK + 1)).length, 41);
    writeBlock(device, BLOCK + 2, [...attributes.slice(1), { ...attributes[0]!, value: new Uint8Array(9) }]);
    assert.throws(() => listXattrs(volume, inodeWith([], BLOCK + 2)), corruption("xattr-entry", /among names/));
  });

  const cases: [string, CorruptionKind, RegExp, (view: DataView) => void][] = [
    ["another magic number", "xattr-header", /0xea010000/, (view) => view.setUint32(0, 0xea01_0000, true)],
    ["more than one block", "xattr-header", /2 blocks/, (view) => view.setUint32(8, 2, true)],
    ["a changed value", "xattr-checksum", /instead of/, (view) => view.setUint8(BLOCK_SIZE - 1, 1)],
    ["a changed checksum", "xattr-checksum", /checksum 0x0 /, (view) => view.setUint32(16, 0, true)],
  ];
  for (const [what, kind, evidence, damage] of cases) {
    it(`with ${what} are corrupt`, () => {
      const { volume, device } = syntheticVolume({ metadataCsum: true });
      damage(writeBlock(device, BLOCK, [userA]));
      const inode = inodeWith([], BLOCK);
      for (let again = 0; again < 2; again++) {
        assert.throws(() => listXattrs(volume, inode), corruption(kind, evidence));
        assert.throws(() => getXattr(volume, inode, "user.a"), corruption(kind, evidence));
      }
    });
  }

  it("outside the file system are corrupt", () => {
    const { volume } = syntheticVolume();
    for (const block of [1, 16, 0xffff_ffff_ffff]) {
      assert.throws(() => listXattrs(volume, inodeWith([], block)), corruption("block-range", /blocks/));
    }
  });

  it("in a block that was copied elsewhere fail its checksum: the block's number is part of it", () => {
    const { volume, device } = syntheticVolume({ metadataCsum: true });
    writeBlock(device, BLOCK, [userA]);
    device.bytes.copyWithin(6 * BLOCK_SIZE, BLOCK * BLOCK_SIZE, 6 * BLOCK_SIZE);
    assert.throws(() => listXattrs(volume, inodeWith([], 6)), corruption("xattr-checksum", /instead of/));
  });
});

describe("access control lists", () => {
  const entry = (tag: number, permissions: number, id?: number) => {
    const bytes = new Uint8Array(id === undefined ? 4 : 8);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, tag, true);
    view.setUint16(2, permissions, true);
    if (id !== undefined) view.setUint32(4, id, true);
    return [...bytes];
  };
  const version = [1, 0, 0, 0];
  const acl = (value: number[]) =>
    inodeWith([{ index: XattrIndex.posixAclAccess, name: "", value: Uint8Array.from(value) }]);
  const get = (value: number[]) => getXattr(syntheticVolume().volume, acl(value), "system.posix_acl_access");

  it("are given in the form of system calls, with the undefined id where nobody is named", () => {
    const stored = [
      ...version,
      ...entry(1, 6),
      ...entry(2, 4, 1000),
      ...entry(4, 4),
      ...entry(0x10, 4),
      ...entry(0x20, 0),
    ];
    const none = 0xffff_ffff;
    assert.deepEqual(
      [...get(stored)!],
      [
        ...[2, 0, 0, 0],
        ...entry(1, 6, none),
        ...entry(2, 4, 1000),
        ...entry(4, 4, none),
        ...entry(0x10, 4, none),
        ...entry(0x20, 0, none),
      ],
    );
    assert.deepEqual(listXattrs(syntheticVolume().volume, acl(stored)), ["system.posix_acl_access"]);
  });

  it("without entries are none", () => {
    assert.equal(get([]), undefined);
    assert.equal(get(version), undefined);
  });

  const cases: [string, RegExp, number[]][] = [
    ["an unknown version", /version 2/, [2, 0, 0, 0, ...entry(1, 6)]],
    ["less than a version", /ACL of 3 bytes/, [1, 0, 0]],
    ["an unknown tag", /entry 1 has an unknown tag/, [...version, ...entry(1, 6), ...entry(3, 6)]],
    ["half a short entry", /entry 1 is cut off/, [...version, ...entry(1, 6), 4, 0]],
    ["an entry without its id", /entry 0 is cut off/, [...version, ...entry(8, 6)]],
  ];
  for (const [what, evidence, value] of cases) {
    it(`with ${what} are corrupt`, () => assert.throws(() => get(value), corruption("acl-format", evidence)));
  }
});
