/** Oracle: the golden bytes of the protocol's reference, captured from libfuse's helper and server. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  decode,
  decodeArguments,
  encode,
  encodeArguments,
  FileRequestFlag,
  HelloFlag,
  IomapMode,
  KeeperFile,
  LARGEST_ARGUMENTS,
  MountPointFormat,
  magicAt,
  type PacketFields,
  type PacketName,
  type PacketRow,
  packets,
} from "../../src/index.js";
import { hex, text, unhex } from "../wire.js";

/** Every packet with its bytes. */
const golden: {
  readonly [K in PacketName]: readonly [
    values: Readonly<Record<string, number>>,
    text: string | undefined,
    bytes: string,
  ];
} = {
  HELLO: [{ minVersion: 1, maxVersion: 1, flags: 3 }, undefined, "53414654 0001 0001 00000003"],
  HELLO_REPLY: [{ version: 1 }, undefined, "4c415354 0001 0000"],
  FILE: [{ error: 0 }, "fusedev", "46494c45 00000000 6675736564657600"],
  OPEN: [
    { openFlags: 0x82, createMode: 0, requestFlags: 0, blockSize: 0 },
    "/i",
    "4f50454e 00000082 00000000 00000000 00000000 2f6900",
  ],
  OPEN_BLOCK_DEVICE: [
    { openFlags: 2, createMode: 0o644, requestFlags: FileRequestFlag.QUIET, blockSize: 4096 },
    "/d",
    "42444556 00000002 000001a4 00000001 00001000 2f6400",
  ],
  FSOPEN: [{ flags: 0 }, undefined, "54595045 00000000"],
  SOURCE: [{}, "x", "4e414d45 7800"],
  OPTIONS: [{}, "allow_other", "4f505453 616c6c6f775f6f7468657200"],
  TABLE_OPTIONS: [{}, "x-a", "4d544142 782d6100"],
  MOUNT_POINT: [{ expectedFormat: MountPointFormat.DIRECTORY }, "/m", "4d4e5450 4000 0000 2f6d00"],
  MOUNT: [{ msFlags: 6 }, undefined, "444f4954 00000006"],
  GOODBYE: [{ exitCode: 0 }, undefined, "42594545 00000000"],
  REPLY: [{ error: 0 }, undefined, "5245504c 00000000"],
  IOMAP: [{ mode: IomapMode.OPTIONAL }, undefined, "494f4d41 503f 0000"],
  KEEP: [{ what: KeeperFile.MEMORY }, undefined, "4b454550 00000002"],
};

describe("packets", () => {
  for (const name of Object.keys(golden) as PacketName[]) {
    const row: PacketRow<PacketFields, boolean> = packets[name];
    const [values, content, bytes] = golden[name];
    test(`${name} has the reference's bytes, both ways`, () => {
      const packet = unhex(bytes);
      const written = encode(
        row as PacketRow<PacketFields, true>,
        values,
        content === undefined ? undefined! : text(content),
      );
      assert.equal(hex(written), hex(packet));
      assert.equal(magicAt(packet), row.magic);
      const read = decode(row, packet);
      assert.deepEqual({ ...read?.values }, values);
      assert.deepEqual(read?.text, content === undefined ? undefined : text(content));
    });

    test(`${name} of another size, or without its NUL, is malformed`, () => {
      const packet = unhex(bytes);
      for (let length = 0; length < packet.length; length++) {
        assert.equal(decode(row, packet.subarray(0, length)), undefined, `${length} bytes`);
      }
      const longer = Uint8Array.of(...packet, 1);
      assert.equal(decode(row, longer), undefined);
    });
  }

  test("a NUL inside ends a text; an empty one is malformed", () => {
    assert.deepEqual(decode(packets.SOURCE, unhex("4e414d45 780079 00"))?.text, text("x"));
    assert.equal(decode(packets.SOURCE, unhex("4e414d45 00")), undefined);
    assert.equal(decode(packets.SOURCE, unhex("4e414d45 0000")), undefined);
  });

  test("padding that is not 0 is malformed", () => {
    assert.equal(decode(packets.HELLO_REPLY, unhex("4c415354 0001 0001")), undefined);
    assert.equal(decode(packets.MOUNT_POINT, unhex("4d4e5450 4000 0100 2f6d00")), undefined);
    assert.equal(decode(packets.IOMAP, unhex("494f4d41 503f 0001")), undefined);
  });

  test("values that do not fit are the writer's mistake", () => {
    assert.throws(() => encode(packets.MOUNT, { msFlags: 2 ** 32 }), RangeError);
    assert.throws(() => encode(packets.GOODBYE, { exitCode: -1 }), RangeError);
    assert.throws(() => encode(packets.SOURCE, {}, Uint8Array.of(65, 0)), RangeError);
    assert.equal(HelloFlag.ALLOW_OTHER | HelloFlag.FUSEBLK, 3);
  });
});

describe("the argument file", () => {
  test("has the reference's bytes", () => {
    const bytes = encodeArguments(["x", "/i", "/m"].map(text), 5);
    const head = "41524753 00000003 00000030 00000002 00000032 00000003 00000035 00000003";
    assert.equal(hex(bytes), hex(unhex(`${head} ${"00".repeat(16)} 7800 2f6900 2f6d00`)));
    assert.deepEqual(decodeArguments(bytes), ["x", "/i", "/m"].map(text));
  });

  test("keeps a place in its table for each argument of the helper's", () => {
    const bytes = encodeArguments(["ext4", "/dev/vdb", "/mnt", "-o", "ro"].map(text), 7);
    assert.equal(bytes.length, 89);
    const view = new DataView(bytes.buffer);
    const table = [0, 1, 2, 3, 4].map((i) => [view.getUint32(8 + 8 * i), view.getUint32(12 + 8 * i)]);
    assert.deepEqual(table, [
      [64, 5],
      [69, 9],
      [78, 5],
      [83, 3],
      [86, 3],
    ]);
  });

  test("that is broken is EBADMSG, whatever it claims", () => {
    const good = encodeArguments(["x", "/i"].map(text), 2);
    const broken = (change: (view: DataView) => void, size = good.length) => {
      const bytes = good.slice(0, size);
      change(new DataView(bytes.buffer));
      assert.throws(() => decodeArguments(bytes), { code: "EBADMSG" });
    };
    broken(() => {}, 7);
    broken(() => {}, good.length - 1);
    broken((view) => view.setUint32(0, 1));
    broken((view) => view.setUint32(4, 0xffff_ffff));
    broken((view) => view.setUint32(8, 0xffff_fff0));
    broken((view) => view.setUint32(12, 0));
    broken((view) => view.setUint32(12, 1));
    assert.throws(() => decodeArguments(new Uint8Array(LARGEST_ARGUMENTS + 1)), { code: "EBADMSG" });
  });

  test("whose entries overlap does not grow beyond its limit", () => {
    const count = 50_000;
    const bytes = new Uint8Array(8 + 8 * count + 1000);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, 0x41524753);
    view.setUint32(4, count);
    for (let i = 0; i < count; i++) {
      view.setUint32(8 + 8 * i, bytes.length - 1000);
      view.setUint32(12 + 8 * i, 1000);
    }
    bytes.fill(65, bytes.length - 1000, bytes.length - 1);
    assert.throws(() => decodeArguments(bytes), { code: "EBADMSG" });
  });
});
