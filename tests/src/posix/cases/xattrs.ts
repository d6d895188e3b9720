/** setxattr(2), getxattr(2), listxattr(2), removexattr(2), in every namespace. */
import assert from "node:assert/strict";
import { chmodSync, fsyncSync, linkSync, symlinkSync, unlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import {
  Capability,
  fgetxattr,
  fremovexattr,
  fsetxattr,
  lgetxattr,
  llistxattr,
  lremovexattr,
  lsetxattr,
  lstatx,
  mknod,
  rename,
  XattrFlag,
} from "@bulkhead/linux";
import { O, S } from "../calls.js";
import { group, needing } from "../case.js";
import { refused } from "../expect.js";
import { Needs } from "../facts.js";
import { ALICE, as, rootWithout } from "../identities.js";

const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value));
const listed = (path: string): string[] =>
  llistxattr(path)
    .map((name) => Buffer.from(name).toString("latin1"))
    .sort();

/** Longer names than these, "user." included, there are none. */
const LONGEST_NAME = 255;

/** Milliseconds after which the kernel has been told all that writing a file back changed of its attributes. */
const TOLD = 1_000;

export const xattrs = group("xattrs", {
  "a block of their own counts, as long as it is there": async (s) => {
    const path = s.file("file", "contents");
    fsyncSync(s.open(path, O.RDONLY));
    await sleep(TOLD);
    const { blocks } = lstatx(path);
    lsetxattr(path, "user.large", new Uint8Array(900));
    assert.equal(lstatx(path).blocks, blocks + s.facts.clusterSize / 512);
    lremovexattr(path, "user.large");
    assert.equal(lstatx(path).blocks, blocks);
  },
  "are set, read, listed, replaced and removed": (s) => {
    const path = s.file("file");
    lsetxattr(path, "user.a", text("one"));
    lsetxattr(path, "user.b", text("two"));
    assert.deepEqual(listed(path), ["user.a", "user.b"]);
    lsetxattr(path, "user.a", text("a longer value"));
    assert.deepEqual(lgetxattr(path, "user.a"), text("a longer value"));
    lsetxattr(path, "user.a", text("s"));
    assert.deepEqual(lgetxattr(path, "user.a"), text("s"));
    lremovexattr(path, "user.a");
    assert.equal(lgetxattr(path, "user.a"), undefined);
    assert.deepEqual(listed(path), ["user.b"]);
    lremovexattr(path, "user.b");
    assert.deepEqual(listed(path), []);
  },
  "of a directory": (s) => {
    const path = s.folder("folder");
    lsetxattr(path, "user.a", text("value"));
    s.file("folder/file");
    assert.deepEqual(lgetxattr(path, "user.a"), text("value"));
  },
  "through a descriptor, of a file without a name too": (s) => {
    const fd = s.open(s.directory, O.TMPFILE | O.RDWR, 0o600);
    fsetxattr(fd, "user.a", text("value"));
    assert.deepEqual(fgetxattr(fd, "user.a"), text("value"));
    fremovexattr(fd, "user.a");
    assert.equal(fgetxattr(fd, "user.a"), undefined);
  },
  "an empty value is a value": (s) => {
    const path = s.file("file");
    lsetxattr(path, "user.empty", new Uint8Array(0));
    assert.deepEqual(lgetxattr(path, "user.empty"), new Uint8Array(0));
    assert.deepEqual(listed(path), ["user.empty"]);
  },
  "values are bytes": (s) => {
    const path = s.file("file");
    const value = Uint8Array.from({ length: 256 }, (_, i) => i);
    lsetxattr(path, "user.bytes", value);
    assert.deepEqual(lgetxattr(path, "user.bytes"), value);
  },
  "names differ in letters": (s) => {
    const path = s.file("file");
    for (const name of ["user.A", "user.a", "user.a.b", "user.é", "user. "]) lsetxattr(path, name, text(name));
    for (const name of ["user.A", "user.a", "user.a.b"]) assert.deepEqual(lgetxattr(path, name), text(name));
    assert.equal(listed(path).length, 5);
  },
  "every length up to what a block holds": (s) => {
    for (const length of [1, 3, 4, 50, 100, 101, 500, s.facts.blockSize - 100]) {
      const path = s.file(`file-${length}`);
      const value = new Uint8Array(length).fill(length & 255);
      lsetxattr(path, "user.value", value);
      assert.deepEqual(lgetxattr(path, "user.value"), value);
    }
  },
  "many of them": (s) => {
    const path = s.file("file");
    for (let i = 0; i < 20; i++) lsetxattr(path, `user.name-${i}`, text(`value ${i}`));
    for (let i = 0; i < 20; i += 2) lremovexattr(path, `user.name-${i}`);
    for (let i = 1; i < 20; i += 2) assert.deepEqual(lgetxattr(path, `user.name-${i}`), text(`value ${i}`));
    assert.equal(listed(path).length, 10);
  },
  "values that move between inode and block, and back": (s) => {
    const path = s.file("file");
    lsetxattr(path, "user.keep", text("kept"));
    for (const length of [10, 600, 20, 700, 0, 300, 5]) {
      const value = new Uint8Array(length).fill(7);
      lsetxattr(path, "user.moving", value);
      assert.deepEqual(lgetxattr(path, "user.moving"), value);
      assert.deepEqual(lgetxattr(path, "user.keep"), text("kept"));
    }
  },
  "two files of the same attributes are told apart when one changes": (s) => {
    const [a, b] = [s.file("a"), s.file("b")];
    const value = new Uint8Array(500).fill(1);
    for (const path of [a, b]) lsetxattr(path, "user.same", value);
    lsetxattr(a, "user.more", text("only here"));
    assert.deepEqual(listed(b), ["user.same"]);
    lremovexattr(a, "user.same");
    assert.deepEqual(lgetxattr(b, "user.same"), value);
  },
  "CREATE and REPLACE": (s) => {
    const path = s.file("file");
    refused("ENODATA", () => lsetxattr(path, "user.a", text("x"), XattrFlag.REPLACE));
    lsetxattr(path, "user.a", text("one"), XattrFlag.CREATE);
    refused("EEXIST", () => lsetxattr(path, "user.a", text("two"), XattrFlag.CREATE));
    lsetxattr(path, "user.a", text("three"), XattrFlag.REPLACE);
    assert.deepEqual(lgetxattr(path, "user.a"), text("three"));
  },
  "EINVAL for unknown flags": (s) => refused("EINVAL", () => lsetxattr(s.file("file"), "user.a", text("x"), 8)),
  "ENODATA for what is not there": (s) => {
    const path = s.file("file");
    assert.equal(lgetxattr(path, "user.none"), undefined);
    refused("ENODATA", () => lremovexattr(path, "user.none"));
  },
  "ERANGE for a name that is empty or over 255 bytes": (s) => {
    const path = s.file("file");
    for (const name of ["", `user.${"n".repeat(LONGEST_NAME - 4)}`]) {
      refused("ERANGE", () => lsetxattr(path, name, text("x")));
      refused("ERANGE", () => lgetxattr(path, name));
      refused("ERANGE", () => lremovexattr(path, name));
    }
  },
  "a name of 255 bytes": (s) => {
    const path = s.file("file");
    const name = `user.${"n".repeat(LONGEST_NAME - 5)}`;
    lsetxattr(path, name, text("x"));
    assert.deepEqual(listed(path), [name]);
    assert.deepEqual(lgetxattr(path, name), text("x"));
  },
  "ERANGE for a buffer that is too short": (s) => {
    const fd = s.opened("file");
    fsetxattr(fd, "user.a", text("0123456789"));
    refused("ERANGE", () => fgetxattr(fd, "user.a", 9));
    assert.equal(fgetxattr(fd, "user.a", 10)?.length, 10);
  },
  "EOPNOTSUPP for a name without namespace, or of an unknown one": (s) => {
    const path = s.file("file");
    for (const name of ["name", "other.name", "User.name", "user"]) {
      refused("EOPNOTSUPP", () => lsetxattr(path, name, text("x")));
      refused("EOPNOTSUPP", () => lgetxattr(path, name));
    }
  },
  "EINVAL for a namespace without a name": (s) => {
    for (const name of ["user.", "trusted."]) refused("EINVAL", () => lsetxattr(s.file("file"), name, text("x")));
  },
  "E2BIG for a value over 65,536 bytes": (s) => {
    refused("E2BIG", () => lsetxattr(s.file("file"), "user.a", new Uint8Array(65_537)));
  },
  "ENOSPC for a value that no block holds": needing(Needs.noEaInode, (s) => {
    const path = s.file("file");
    lsetxattr(path, "user.kept", text("x"));
    refused("ENOSPC", () => lsetxattr(path, "user.a", new Uint8Array(s.facts.blockSize)));
    refused("ENOSPC", () => lsetxattr(path, "user.a", new Uint8Array(65_536)));
    assert.deepEqual(listed(path), ["user.kept"]);
  }),
  "ENOSPC when the block is full, and the others stay": needing(Needs.noEaInode, (s) => {
    const path = s.file("file");
    let count = 0;
    refused("ENOSPC", () => {
      for (; count < 100; count++) lsetxattr(path, `user.${count}`, new Uint8Array(400).fill(count));
    });
    assert.equal(listed(path).length, count);
    for (let i = 0; i < count; i++) assert.deepEqual(lgetxattr(path, `user.${i}`), new Uint8Array(400).fill(i));
  }),
  "a value of 65,536 bytes in an inode of its own": needing(Needs.eaInode, (s) => {
    const path = s.file("file");
    const value = Uint8Array.from({ length: 65_536 }, (_, i) => i % 251);
    lsetxattr(path, "user.large", value);
    lsetxattr(s.file("same"), "user.large", value);
    assert.deepEqual(lgetxattr(path, "user.large"), value);
    lsetxattr(path, "user.large", text("small"));
    assert.deepEqual(lgetxattr(path, "user.large"), text("small"));
    assert.deepEqual(lgetxattr(s.path("same"), "user.large"), value);
    lremovexattr(s.path("same"), "user.large");
  }),
  "follow the inode, not the name": (s) => {
    const path = s.file("file");
    lsetxattr(path, "user.a", text("x"));
    linkSync(path, s.path("other"));
    rename(path, s.path("new"));
    assert.deepEqual(lgetxattr(s.path("other"), "user.a"), text("x"));
    assert.deepEqual(lgetxattr(s.path("new"), "user.a"), text("x"));
  },
  "a new inode has none of the old one's": (s) => {
    for (let i = 0; i < 20; i++) {
      const path = s.file("file");
      assert.deepEqual(listed(path), []);
      lsetxattr(path, "user.a", new Uint8Array(300));
      s.folder(`folder-${i}`);
      rename(path, s.path("gone"));
      unlinkSync(s.path("gone"));
    }
  },
});

