/**
 * Golden bytes for every row. The table is the opcode table of the FUSE ABI reference; messages are put together from its
 * layouts by `wire.ts`, which shares no code with the codec.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeReply, encodeRequest, type Handlers, type OperationName, operations, Session } from "@bulkhead/fuse";
import { negotiated } from "./session-fixture.js";
import { bytesOf, cstring, get, layout, reply, request, sampleValues, set, text, type WireValues } from "./wire.js";

interface Golden {
  readonly opcode: number;
  readonly in?: string;
  /** Fields that state lengths. */
  readonly fixed?: WireValues;
  readonly names?: readonly string[];
  readonly data?: Buffer;
  readonly list?: { readonly of: string; readonly entries: readonly WireValues[] };
  readonly out?: readonly string[];
  /** What the handler puts into the window, and the bound the request gave it. */
  readonly tail?: Buffer;
  readonly limit?: number;
  readonly answer?: "never" | "optional";
}

const DATA = text("some data\0\x01");
const forgets = [
  { nodeid: 2n ** 45n, nlookup: 3 },
  { nodeid: 12, nlookup: 2n ** 33n },
];
const mappings = [{ moffset: 4096, len: 2n ** 41n }];

const GOLDEN: Readonly<Record<OperationName, Golden>> = {
  LOOKUP: { opcode: 1, names: ["a name"], out: ["fuse_entry_out"] },
  FORGET: { opcode: 2, in: "fuse_forget_in", answer: "never" },
  GETATTR: { opcode: 3, in: "fuse_getattr_in", out: ["fuse_attr_out"] },
  SETATTR: { opcode: 4, in: "fuse_setattr_in", out: ["fuse_attr_out"] },
  READLINK: { opcode: 5, tail: text("../target"), limit: 4095 },
  SYMLINK: { opcode: 6, names: ["link", "../to/there"], out: ["fuse_entry_out"] },
  MKNOD: { opcode: 8, in: "fuse_mknod_in", names: ["node"], out: ["fuse_entry_out"] },
  MKDIR: { opcode: 9, in: "fuse_mkdir_in", names: ["dir"], out: ["fuse_entry_out"] },
  UNLINK: { opcode: 10, names: ["gone"] },
  RMDIR: { opcode: 11, names: ["gone"] },
  RENAME: { opcode: 12, in: "fuse_rename_in", names: ["old", "newer"] },
  LINK: { opcode: 13, in: "fuse_link_in", names: ["second"], out: ["fuse_entry_out"] },
  OPEN: { opcode: 14, in: "fuse_open_in", out: ["fuse_open_out"] },
  READ: { opcode: 15, in: "fuse_read_in", fixed: { size: 4096 }, tail: DATA, limit: 4096 },
  WRITE: { opcode: 16, in: "fuse_write_in", fixed: { size: DATA.length }, data: DATA, out: ["fuse_write_out"] },
  STATFS: { opcode: 17, out: ["fuse_statfs_out"] },
  RELEASE: { opcode: 18, in: "fuse_release_in" },
  FSYNC: { opcode: 20, in: "fuse_fsync_in" },
  SETXATTR: { opcode: 21, in: "fuse_setxattr_in", fixed: { size: DATA.length }, names: ["user.a"], data: DATA },
  GETXATTR: { opcode: 22, in: "fuse_getxattr_in", fixed: { size: 64 }, names: ["user.a"], tail: DATA, limit: 64 },
  LISTXATTR: { opcode: 23, in: "fuse_getxattr_in", fixed: { size: 64 }, tail: text("user.a\0user.b\0"), limit: 64 },
  REMOVEXATTR: { opcode: 24, names: ["user.a"] },
  FLUSH: { opcode: 25, in: "fuse_flush_in" },
  INIT: { opcode: 26, in: "fuse_init_in", fixed: { major: 7, minor: 40 }, out: ["fuse_init_out"] },
  OPENDIR: { opcode: 27, in: "fuse_open_in", out: ["fuse_open_out"] },
  READDIR: { opcode: 28, in: "fuse_read_in", fixed: { size: 4096 }, limit: 4096 },
  RELEASEDIR: { opcode: 29, in: "fuse_release_in" },
  FSYNCDIR: { opcode: 30, in: "fuse_fsync_in" },
  GETLK: { opcode: 31, in: "fuse_lk_in", out: ["fuse_lk_out"] },
  SETLK: { opcode: 32, in: "fuse_lk_in" },
  SETLKW: { opcode: 33, in: "fuse_lk_in" },
  ACCESS: { opcode: 34, in: "fuse_access_in" },
  CREATE: { opcode: 35, in: "fuse_create_in", names: ["file"], out: ["fuse_entry_out", "fuse_open_out"] },
  INTERRUPT: { opcode: 36, in: "fuse_interrupt_in", answer: "optional" },
  BMAP: { opcode: 37, in: "fuse_bmap_in", out: ["fuse_bmap_out"] },
  DESTROY: { opcode: 38 },
  IOCTL: {
    opcode: 39,
    in: "fuse_ioctl_in",
    fixed: { in_size: DATA.length, out_size: 32 },
    data: DATA,
    out: ["fuse_ioctl_out"],
    tail: text("result"),
    limit: 32,
  },
  POLL: { opcode: 40, in: "fuse_poll_in", out: ["fuse_poll_out"] },
  NOTIFY_REPLY: {
    opcode: 41,
    in: "fuse_notify_retrieve_in",
    fixed: { size: DATA.length },
    data: DATA,
    answer: "never",
  },
  BATCH_FORGET: {
    opcode: 42,
    in: "fuse_batch_forget_in",
    fixed: { count: 2 },
    list: { of: "fuse_forget_one", entries: forgets },
    answer: "never",
  },
  FALLOCATE: { opcode: 43, in: "fuse_fallocate_in" },
  READDIRPLUS: { opcode: 44, in: "fuse_read_in", fixed: { size: 4096 }, limit: 4096 },
  RENAME2: { opcode: 45, in: "fuse_rename2_in", names: ["old", "newer"] },
  LSEEK: { opcode: 46, in: "fuse_lseek_in", out: ["fuse_lseek_out"] },
  COPY_FILE_RANGE: { opcode: 47, in: "fuse_copy_file_range_in", out: ["fuse_write_out"] },
  SETUPMAPPING: { opcode: 48, in: "fuse_setupmapping_in" },
  REMOVEMAPPING: {
    opcode: 49,
    in: "fuse_removemapping_in",
    fixed: { count: 1 },
    list: { of: "fuse_removemapping_one", entries: mappings },
  },
  SYNCFS: { opcode: 50, in: "fuse_syncfs_in" },
  TMPFILE: { opcode: 51, in: "fuse_create_in", names: ["/"], out: ["fuse_entry_out", "fuse_open_out"] },
  STATX: { opcode: 52, in: "fuse_statx_in", out: ["fuse_statx_out"] },
  COPY_FILE_RANGE_64: { opcode: 53, in: "fuse_copy_file_range_in", out: ["fuse_copy_file_range_out"] },
  FREEZE_FS: { opcode: 4089, in: "fuse_freezefs_in" },
  UNFREEZE_FS: { opcode: 4090 },
  SHUTDOWN_FS: { opcode: 4091, in: "fuse_shutdownfs_in" },
  IOMAP_CONFIG: { opcode: 4092, in: "fuse_iomap_config_in", out: ["fuse_iomap_config_out"] },
  IOMAP_IOEND: { opcode: 4093, in: "fuse_iomap_ioend_in", out: ["fuse_iomap_ioend_out"] },
  IOMAP_BEGIN: { opcode: 4094, in: "fuse_iomap_begin_in", out: ["fuse_iomap_begin_out"] },
  IOMAP_END: { opcode: 4095, in: "fuse_iomap_end_in" },
  CUSE_INIT: { opcode: 4096, in: "cuse_init_in", out: ["cuse_init_out"], tail: cstring("DEVNAME=x"), limit: 4096 },
};

