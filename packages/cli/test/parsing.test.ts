import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { isMountOption, parseMountOptions } from "@bulkhead/server/options";
import { parseBytes, parseCount } from "@bulkhead/server/options/quantity";
import { nearest } from "@bulkhead/server/options/suggestion";
import type { CommandDeclaration } from "../src/command-line/declaration.js";
import { UsageError } from "../src/command-line/errors.js";
import { parseArguments } from "../src/command-line/parse.js";
import { parsePreserve } from "../src/copy/preserve.js";
import { formatBytes, formatMode, isoTime } from "../src/output/format.js";
import { printable, printableName } from "../src/output/printable.js";
import { parseImagePath } from "../src/source/image-path.js";
import { scratchDirectory } from "./command.js";

const command: CommandDeclaration = {
  name: "try",
  section: 1,
  summary: "",
  arguments: [
    { name: "ONE", kind: "source" },
    { name: "MORE", kind: "source", optional: true },
  ],
  options: [
    { name: "depth", short: "L", value: "N", description: "" },
    { name: "list", short: "o", value: "LIST", repeatable: true, description: "" },
    { name: "all", short: "a", description: "" },
    { name: "long", short: "l", description: "" },
  ],
  description: [],
  examples: [],
  load: () => Promise.reject(new Error("not run")),
};

function refused(call: () => unknown, message: RegExp): void {
  assert.throws(call, (error) => error instanceof UsageError && message.test(error.message));
}

describe("the command line", () => {
  it("takes options anywhere, short ones together, and values behind a space, an = or nothing", () => {
    const given = parseArguments(command, ["-al", "one", "--depth=2", "-o", "a,b", "-oc", "two"]);
    assert.deepEqual(given.positionals, ["one", "two"]);
    assert.deepEqual([given.flag("all"), given.flag("long"), given.flag("depth")], [true, true, true]);
    assert.equal(given.value("depth"), "2");
    assert.deepEqual(given.values("list"), ["a,b", "c"]);
  });

  it("ends the options with --", () => {
    assert.deepEqual(parseArguments(command, ["--", "-a", "--all"]).positionals, ["-a", "--all"]);
  });

  it("refuses what it does not know, by name, with the nearest that it does", () => {
    refused(() => parseArguments(command, ["--dept", "3", "x"]), /unknown option --dept; did you mean --depth\?/);
    refused(() => parseArguments(command, ["-z", "x"]), /unknown option -z$/);
    refused(() => parseArguments(command, ["--all=yes", "x"]), /--all takes no value/);
    refused(() => parseArguments(command, ["x", "--depth"]), /--depth needs a value: -L, --depth N/);
    refused(() => parseArguments(command, ["--depth", "--all", "x"]), /--depth needs a value/);
    refused(() => parseArguments(command, []), /ONE is missing; usage: bulkhead try \[OPTIONS\] ONE \[MORE\]/);
    refused(() => parseArguments(command, ["a", "b", "c"]), /unexpected argument c/);
  });

  it("needs no arguments for help", () => {
    assert.equal(parseArguments(command, ["--help"]).flag("help"), true);
  });
});

describe("quantities", () => {
  it("are bytes with the units of 1024, or whole numbers", () => {
    assert.equal(parseBytes("1048576", ""), 1048576);
    assert.equal(parseBytes("64K", ""), 65536);
    assert.equal(parseBytes("1.5GiB", ""), 1.5 * 2 ** 30);
    assert.equal(parseCount("0x10", ""), 16);
  });
  it("are refused when they are none", () => {
    for (const text of ["", "-1", "1.1", "K", "1e3", "9007199254740993", "10000000T", "5 M"]) {
      refused(() => parseBytes(text, "--offset"), /--offset takes a number of bytes/);
    }
    for (const text of ["0", "-1", "1.0", "x", "9007199254740993"])
      refused(() => parseCount(text, "-L", 1), /at least 1/);
  });
});