export const namespaces = group("xattr namespaces", {
  "user.: EACCES without permission to write, or to read": (s) => {
    const path = s.file("file", "", 0o644);
    lsetxattr(path, "user.a", text("x"));
    refused("EACCES", () => as(ALICE, () => lsetxattr(path, "user.b", text("x"))));
    refused("EACCES", () => as(ALICE, () => lremovexattr(path, "user.a")));
    assert.deepEqual(
      as(ALICE, () => lgetxattr(path, "user.a")),
      text("x"),
    );
    chmodSync(path, 0o600);
    refused("EACCES", () => as(ALICE, () => lgetxattr(path, "user.a")));
    assert.deepEqual(
      as(ALICE, () => listed(path)),
      ["user.a"],
    );
  },
  "user.: EPERM for symbolic links, fifos and devices": (s) => {
    symlinkSync("x", s.path("link"));
    mknod(s.path("fifo"), S.FIFO | 0o666);
    mknod(s.path("device"), S.CHR | 0o666, 0x103);
    for (const name of ["link", "fifo", "device"]) {
      refused("EPERM", () => lsetxattr(s.path(name), "user.a", text("x")));
      assert.equal(lgetxattr(s.path(name), "user.a"), undefined);
    }
  },
  "user.: EPERM for another's sticky directory": (s) => {
    const path = s.folder("sticky", 0o1777);
    refused("EPERM", () => as(ALICE, () => lsetxattr(path, "user.a", text("x"))));
    const open = s.folder("open", 0o777);
    as(ALICE, () => lsetxattr(open, "user.a", text("x")));
  },
  "trusted.: for CAP_SYS_ADMIN alone; others do not even see it": (s) => {
    const path = s.file("file", "", 0o666);
    lsetxattr(path, "trusted.a", text("x"));
    lsetxattr(path, "user.a", text("x"));
    assert.deepEqual(lgetxattr(path, "trusted.a"), text("x"));
    assert.deepEqual(listed(path), ["trusted.a", "user.a"]);
    refused("EPERM", () => as(ALICE, () => lsetxattr(path, "trusted.b", text("x"))));
    refused("EPERM", () => as(ALICE, () => lremovexattr(path, "trusted.a")));
    assert.equal(
      as(ALICE, () => lgetxattr(path, "trusted.a")),
      undefined,
    );
    assert.deepEqual(
      as(ALICE, () => listed(path)),
      ["user.a"],
    );
    refused("EPERM", () => as(rootWithout(Capability.SYS_ADMIN), () => lsetxattr(path, "trusted.b", text("x"))));
  },
  "trusted.: of a symbolic link and a fifo": (s) => {
    symlinkSync("x", s.path("link"));
    mknod(s.path("fifo"), S.FIFO);
    for (const name of ["link", "fifo"]) {
      lsetxattr(s.path(name), "trusted.a", text(name));
      assert.deepEqual(lgetxattr(s.path(name), "trusted.a"), text(name));
      lremovexattr(s.path(name), "trusted.a");
    }
  },
  "security.: anyone reads, CAP_SYS_ADMIN writes": (s) => {
    const path = s.file("file", "", 0o644);
    lsetxattr(path, "security.a", text("x"));
    assert.deepEqual(
      as(ALICE, () => lgetxattr(path, "security.a")),
      text("x"),
    );
    assert.deepEqual(
      as(ALICE, () => listed(path)),
      ["security.a"],
    );
    refused("EPERM", () => as(ALICE, () => lsetxattr(path, "security.b", text("x"))));
    refused("EPERM", () => as(ALICE, () => lremovexattr(path, "security.a")));
    lremovexattr(path, "security.a");
  },
  "system.: EOPNOTSUPP for what is neither of the ACLs": (s) => {
    const path = s.file("file");
    for (const name of ["system.data", "system.a"]) refused("EOPNOTSUPP", () => lsetxattr(path, name, text("x")));
    refused("EOPNOTSUPP", () => lgetxattr(path, "system.data"));
    assert.deepEqual(listed(path), []);
  },
});
