/** Oracle: the protocol's reference (§7.2, §9, §11): the errno of each refusal, and what ends a session. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Errno, LinuxError } from "@bulkhead/linux";
import {
  type FileOpening,
  type HelperActions,
  type HelperPolicy,
  HelperSession,
  type MountRequest,
} from "../../src/index.js";
import { transcript } from "../peer.js";
import { hex, text, unhex } from "../wire.js";

/** Actions that only take note. */
class Notes implements HelperActions {
  readonly done: string[] = [];
  /** What the next actions fail with. */
  readonly failures = new Map<string, number>();
  request: MountRequest | undefined;

  openFile(path: Uint8Array, { flags, blockDevice, blockSize, tryLoop, quiet }: FileOpening): number {
    this.#note("open", [Buffer.from(path), flags.toString(8), blockDevice, blockSize, tryLoop, quiet].join(" "));
    return 99;
  }
  enableIomap(): void {
    this.#note("iomap");
  }
  keeperFile(what: number): number {
    this.#note("keep", String(what));
    return 100 + what;
  }
  pinMountPoint(path: Uint8Array, expected: number): void {
    this.#note("pin", `${Buffer.from(path)} ${expected.toString(16)}`);
  }
  checkMount(): void {
    this.#note("check");
  }
  mount(request: MountRequest): void {
    this.request = request;
    this.#note("mount");
  }
  recordOptions(options: readonly string[]): void {
    this.#note("table", options.join(" "));
  }
  #note(action: string, detail = ""): void {
    this.done.push(`${action} ${detail}`.trim());
    const errno = this.failures.get(action);
    if (errno !== undefined) throw new LinuxError(action, errno);
  }
}

const POLICY: HelperPolicy = {
  root: true,
  allowOther: true,
  mountPoint: text("/m"),
  files: [text("/i")],
  suid: false,
  dev: false,
  restrictions: 0,
  words: [],
  extensions: false,
  keeper: false,
};

class Case {
  readonly notes = new Notes();
  readonly session: HelperSession;
  constructor(policy: Partial<HelperPolicy> = {}) {
    this.session = new HelperSession({ ...POLICY, ...policy }, this.notes);
  }
  /** The answer's bytes; `end CODE` when the session ends. */
  say(packet: string | Uint8Array): string {
    const outcome = this.session.handle(typeof packet === "string" ? unhex(packet) : packet);
    if (outcome.kind === "end") return `end ${outcome.exitCode}`;
    return hex(outcome.packet) + (outcome.fd === undefined ? "" : ` +${outcome.fd}`);
  }
  /** The error in the answer. */
  errno(packet: string | Uint8Array): number {
    return Number.parseInt(this.say(packet).slice(8, 16), 16);
  }
}

const OPEN = "4f50454e 00000082 00000000 00000000 00000000 2f6900";
const NAME = "4e414d45 7800";
const MNTP = "4d4e5450 4000 0000 2f6d00";
const DOIT = "444f4954 00000006";
const BYEE = "42594545 00000000";
const TYPE = "54595045 00000000";
const OK = "5245504c 00000000";
const ascii = (letters: string) => Buffer.from(letters, "latin1").toString("hex");
const opts = (list: string) => ascii(`OPTS${list}\0`);
const mtab = (list: string) => ascii(`MTAB${list}\0`);

test("the reference's session has the reference's bytes", () => {
  const { session, notes, say } = bound(new Case());
  const answers = [OPEN, TYPE, NAME, MNTP, DOIT].map(say);
  assert.deepEqual(
    answers,
    transcript("46494c45 00000000 2f6900", OK, OK, OK, OK).map((a, i) => (i === 0 ? `${a} +99` : a)),
  );
  assert.equal(session.mounted, true);
  assert.equal(say(BYEE), "end 0");
  assert.deepEqual(notes.done, ["open /i 202 false 0 false false", "pin /m 4000", "check", "mount"]);
  assert.deepEqual(notes.request, { source: text("x"), options: [], msFlags: 6, fuseblk: false });
});