describe("mount options", () => {
  it("add up over several -o, the last for a thing counting", () => {
    const settings = parseMountOptions([
      "ro,offset=1M,noload",
      "offset=2048,,errors=panic,minixdf,bsddf,noblock_validity,suid",
      "sb=8193",
    ]);
    assert.equal(settings.offset, 2048);
    assert.equal(settings.superblock, 8193);
    assert.equal(settings.errors, "panic");
    assert.deepEqual([settings.noLoad, settings.minixDf, settings.noSuid, settings.noDev], [true, false, false, true]);
    assert.equal(settings.blockValidity, false);
  });
  it("write unless told otherwise, or the journal or the superblock itself is not to be looked at", () => {
    assert.equal(parseMountOptions([]).access, "read-write if possible");
    assert.equal(parseMountOptions(["ro,rw"]).access, "read-write");
    assert.equal(parseMountOptions(["rw", "ro"]).access, "read-only");
    assert.equal(parseMountOptions(["noload,rw"]).access, "read-only");
    assert.equal(parseMountOptions(["rw,sb=8193"]).access, "read-only");
    assert.equal(parseMountOptions(["sb=1"]).access, "read-write if possible");
  });
  it("say how to write", () => {
    const settings = parseMountOptions(["commit=30,data=journal,barrier=0,barrier,nodiratime,resuid=7,dirsync"]);
    const { commitSeconds, barrier, noDirAtime, reservedUid, dirSync, sync } = settings;
    assert.deepEqual([commitSeconds, barrier, noDirAtime, reservedUid], [30, true, true, 7]);
    assert.equal(settings.data, "journal");
    assert.deepEqual([dirSync, sync, settings.writebackCache], [true, false, true]);
    assert.deepEqual(parseMountOptions(["usrquota,prjquota,usrquota"]).quota, ["project", "user"]);
    assert.deepEqual(parseMountOptions(["usrquota,noquota"]).quota, []);
  });
  it("take norecovery for noload, and what fstab has for every file system", () => {
    const fstab = "norecovery,defaults,nofail,_netdev,noauto,user,x-systemd.automount,X-mount.mkdir,relatime,comment=x";
    assert.deepEqual(parseMountOptions([fstab]), parseMountOptions(["noload"]));
  });
  it("of ext4 that only tune the kernel's own have no effect, and those that promise more are not taken", () => {
    const tuning =
      "stripe=16,init_itable=10,noinit_itable,dioread_nolock,data_err=ignore,mb_optimize_scan=0,auto_da_alloc,noauto_da_alloc,nobh";
    assert.deepEqual(parseMountOptions([tuning]), parseMountOptions([]));
    assert.equal(isMountOption("data_err=ignore"), true);
    for (const promise of ["max_dir_size_kb=8", "data_err=abort", "journal_checksum", "jqfmt=vfsv1"]) {
      refused(() => parseMountOptions([promise]), /unknown mount option/);
      assert.equal(isMountOption(promise), false);
    }
    assert.equal(parseMountOptions(["nodelalloc"]).writebackCache, false);
    assert.equal(parseMountOptions(["nodelalloc,delalloc"]).writebackCache, true);
  });
  it("that are unknown or wrong are named", () => {
    refused(() => parseMountOptions(["commit=99999999999"]), /commit= takes a whole number from 0 to 2147483, not 9/);
    refused(() => parseMountOptions(["ofset=1"]), /unknown mount option ofset; did you mean offset\?/);
    refused(() => parseMountOptions(["frobnicate"]), /unknown mount option frobnicate$/);
    refused(() => parseMountOptions(["iomap=yes"]), /iomap= is 0, 1 or default, not yes/);
    refused(() => parseMountOptions(["iomap"]), /iomap needs a value/);
    refused(() => parseMountOptions(["data=odrered"]), /data= is ordered, writeback, journal, not odrered/);
    refused(() => parseMountOptions(["barrier=2"]), /barrier= is 0 or 1, not 2/);
    refused(() => parseMountOptions(["commit"]), /commit needs a value: commit=SECONDS/);
    refused(() => parseMountOptions(["errors=ignore"]), /errors= is one of continue, remount-ro, panic, not ignore/);
    refused(() => parseMountOptions(["offset"]), /offset needs a value: offset=BYTES/);
    refused(() => parseMountOptions(["noload=1"]), /noload takes no value/);
    refused(() => parseMountOptions(["sb=0"]), /sb= takes a whole number of at least 1/);
    refused(() => parseMountOptions(["offset=1,partition=1"]), /exclude each other/);
  });
});

