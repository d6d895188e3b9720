/** Oracle: transcripts of libfuse's helper, as the protocol's reference has them. */
import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, beforeEach, describe, test } from "node:test";
import { close, memfdCreate, write } from "@bulkhead/linux";
import { encodeArguments, mountAsService, ServiceConnection, type ServiceMountOptions } from "../../src/index.js";
import { openDescriptors, Peer, transcript } from "../peer.js";
import { text } from "../wire.js";

const folder = mkdtempSync(join(tmpdir(), "service-server-"));
const image = join(folder, "image");
writeFileSync(image, "image");
after(() => rmSync(folder, { recursive: true, force: true }));

const HELLO = "53414654 0001 0001 00000003";
const HELLO_OF_USER = "53414654 0001 0001 00000000";
const ARGV = "46494c45 00000000 6172677600";
const FUSEDEV = "46494c45 00000000 6675736564657600";
const OK = "5245504c 00000000";
const FILE_I = "46494c45 00000000 2f6900";
/** O_RDWR | O_EXCL | O_NONBLOCK, and O_RDONLY with the same. */
const OPEN_RW = "4f50454e 00000882 00000000 00000000 00000000 2f6900";
const OPEN_RO = "4f50454e 00000880 00000000 00000000 00000000 2f6900";
const QUIET_OPTIONS = { timeout: 2000 };

function argumentFile(...list: string[]): number {
  const fd = memfdCreate("arguments");
  const bytes = encodeArguments(list.map(text), list.length + 2);
  assert.equal(write(fd, bytes, 0, bytes.length), bytes.length);
  return fd;
}

let peer: Peer;
let before: number;
beforeEach(() => {
  before = openDescriptors();
  peer = new Peer();
});
afterEach(() => {
  peer.leave();
  assert.equal(openDescriptors(), before, "descriptors left open");
});

/** The helper's part up to the FUSE device. */
function introduce(...args: string[]): void {
  introduceTo(HELLO, ...args);
}

function introduceTo(hello: string, ...args: string[]): void {
  const argv = argumentFile(...args);
  const device = openSync("/dev/null", "r+");
  peer.say(hello).give(ARGV, [argv]).give(FUSEDEV, [device]);
  closeSync(device);
  close(argv);
}

function giveImage(packet = FILE_I): void {
  const fd = openSync(image, "r");
  peer.give(packet, [fd]);
  closeSync(fd);
}

const connect = () => new ServiceConnection(peer.other, QUIET_OPTIONS);