/** Bit 63 and bit 32 set: the whole id must come back. */
const UNIQUE = 0x8000_0001_ffff_fffen;
const HEADER = { unique: UNIQUE, nodeid: 2n ** 52n + 1n, uid: 0xffff_fffe, gid: 70000, pid: 4242, padding: 9 };

function requestOf(golden: Golden): { bytes: Buffer; data: Buffer | undefined } {
  const data = golden.list
    ? Buffer.concat(golden.list.entries.map((entry) => bytesOf(golden.list?.of ?? "", entry)))
    : golden.data;
  const parts = [
    ...(golden.in === undefined ? [] : [bytesOf(golden.in, sampleValues(golden.in, golden.opcode, golden.fixed))]),
    ...(golden.names ?? []).map(cstring),
    ...(data === undefined ? [] : [data]),
  ];
  return { bytes: request(golden.opcode, HEADER, ...parts), data };
}

function assertFields(view: object, name: string, values: Readonly<Record<string, bigint>>): void {
  for (const field of layout(name).fields) assert.equal(get(view, field), values[field.path], `${name}.${field.path}`);
}

for (const [name, golden] of Object.entries(GOLDEN) as [OperationName, Golden][]) {
  const { bytes, data } = requestOf(golden);
  const outs = (golden.out ?? []).map((out) => ({ out, values: sampleValues(out, golden.opcode + 7) }));
  const tail = golden.tail ?? Buffer.alloc(0);
  const answer = reply(UNIQUE, 0, ...outs.map(({ out, values }) => bytesOf(out, values)), tail);

  test(`${name}: the handler gets exactly the golden request, and its reply is the golden reply`, () => {
    let calls = 0;
    const handler = (context: object, ...args: unknown[]) => {
      calls++;
      assert.equal(Reflect.get(context, "opcode"), golden.opcode);
      assert.equal(Reflect.get(context, "uniqueLo"), 0xffff_fffe);
      assert.equal(Reflect.get(context, "uniqueHi"), 0x8000_0001);
      assert.equal(Reflect.get(context, "nodeid"), 2 ** 52 + 1);
      assert.deepEqual(
        ["uid", "gid", "pid"].map((key) => Reflect.get(context, key)),
        [0xffff_fffe, 70000, 4242],
      );
      const next = () => args.shift() as object;
      if (golden.in !== undefined) {
        assertFields(next(), golden.in, sampleValues(golden.in, golden.opcode, golden.fixed));
      }
      for (const expected of golden.names ?? []) assert.equal(Buffer.from(next() as Uint8Array).toString(), expected);
      if (golden.data !== undefined) assert.deepEqual(Buffer.from(next() as Uint8Array), golden.data);
      if (golden.list !== undefined) {
        const list = next() as { length: number; get(index: number): object };
        assert.equal(list.length, golden.list.entries.length);
        for (const [index, entry] of golden.list.entries.entries()) {
          assertFields(list.get(index), golden.list.of, sampleValues(golden.list.of, 0, entry));
        }
      }
      for (const { out, values } of outs) {
        const view = next();
        for (const field of layout(out).fields) {
          if (name !== "INIT") assert.equal(get(view, field), 0n, `${out}.${field.path} arrives zeroed`);
          set(view, field, values[field.path] ?? 0n);
        }
      }
      if (golden.limit !== undefined && golden.tail !== undefined) {
        const window = next() as Uint8Array;
        assert.equal(window.length, golden.limit);
        window.set(golden.tail);
      } else if (golden.limit !== undefined) assert.equal(Reflect.get(next(), "length"), 0);
      assert.deepEqual(args, []);
      return tail.length;
    };
    const session = new Session(
      { [name]: handler } as Handlers,
      name === "INIT" ? {} : { negotiated: negotiated({ want: ["SETXATTR_EXT"] }) },
    );
    session.reply.fill(0xee);
    const length = session.handle(bytes);
    assert.equal(calls, 1);
    if (golden.answer === undefined) assert.deepEqual(Buffer.from(session.reply.subarray(0, length)), answer);
    else assert.equal(length, 0);
  });

  test(`${name}: an errno is replied in exactly 16 bytes, where a reply is allowed`, () => {
    const options = name === "INIT" ? {} : { negotiated: negotiated({ want: ["SETXATTR_EXT"] }) };
    const session = new Session({ [name]: () => -13 } as Handlers, options);
    const length = session.handle(bytes);
    if (golden.answer === "never") assert.equal(length, 0);
    else assert.deepEqual(Buffer.from(session.reply.subarray(0, length)), reply(UNIQUE, -13));
  });

  test(`${name}: requests are encoded to the golden bytes`, () => {
    const buffer = new Uint8Array(8192).fill(0xdd);
    const halves = (values: Readonly<Record<string, bigint>>, type: string) => nest(values, type);
    const length = encodeRequest(
      buffer,
      name,
      {
        uniqueLo: 0xffff_fffe,
        uniqueHi: 0x8000_0001,
        nodeid: 2 ** 52 + 1,
        uid: 0xffff_fffe,
        gid: 70000,
        pid: 4242,
        padding: 9,
      },
      // The parts are typed per operation; this table is not.
      {
        ...(golden.in === undefined
          ? {}
          : { request: halves(sampleValues(golden.in, golden.opcode, golden.fixed), golden.in) }),
        ...(golden.names === undefined ? {} : { names: golden.names.map(text) }),
        ...(data === undefined ? {} : { data }),
      } as unknown as Parameters<typeof encodeRequest<"DESTROY">>[3],
    );
    assert.deepEqual(Buffer.from(buffer.subarray(0, length)), bytes);
  });

  test(`${name}: the golden reply decodes to what was put into it`, () => {
    const decoded = decodeReply(name, answer, answer.length, golden.limit);
    if (golden.answer === "never") {
      assert.equal(decoded, undefined);
      return;
    }
    assert.ok(decoded);
    assert.deepEqual([decoded.error, decoded.uniqueLo, decoded.uniqueHi], [0, 0xffff_fffe, 0x8000_0001]);
    for (const [index, { out, values }] of outs.entries()) {
      assertFields((decoded.out as readonly object[])[index] ?? {}, out, values);
    }
    assert.deepEqual(Buffer.from(decoded.data), tail);
  });
}