describe("IMAGE:/PATH", () => {
  let directory = "";
  before(() => {
    directory = scratchDirectory();
    for (const name of ["disk.img", "a:b.img", "a"]) fs.writeFileSync(join(directory, name), "");
  });
  after(() => fs.rmSync(directory, { recursive: true, force: true }));
  const split = (text: string) => {
    const { image, path } = parseImagePath(join(directory, text));
    return [image.slice(directory.length + 1), path];
  };

  it("splits behind the longest image that is there", () => {
    assert.deepEqual(split("disk.img:/etc/passwd"), ["disk.img", "/etc/passwd"]);
    assert.deepEqual(split("a:b.img:/x:/y"), ["a:b.img", "/x:/y"]);
    assert.deepEqual(split("a:/b.img:/x"), ["a", "/b.img:/x"]);
  });
  it("is the root for an image alone, and needs no slash", () => {
    assert.deepEqual(split("disk.img"), ["disk.img", "/"]);
    assert.deepEqual(split("disk.img:"), ["disk.img", "/"]);
    assert.deepEqual(split("a:b.img"), ["a:b.img", "/"]);
    assert.deepEqual(split("disk.img:etc"), ["disk.img", "/etc"]);
  });
  it("says what is missing", () => {
    refused(() => parseImagePath(join(directory, "none.img:/x")), /there is no image .*none\.img; name a file/);
    refused(() => parseImagePath(directory), /is a directory; name an image/);
  });
});

describe("what is printed", () => {
  it("has no character that moves a terminal's cursor, turns text around or is no UTF-8", () => {
    const name = Buffer.concat([Buffer.from("a\x1b[2Jb\u202ec\u0085\n\\ü"), Buffer.from([0xff, 0xc3])]);
    assert.equal(printableName(name), "a\\x1b[2Jb\\u{202e}c\\u{85}\\n\\\\ü\\xff\\xc3");
    assert.equal(printable("plain ü\\"), "plain ü\\");
    assert.equal(printable("\x07"), "\\x07");
    assert.equal(printable("a\udcff\u{1f600}"), "a\\xff\u{1f600}");
  });
  it("shows modes as ls does", () => {
    assert.equal(formatMode("file", 0o104755), "-rwsr-xr-x");
    assert.equal(formatMode("file", 0o102644), "-rw-r-Sr--");
    assert.equal(formatMode("directory", 0o41777), "drwxrwxrwt");
    assert.equal(formatMode("symlink", 0o120777), "lrwxrwxrwx");
  });
  it("shows sizes and times that ext4 can hold", () => {
    assert.equal(formatBytes(1023), "1023 bytes");
    assert.equal(formatBytes(1536), "1.5 KiB");
    assert.equal(formatBytes(2 ** 44), "16 TiB");
    assert.equal(isoTime({ seconds: -(2 ** 31), nanoseconds: 1 }), "1901-12-13T20:45:52.000000001Z");
    assert.equal(isoTime({ seconds: 15032385535, nanoseconds: 999_999_999 }), "2446-05-10T22:38:55.999999999Z");
  });
  it("suggests what is near, and nothing for what is not", () => {
    assert.equal(nearest("exetnts", ["extents", "ls"]), "extents");
    assert.equal(nearest("xyz", ["extents", "ls"]), undefined);
  });
});

describe("--no-preserve", () => {
  it("takes lists, and refuses what it does not know", () => {
    assert.deepEqual(Object.values(parsePreserve(["all"])), [false, false, false, false, false]);
    assert.equal(parsePreserve(["mode,xattr", "links"]).ownership, true);
    refused(() => parsePreserve(["modes"]), /does not know modes; did you mean mode\?/);
  });
});