describe("the server's end", () => {
  const opening = (): ServiceMountOptions<string> => ({
    own: [],
    open({ source }) {
      if (source !== undefined) close(source.fd);
      return { fileSystem: "opened" };
    },
  });

  test("goes from HELLO to goodbye in the reference's order", async () => {
    introduce("x", "/i", "/m", "-o", "fsname=x");
    giveImage();
    peer.say(OK, OK, OK, OK);
    const connection = connect();
    assert.deepEqual(connection.callerMay, { allowOther: true, fuseblk: true });
    assert.deepEqual(connection.arguments, ["x", "/i", "/m", "-o", "fsname=x"].map(text));
    const { fuse, fileSystem } = await mountAsService(connection, opening());
    close(fuse);
    assert.equal(fileSystem, "opened");
    assert.deepEqual(
      peer.heard(),
      transcript(
        "4c415354 0001 0000",
        OPEN_RW,
        "54595045 00000000",
        "4e414d45 7800",
        "4d4e5450 4000 0000 2f6d00",
        "444f4954 00000006",
        "42594545 00000000",
      ),
    );
  });

  test("sorts options as libfuse's server library does", async () => {
    introduce(
      "x",
      "/i",
      "/mnt",
      "-o",
      "allow_root,fsname=a\\,b,x-foo,user=me,ro,default_permissions,noatime,max_read=8192",
    );
    giveImage();
    peer.say(OK, OK, OK, OK, OK, OK);
    const { fuse, command } = await mountAsService(connect(), opening());
    close(fuse);
    assert.equal(command.allowRoot, true);
    const said = peer.heard().map((bytes) => Buffer.from(bytes, "hex").toString("latin1"));
    const wanted = "allow_other,default_permissions,max_read=8192";
    assert.equal(said[1]?.slice(0, 8), "OPEN\0\0\x08\x80"); // ro: not even asked for writing
    assert.deepEqual(said.slice(3, 4), ["NAMEa,b\0"]);
    assert.deepEqual(said.slice(5), [`OPTS${wanted}\0`, "MTABx-foo,user=me\0", "DOIT\0\0\x04\x07", "BYEE\0\0\0\0"]);
  });

  test("is read-only where writing is forbidden, and waits for a busy device until its deadline", async () => {
    introduce("x", "/i", "/m");
    peer.say("46494c45 00000010 2f6900", "46494c45 0000001e 2f6900"); // EBUSY, EROFS
    giveImage();
    peer.say(OK, OK, OK, OK);
    const { fuse } = await mountAsService(connect(), opening());
    close(fuse);
    const said = peer.heard();
    assert.deepEqual(said.slice(1, 4), transcript(OPEN_RW, OPEN_RW, OPEN_RO));
    assert.equal(said.at(-2), "444f495400000007"); // MS_RDONLY

    peer.leave();
    peer = new Peer();
    introduce("x", "/i", "/m");
    for (let i = 0; i < 10; i++) peer.say("46494c45 00000010 2f6900");
    const source = { busyTimeout: 150 };
    await assert.rejects(mountAsService(connect(), { ...opening(), source }), { code: "EBUSY" });
    assert.equal(peer.heard().at(-1), "4259454500000001");
  });

  test("does not ask for a mount when the file system does not open, and says so", async () => {
    introduce("x", "/i", "/m");
    giveImage();
    const bad = mountAsService(connect(), {
      own: [],
      open({ source }) {
        close(source!.fd);
        throw new Error("bad magic");
      },
    });
    await assert.rejects(bad, /bad magic/);
    assert.deepEqual(peer.heard().slice(2), transcript("42594545 00000001"));
  });

  test("closes the file system when the mount is refused", async () => {
    introduce("x", "/i", "/m");
    giveImage();
    peer.say(OK, OK, OK, "5245504c 00000001"); // EPERM
    const abandoned: string[] = [];
    const refused = mountAsService(connect(), { ...opening(), abandon: (fs) => void abandoned.push(fs) });
    await assert.rejects(refused, { code: "EPERM", syscall: "mount" });
    assert.deepEqual(abandoned, ["opened"]);
    assert.equal(peer.heard().at(-1), "4259454500000001");
  });

  test("does not even ask for what lets others in where the caller may not", async () => {
    introduceTo(HELLO_OF_USER, "x", "/i", "/m", "-o", "allow_other");
    const refused = mountAsService(connect(), opening());
    await assert.rejects(refused, { code: "EPERM", message: /allow_other: only for root, or .*\/etc\/fuse\.conf/ });
    assert.deepEqual(peer.heard().slice(1), ["4259454500000001"]);
  });

  test("asks for iomap only a helper that offers it, and for a loop device where it insists", async () => {
    introduce("x", "/i", "/m");
    await assert.rejects(mountAsService(connect(), { ...opening(), iomap: "mandatory" }), { code: "EOPNOTSUPP" });
    peer.leave();
    peer = new Peer();
    introduce("x", "/i", "/m", "-o", "x-bulkhead.extensions");
    giveImage();
    peer.say(OK, OK, OK, OK, OK);
    close((await mountAsService(connect(), { ...opening(), iomap: "mandatory" })).fuse);
    const tried = "4f50454e 00000882 00000000 00000002 00000000 2f6900";
    assert.deepEqual(peer.heard().slice(1, 3), transcript(tried, "494f4d41 5021 0000"));
    peer.leave();
    peer = new Peer();
    introduce("x", "/i", "/m", "-o", "x-bulkhead.extensions");
    giveImage();
    peer.say(OK, OK, OK, OK, OK);
    close((await mountAsService(connect(), { ...opening(), iomap: "optional" })).fuse);
    assert.deepEqual(peer.heard().slice(1, 3), transcript(OPEN_RW, "494f4d41 503f 0000"));
  });

  test("never says goodbye with 2, which some helpers take for: start it uncontained", () => {
    introduce("x", "/m");
    connect().goodbye(2);
    assert.equal(peer.heard().at(-1), "4259454500000001");
  });

  test("keeps its claim on a block device until the kernel is to take it", async () => {
    introduce("x", "/i", "/m", "-o", "blkdev");
    giveImage();
    giveImage();
    peer.say(OK, OK, OK, OK, OK);
    const { fuse } = await mountAsService(connect(), opening());
    close(fuse);
    const said = peer.heard();
    assert.deepEqual(said.slice(1, 5), [
      ...transcript(OPEN_RW, "4f50454e 00000802 00000000 00000000 00000000 2f6900", "54595045 00000001"),
      "4e414d452f6900",
    ]);
  });
});