function bound(one: Case) {
  return { session: one.session, notes: one.notes, say: (packet: string) => one.say(packet) };
}

describe("what ends a session without an answer", () => {
  for (const [what, packet] of [
    ["less than a magic", "4f5045"],
    ["an unknown command", "58585858 00000000"],
    ["a command that was removed before release", "554d4e54"],
    ["IOMA of a server that was not offered it", "494f4d41 503f 0000"],
    ["a packet of the helper's own", "5245504c 00000000"],
  ] as const) {
    test(what, () => assert.equal(new Case().say(packet), "end 1"));
  }

  test("too many commands", () => {
    const one = new Case();
    let count = 0;
    while (one.errno(NAME) >= 0) count++;
    assert.equal(count, 16_384);
  });

  test("goodbye, with the low 8 bits of its code; a malformed one is answered", () => {
    assert.equal(new Case().say("42594545 00000107"), "end 7");
    assert.equal(new Case().say("42594545 fffffffb"), "end 251");
    const outcome = new Case().session.handle(unhex("42594545"));
    assert.ok(outcome.kind === "end" && outcome.packet !== undefined);
    assert.deepEqual([outcome.exitCode, hex(outcome.packet)], [0, "5245504c00000016"]);
  });
});

describe("malformed commands are EINVAL, and the session goes on", () => {
  for (const [what, packet] of [
    ["TYPE of another size", "54595045 00000000 00"],
    ["TYPE with unknown flags", "54595045 00000002"],
    ["NAME without NUL", "4e414d45 7878"],
    ["NAME without text", "4e414d45 00"],
    ["OPTS that is no text", "4f505453 ff00"],
    ["MTAB without NUL", "4d544142 7878"],
    ["MNTP with padding", "4d4e5450 4000 0001 2f6d00"],
    ["MNTP of unknown format", "4d4e5450 a000 0000 2f6d00"],
    ["MNTP that is not the caller's mount point", "4d4e5450 4000 0000 2f6900"],
    ["DOIT of another size", "444f4954"],
    ["DOIT before NAME and MNTP", DOIT],
  ] as const) {
    test(what, () => {
      const one = new Case();
      assert.equal(one.errno(packet), Errno.EINVAL);
      assert.deepEqual(one.notes.done, []);
      assert.deepEqual(
        [NAME, MNTP, DOIT].map((p) => one.errno(p)),
        packet.startsWith("4f50") ? [0, 0, 22] : [0, 0, 0],
      );
    });
  }

  test("OPEN that cannot be read is answered with the path ?", () => {
    const answer = "46494c45000000163f00";
    assert.equal(new Case().say("4f50454e 00000000 00000000 00000000 00000000 2f69"), answer);
    assert.equal(new Case().say("42444556 00000000"), answer);
    assert.equal(new Case().say("4f50454e 00000000 00000000 00000000 00000000 00"), answer);
  });
});

