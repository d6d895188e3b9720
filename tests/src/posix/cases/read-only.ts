/** A read-only mount: EROFS for whatever would change it, and reading as ever. */
import assert from "node:assert/strict";
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import {
  fallocate,
  getInodeFlags,
  InodeFlag,
  lgetxattr,
  lremovexattr,
  lsetxattr,
  mknod,
  Rename,
  rename,
  setInodeFlags,
  statfs,
  truncate,
  utimensNow,
} from "@bulkhead/linux";
import { O, read, S } from "../calls.js";
import { type Case, group } from "../case.js";
import { refused, touched } from "../expect.js";
import { ALICE, as } from "../identities.js";
import type { Subject } from "../subject.js";

const CHANGES: Readonly<Record<string, (s: Subject) => unknown>> = {
  "open(O_CREAT)": (s) => s.open(s.path("new"), O.WRONLY | O.CREAT),
  "open for writing": (s) => s.open(s.path("file"), O.WRONLY),
  "open with O_TRUNC": (s) => s.open(s.path("file"), O.RDONLY | O.TRUNC),
  "open(O_TMPFILE)": (s) => s.open(s.directory, O.TMPFILE | O.RDWR),
  mkdir: (s) => mkdirSync(s.path("new")),
  rmdir: (s) => rmdirSync(s.path("folder")),
  mknod: (s) => mknod(s.path("new"), S.FIFO),
  link: (s) => linkSync(s.path("file"), s.path("new")),
  symlink: (s) => symlinkSync("x", s.path("new")),
  unlink: (s) => unlinkSync(s.path("file")),
  rename: (s) => rename(s.path("file"), s.path("new")),
  "rename with EXCHANGE": (s) => rename(s.path("file"), s.path("folder"), Rename.EXCHANGE),
  chmod: (s) => chmodSync(s.path("file"), 0o600),
  chown: (s) => chownSync(s.path("file"), 1, 1),
  utimensat: (s) => utimensNow(s.path("file")),
  truncate: (s) => truncate(s.path("file"), 0),
  setxattr: (s) => lsetxattr(s.path("file"), "user.b", Uint8Array.of(1)),
  removexattr: (s) => lremovexattr(s.path("file"), "user.a"),
  "access(W_OK)": (s) => accessSync(s.path("file"), constants.W_OK),
  SETFLAGS: (s) => {
    const fd = s.open(s.path("file"), O.RDONLY);
    setInodeFlags(fd, getInodeFlags(fd) | InodeFlag.NODUMP);
  },
};

function matrix(): Case[] {
  const rows = Object.entries(CHANGES).map(([name, change]) => {
    return [`EROFS for ${name}`, (s: Subject) => refused("EROFS", () => change(s))] as const;
  });
  return group("read-only", Object.fromEntries(rows), "read-only");
}

const READ_ONLY_FLAG = 1;

const more = group(
  "read-only",
  {
    "everything is read": (s) => {
      assert.deepEqual(readdirSync(s.directory).sort(), ["fifo", "file", "folder", "link"]);
      assert.equal(readFileSync(s.path("file"), "latin1"), "contents");
      assert.equal(readlinkSync(s.path("link")), "file");
      assert.equal(Buffer.from(lgetxattr(s.path("file"), "user.a") ?? []).toString(), "value");
    },
    "statfs says so": (s) => assert.equal(statfs(s.directory).flags & READ_ONLY_FLAG, READ_ONLY_FLAG),
    "reading changes no time": async (s) => {
      const fd = s.open(s.path("file"), O.RDONLY);
      assert.equal(await touched(s, s.path("file"), () => read(fd, 1)), "");
    },
    "a fifo is written: that changes no file system": (s) => {
      s.open(s.path("fifo"), O.RDWR);
    },
    "EEXIST comes before EROFS": (s) => {
      refused("EEXIST", () => mkdirSync(s.path("folder")));
      refused("EEXIST", () => s.open(s.path("file"), O.WRONLY | O.CREAT | O.EXCL));
      s.open(s.path("file"), O.RDONLY | O.CREAT);
    },
    "ENOENT for removing and renaming what is not there, or EROFS": (s) => {
      refused(["ENOENT", "EROFS"], () => unlinkSync(s.path("missing")));
      refused(["ENOENT", "EROFS"], () => rename(s.path("missing"), s.path("new")));
    },
    "EROFS for whoever may not write anyway, or EACCES": (s) => {
      refused(["EROFS", "EACCES"], () => as(ALICE, () => s.open(s.path("file"), O.WRONLY)));
    },
    "EBADF for allocating through a descriptor for reading": (s) => {
      refused("EBADF", () => fallocate(s.open(s.path("file"), O.RDONLY), 0, 0, 10));
    },
  },
  "read-only",
);

export const readOnly = [...matrix(), ...more];