/** Turns `lk.start` into `lk: { start }`, `spare[1]` into arrays, and 64-bit values into halves. */
function nest(values: Readonly<Record<string, bigint>>, type: string): object {
  const result: Record<string, unknown> = {};
  const fields = new Map(layout(type).fields.map((field) => [field.path, field]));
  for (const [path, value] of Object.entries(values)) {
    const parts = path.split(".");
    const last = parts.pop() ?? "";
    let at = result;
    for (const part of parts) {
      at[part] ??= {};
      at = at[part] as Record<string, unknown>;
    }
    const array = /^(\w+)\[(\d+)\]$/.exec(last);
    const wide = fields.get(path)?.type.endsWith("64") === true;
    if (array) {
      const items = ((at[array[1] ?? ""] as number[] | undefined) ?? []) as number[];
      items[Number(array[2])] = Number(value);
      at[array[1] ?? ""] = items;
    } else if (wide) {
      at[`${last}Lo`] = Number(BigInt.asUintN(32, value));
      at[`${last}Hi`] = Number(BigInt.asUintN(32, value >> 32n));
    } else at[last] = Number(value);
  }
  return result;
}

test("the table has every opcode of the reference, once", () => {
  const ours = Object.entries(operations).map(([name, { opcode }]) => [name, opcode]);
  const theirs = Object.entries(GOLDEN).map(([name, { opcode }]) => [name, opcode]);
  assert.deepEqual(ours, theirs);
});

test("what ENOSYS means follows the reference's list", () => {
  const sticky = `OPEN OPENDIR FLUSH FSYNC FSYNCDIR ACCESS CREATE TMPFILE RENAME2 LINK SETXATTR GETXATTR LISTXATTR
    REMOVEXATTR STATX BMAP LSEEK FALLOCATE COPY_FILE_RANGE COPY_FILE_RANGE_64 POLL SYNCFS INTERRUPT IOMAP_END
    IOMAP_IOEND`.split(/\s+/);
  const ours = Object.entries(operations).filter(([, { enosys }]) => enosys === "sticky");
  assert.deepEqual(ours.map(([name]) => name).sort(), sticky.sort());
});

test("a missing handler is ENOSYS, or silence where nothing may be answered", () => {
  const session = new Session({}, { negotiated: negotiated({ want: ["SETXATTR_EXT"] }) });
  for (const [name, golden] of Object.entries(GOLDEN)) {
    if (name === "INIT") continue;
    const length = session.handle(requestOf(golden).bytes);
    if (golden.answer !== undefined) assert.equal(length, 0, name);
    else assert.deepEqual(Buffer.from(session.reply.subarray(0, length)), reply(UNIQUE, -38), name);
  }
});