describe("files", () => {
  const open = (flags: number, requestFlags = 0, path = "/i", magic = "OPEN") => {
    const word = (value: number) => value.toString(16).padStart(8, "0");
    return `${ascii(magic)}${word(flags)}00000000${word(requestFlags)}00001000${ascii(path)}00`;
  };

  test("the caller named can be opened, others cannot", () => {
    const one = new Case();
    assert.equal(one.errno(open(2)), 0);
    assert.equal(one.errno(open(2, 0, "/etc/shadow")), Errno.EACCES);
    assert.equal(one.errno(open(2, 0, "/m")), Errno.EACCES);
    assert.equal(one.errno(open(2, 0, "/I")), Errno.EACCES);
    assert.equal(one.notes.done.length, 1);
  });

  test("are neither made, cut short nor changed: such flags are EINVAL", () => {
    for (const flag of [0o100, 0o1000, 0o2000, 0o20000000, 0o200000, 0o20200000, 3, 0x8000_0000]) {
      assert.equal(new Case().errno(open(flag)), Errno.EINVAL, flag.toString(8));
    }
    for (const flag of [0, 1, 2, 0o200, 0o40000, 0o4010000, 0o4000]) assert.equal(new Case().errno(open(flag)), 0);
  });

  test("have request flags: QUIET is understood, others are EINVAL", () => {
    const one = new Case();
    assert.equal(one.errno(open(0, 1)), 0);
    assert.equal(one.errno(open(0, 2)), Errno.EINVAL);
    assert.equal(new Case({ extensions: true }).errno(open(0, 2)), 0);
    assert.deepEqual(one.notes.done, ["open /i 0 false 0 false true"]);
  });

  test("as block devices come with a block size, otherwise it is ignored", () => {
    const one = new Case();
    assert.equal(one.errno(open(0, 0, "/i", "BDEV")), 0);
    assert.deepEqual(one.notes.done, ["open /i 0 true 4096 false false"]);
    one.notes.failures.set("open", Errno.ENOTBLK);
    assert.equal(one.say(open(0, 0, "/i", "BDEV")), `46494c45${"0000000f"}2f6900`);
  });

  test("are not opened any more once it was tried to mount", () => {
    const one = new Case();
    for (const packet of [NAME, MNTP, DOIT]) one.say(packet);
    assert.equal(one.errno(OPEN), Errno.EPERM);
  });
});

