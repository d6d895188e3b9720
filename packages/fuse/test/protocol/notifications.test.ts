import assert from "node:assert/strict";
import { test } from "node:test";
import { NotificationEncoder, notifications } from "@bulkhead/fuse";
import { bytesOf, cstring, text } from "./wire.js";

const name = text("a name");
const io = (at: number) => ({ offset: at, length: 4096, addr: 2 ** 43, type: 2, flags: 0x80, dev: 3 });
const prefixed = (prefix: string, values: object) =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [`${prefix}.${key}`, value as number]));

/** Code, what the encoder is asked, the payload by the reference, and the whole length its vectors give. */
const GOLDEN: readonly [number, string, (to: NotificationEncoder) => number, Buffer[], number][] = [
  [
    1,
    "POLL",
    (to) => to.poll(0xffff_fff1, 0x8000_0002),
    [bytesOf("fuse_notify_poll_wakeup_out", { kh: 0x80000002fffffff1n })],
    24,
  ],
  [
    2,
    "INVAL_INODE",
    (to) => to.invalInode(2 ** 40, -1, 0),
    [bytesOf("fuse_notify_inval_inode_out", { ino: 2 ** 40, off: -1, len: 0 })],
    40,
  ],
  [
    3,
    "INVAL_ENTRY",
    (to) => to.invalEntry(9, name, 1),
    [bytesOf("fuse_notify_inval_entry_out", { parent: 9, namelen: 6, flags: 1 }), cstring("a name")],
    33 + 6,
  ],
  [
    4,
    "STORE",
    (to) => to.store(9, 2 ** 42, text("data")),
    [bytesOf("fuse_notify_store_out", { nodeid: 9, offset: 2 ** 42, size: 4 }), text("data")],
    40 + 4,
  ],
  [
    5,
    "RETRIEVE",
    (to) => to.retrieve(1, 0x8000_0000, 9, 4096, 8192),
    [bytesOf("fuse_notify_retrieve_out", { notify_unique: 0x8000000000000001n, nodeid: 9, offset: 4096, size: 8192 })],
    48,
  ],
  [
    6,
    "DELETE",
    (to) => to.delete(9, 10, name),
    [bytesOf("fuse_notify_delete_out", { parent: 9, child: 10, namelen: 6 }), cstring("a name")],
    41 + 6,
  ],
  [7, "RESEND", (to) => to.resend(), [], 16],
  [8, "INC_EPOCH", (to) => to.incEpoch(), [], 16],
  [
    9,
    "PRUNE",
    (to) => to.prune([7, 2 ** 45 + 1]),
    [
      bytesOf("fuse_notify_prune_out", { count: 2 }),
      bytesOf("fuse_forget_in", { nlookup: 7 }),
      bytesOf("fuse_forget_in", { nlookup: 2 ** 45 + 1 }),
    ],
    32 + 16,
  ],
  [
    99,
    "IOMAP_DEV_INVAL",
    (to) => to.iomapDevInval({ dev: 4, range: { offset: 512, length: 2 ** 41 } }),
    [bytesOf("fuse_iomap_dev_inval_out", { dev: 4, "range.offset": 512, "range.length": 2 ** 41 })],
    40,
  ],
  [
    100,
    "IOMAP_UPSERT_MAPPINGS",
    (to) => to.iomapUpsertMappings({ nodeid: 5, attr_ino: 6, read: io(0), write: io(8192) }),
    [
      bytesOf("fuse_iomap_upsert_mappings_out", {
        nodeid: 5,
        attr_ino: 6,
        ...prefixed("read", io(0)),
        ...prefixed("write", io(8192)),
      }),
    ],
    96,
  ],
  [
    101,
    "IOMAP_INVAL_MAPPINGS",
    (to) =>
      to.iomapInvalMappings({
        nodeid: 5,
        attr_ino: 6,
        read: { offset: 4096, lengthLo: 0xffff_ffff, lengthHi: 0xffff_ffff },
      }),
    [
      bytesOf("fuse_iomap_inval_mappings_out", {
        nodeid: 5,
        attr_ino: 6,
        "read.offset": 4096,
        "read.length": 2n ** 64n - 1n,
      }),
    ],
    64,
  ],
];

for (const [code, what, encode, payload, length] of GOLDEN) {
  test(`${what} is ${length} bytes, with unique 0 and its code as error`, () => {
    const buffer = new Uint8Array(256).fill(0xee);
    assert.equal(encode(new NotificationEncoder(buffer)), length);
    const golden = Buffer.concat([bytesOf("fuse_out_header", { len: length, error: code, unique: 0 }), ...payload]);
    assert.deepEqual(Buffer.from(buffer.subarray(0, length)), golden);
    assert.equal(buffer[length], 0xee);
  });

  test(`${what} does not fit a buffer of ${length - 1} bytes`, () => {
    assert.throws(() => encode(new NotificationEncoder(new Uint8Array(length - 1))), RangeError);
  });
}

test("every notify code of the reference has its row", () => {
  assert.deepEqual(
    Object.entries(notifications).map(([key, { code }]) => [code, key]),
    GOLDEN.map(([code, what]) => [code, what]),
  );
});