describe("a helper that breaks the protocol", () => {
  const hellos: readonly (readonly [what: string, packet: string, code: string])[] = [
    ["another magic", "53414655 0001 0001 00000003", "EBADMSG"],
    ["another size", "53414654 0001 0001 00000003 00", "EBADMSG"],
    ["a short packet", "5341", "EBADMSG"],
    ["no version in common", "53414654 0002 0003 00000000", "EOPNOTSUPP"],
    ["versions before the first", "53414654 0000 0000 00000000", "EOPNOTSUPP"],
    ["versions the wrong way round", "53414654 0001 0000 00000000", "EOPNOTSUPP"],
    ["flags that nobody knows", "53414654 0001 0001 00000004", "EINVAL"],
  ];
  for (const [what, packet, code] of hellos) {
    test(`in HELLO (${what}) gets no answer: ${code}`, () => {
      peer.say(packet);
      assert.throws(connect, { code });
      assert.deepEqual(peer.heard(), []);
    });
  }

  test("with a wider range of versions is answered with ours", () => {
    peer.say("53414654 0000 0005 00000000");
    peer.leave();
    assert.throws(connect, { name: "LinuxError" });
  });

  test("and leaves is noticed", () => {
    peer.say(HELLO);
    const argv = argumentFile("x", "/m");
    peer.give(ARGV, [argv]);
    close(argv);
    peer.leave();
    assert.throws(connect, (error: Error) => /EPIPE|EBADMSG/.test(error.message));
  });

  test("and says nothing is given up", () => {
    assert.throws(() => new ServiceConnection(peer.other, { timeout: 30 }), { code: "ETIMEDOUT" });
  });

  const files: readonly (readonly [what: string, packet: string, descriptors: number, code: string])[] = [
    ["another name", "46494c45 00000000 2f6a00", 1, "EBADMSG"],
    ["a longer name", "46494c45 00000000 2f690000", 1, "EBADMSG"],
    ["another magic", "5245504c 00000000", 1, "EBADMSG"],
    ["no name", "46494c45 00000000", 1, "EBADMSG"],
    ["no NUL", "46494c45 00000000 2f6969", 1, "EBADMSG"],
    ["two descriptors", FILE_I, 2, "EBADMSG"],
    ["five descriptors", FILE_I, 5, "EBADMSG"],
    ["an error and a descriptor", "46494c45 0000000d 2f6900", 1, "EACCES"],
    ["neither error nor descriptor", FILE_I, 0, "ENOENT"],
    ["an error that is none", "46494c45 ffffffff 2f6900", 0, "EIO"],
  ];
  for (const [what, packet, count, code] of files) {
    test(`in FILE (${what}) is ${code}, and leaves no descriptor open`, () => {
      introduce("x", "/i", "/m");
      const fd = openSync(image, "r");
      peer.give(packet, Array(count).fill(fd));
      closeSync(fd);
      const connection = connect();
      assert.throws(() => connection.requestFile(text("/i"), { flags: 0 }), { code });
      connection.close();
      peer.heard();
    });
  }

  for (const [what, packet, code] of [
    ["longer", "5245504c 00000000 00", "EBADMSG"],
    ["another magic", "46494c45 00000000", "EBADMSG"],
    ["an error", "5245504c 00000016", "EINVAL"],
  ] as const) {
    test(`in REPLY (${what}) is ${code}`, () => {
      introduce("x", "/i", "/m");
      peer.say(packet);
      const connection = connect();
      assert.throws(() => connection.fsopen(0), { code });
      connection.close();
      peer.heard();
    });
  }

  test("with an argument file that is broken, or a FUSE device that is none, is EBADMSG", () => {
    const broken = memfdCreate("broken");
    peer.say(HELLO).give(ARGV, [broken]);
    close(broken);
    assert.throws(connect, { code: "EBADMSG" });
    peer.leave();
    peer = new Peer();
    const argv = argumentFile("x", "/m");
    const fd = openSync(image, "r");
    peer.say(HELLO).give(ARGV, [argv]).give(FUSEDEV, [fd]);
    closeSync(fd);
    close(argv);
    assert.throws(connect, { code: "EBADMSG" });
  });

  test("that could not open the FUSE device says why", () => {
    const argv = argumentFile("x", "/m");
    peer.say(HELLO).give(ARGV, [argv]).say("46494c45 0000000d 6675736564657600");
    close(argv);
    assert.throws(connect, { code: "EACCES" });
  });
});