describe("the mount", () => {
  test("takes each of its parts once, but again after a refusal", () => {
    const one = new Case();
    assert.equal(one.errno(opts("fd=3")), Errno.EINVAL);
    for (const packet of [TYPE, NAME, MNTP, opts("max_read=4096"), mtab("x-a")]) {
      assert.equal(one.errno(packet), 0);
      assert.equal(one.errno(packet), Errno.EINVAL);
    }
    assert.equal(one.errno(DOIT), 0);
    assert.equal(one.errno(DOIT), Errno.EBUSY);
    assert.deepEqual(one.notes.done, ["pin /m 4000", "check", "mount", "table x-a"]);
  });

  test("is refused after refused options", () => {
    const one = new Case({ root: false, allowOther: false });
    for (const packet of [TYPE, NAME, MNTP]) assert.equal(one.errno(packet), 0);
    assert.equal(one.errno(opts("default_permissions,allow_other")), Errno.EPERM);
    assert.equal(one.errno(DOIT), Errno.EINVAL);
    assert.equal(one.errno(opts("default_permissions")), 0);
    assert.equal(one.errno(DOIT), 0);
  });

  test("that the kernel refused cannot be tried again on this connection", () => {
    const one = new Case();
    one.notes.failures.set("mount", Errno.ENODEV);
    for (const packet of [NAME, MNTP]) one.say(packet);
    assert.equal(one.errno(DOIT), Errno.ENODEV);
    assert.equal(one.errno(DOIT), Errno.EBUSY);
    assert.equal(one.session.mounted, false);
  });

  test("that the caller may not make can be tried again", () => {
    const one = new Case();
    one.notes.failures.set("check", Errno.EPERM);
    for (const packet of [NAME, MNTP]) one.say(packet);
    assert.equal(one.errno(DOIT), Errno.EPERM);
    one.notes.failures.clear();
    assert.equal(one.errno(DOIT), 0);
  });

  test("has only flags of a mount: nothing that binds, moves, remounts or propagates", () => {
    for (const flag of [32, 64, 4096, 8192, 16384, 32768, 1 << 16, 1 << 17, 1 << 18, 1 << 19, 1 << 20, 0x8000_0000]) {
      const one = new Case();
      for (const packet of [NAME, MNTP]) one.say(packet);
      assert.equal(one.errno(`444f4954${(flag >>> 0).toString(16).padStart(8, "0")}`), Errno.EINVAL, String(flag));
    }
  });

  const flagsOf = (policy: Partial<HelperPolicy>) => {
    const one = new Case(policy);
    for (const packet of [NAME, MNTP, "444f4954 00000000"]) assert.equal(one.errno(packet), 0);
    return one.notes.request?.msFlags;
  };
  test("is nosuid and nodev unless root, and the caller, wants otherwise", () => {
    assert.equal(flagsOf({}), 6);
    assert.equal(flagsOf({ suid: true }), 4);
    assert.equal(flagsOf({ suid: true, dev: true }), 0);
    assert.equal(flagsOf({ suid: true, dev: true, root: false }), 6);
  });

  test("is what the caller wants it to be, whatever the server says", () => {
    assert.equal(flagsOf({ restrictions: 1 | 8 | 256 }), 1 | 6 | 8 | 256);
  });

  test("of a block device is root's, and of one that the caller named", () => {
    const fuseblk = "54595045 00000001";
    assert.equal(new Case({ root: false }).errno(fuseblk), Errno.EPERM);
    const one = new Case();
    assert.equal(one.errno(fuseblk), 0);
    for (const packet of [ascii("NAME/dev/sda\0"), MNTP]) one.say(packet);
    assert.equal(one.errno(DOIT), Errno.EACCES);
    const other = new Case();
    for (const packet of [fuseblk, ascii("NAME/i\0"), MNTP, opts("blksize=4096"), DOIT])
      assert.equal(other.errno(packet), 0);
    assert.deepEqual(other.notes.request, {
      source: text("/i"),
      options: [["blksize", "4096"]],
      msFlags: 6,
      fuseblk: true,
    });
  });

  test("has options from a list, and no others", () => {
    const good = 'allow_other,default_permissions,max_read=131072,context="a,b",fscontext=c';
    const one = new Case({ words: ['context="a,b"', "fscontext=c"] });
    assert.equal(one.errno(opts(good)), 0);
    for (const packet of [NAME, MNTP, DOIT]) one.say(packet);
    assert.deepEqual(one.notes.request?.options, [
      ["allow_other"],
      ["default_permissions"],
      ["max_read", "131072"],
      ["context", "a,b"],
      ["fscontext", "c"],
    ]);
    for (const bad of [
      ...[
        "fd=3",
        "rootmode=40000",
        "user_id=0",
        "group_id=0",
        "subtype=x",
        "source=/etc",
        "ro",
        "allow_root",
        "toString",
      ],
      ...["max_read=", "max_read=-1", "max_read=1x", "max_read", "allow_other=1", "blksize=512", "", ",", "nonsense"],
      ...["context=a", "fscontext=c", "context=a\\,fd=3", 'context="a', 'context=a"b,fd=3"', "default_permissions,"],
    ]) {
      assert.equal(new Case().errno(opts(bad)), Errno.EINVAL, bad);
    }
  });

  test("lets others in only where they may be let in", () => {
    for (const list of ["allow_other", "max_read=4096,allow_other", "allow_root", 'context="a,allow_other,b"']) {
      assert.equal(new Case({ root: false, allowOther: false }).errno(opts(list)), Errno.EPERM, list);
    }
    assert.equal(new Case({ root: false, allowOther: true }).errno(opts("allow_other")), 0);
  });

  test("shows in the table what is harmless, or the caller's own", () => {
    assert.equal(new Case().errno(mtab("x-a=b,x-systemd.automount")), 0);
    assert.equal(new Case().errno(mtab("user=joe")), Errno.EINVAL);
    assert.equal(new Case({ words: ["user=joe"] }).errno(mtab("user=joe")), 0);
    assert.equal(new Case().errno(mtab("rw")), Errno.EINVAL);
    const one = new Case();
    for (const packet of [NAME, MNTP, mtab("-n,x-a"), DOIT]) assert.equal(one.errno(packet), 0);
    assert.equal(one.notes.done.at(-1), "mount");
  });
});

describe("a server of ours", () => {
  const ours = (policy: Partial<HelperPolicy> = {}) => new Case({ extensions: true, ...policy });
  test("gets nothing that can be written to where the caller only reads", () => {
    const RDONLY = 1;
    const open = (mode: number) => `4f50454e 0000000${mode} 00000000 00000000 00000000 2f6900`;
    for (const mode of [1, 2]) assert.equal(ours({ restrictions: RDONLY }).errno(open(mode)), Errno.EROFS);
    assert.equal(ours({ restrictions: RDONLY }).errno(open(0)), 0);
    // Others may have to replay a journal.
    assert.equal(new Case({ restrictions: RDONLY }).errno(open(2)), 0);
  });

  test("shows as the source what the caller named", () => {
    const watchdog = ascii("NAME/dev/watchdog\0");
    assert.equal(ours().errno(watchdog), Errno.EACCES);
    assert.equal(ours().errno(ascii("NAME/i\0")), 0);
    assert.equal(new Case().errno(watchdog), 0);
  });
});

describe("iomap", () => {
  const optional = "494f4d41 503f 0000";
  const mandatory = "494f4d41 5021 0000";
  test("is switched on where it is offered, once, before the mount", () => {
    const one = new Case({ extensions: true });
    assert.equal(one.errno(optional), 0);
    assert.equal(one.errno(optional), Errno.EINVAL);
    const late = new Case({ extensions: true, files: [text("x")] });
    for (const packet of [NAME, MNTP, DOIT]) late.say(packet);
    assert.equal(late.errno(optional), Errno.EINVAL);
    assert.equal(new Case({ extensions: true }).errno("494f4d41 0000 0000"), Errno.EINVAL);
    assert.equal(new Case({ extensions: true }).errno("494f4d41 503f 0001"), Errno.EINVAL);
    assert.equal(new Case({ extensions: true }).errno("494f4d41 503f 0000 00"), Errno.EINVAL);
  });
  test("that the kernel lacks is an error only where it is mandatory", () => {
    const one = new Case({ extensions: true });
    one.notes.failures.set("iomap", Errno.ENOTTY);
    assert.equal(one.errno(mandatory), Errno.ENOTTY);
    assert.equal(one.errno(optional), 0);
  });
});

describe("what the keeper has", () => {
  const line = "4b454550 00000001";
  const memory = "4b454550 00000002";
  test("is handed over where there is one, once each, before the mount", () => {
    const one = new Case({ keeper: true });
    assert.equal(one.session.hasHandedOver(1), false);
    assert.deepEqual(
      [line, memory].map((packet) => one.say(packet)),
      ["46494c45000000006c696e6500 +101", "46494c45000000006d656d6f727900 +102"],
    );
    assert.deepEqual(
      [1, 2].map((what) => one.session.hasHandedOver(what)),
      [true, true],
    );
    assert.equal(one.errno(line), Errno.EINVAL);
    const late = new Case({ keeper: true });
    for (const packet of [NAME, MNTP, DOIT]) late.say(packet);
    assert.equal(late.errno(memory), Errno.EINVAL);
    assert.equal(new Case({ keeper: true }).errno("4b454550 00000003"), Errno.EINVAL);
    assert.equal(new Case({ keeper: true }).errno("4b454550 00000001 00"), Errno.EINVAL);
  });
  test("that is not there is ENOENT, and was not handed over", () => {
    const one = new Case({ keeper: true });
    one.notes.failures.set("keep", Errno.ENOENT);
    assert.equal(one.errno(memory), Errno.ENOENT);
    assert.equal(one.session.hasHandedOver(2), false);
  });
  test("is an unknown command to a helper that does not stay", () => {
    assert.equal(new Case({ extensions: true }).say(line), "end 1");
  });
});

test("an exception that is no system call's is not hidden from us", () => {
  const one = new Case();
  one.notes.openFile = () => {
    throw new TypeError("a mistake");
  };
  assert.throws(() => one.say(OPEN), /a mistake/);
});
