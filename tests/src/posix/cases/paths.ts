/** What every call that takes a path says of paths that lead nowhere: one row a call, one column an error. */
import {
  accessSync,
  chmodSync,
  linkSync,
  mkdirSync,
  opendirSync,
  readlinkSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import {
  lchown,
  lgetxattr,
  llistxattr,
  lremovexattr,
  lsetxattr,
  lstatx,
  lutimens,
  mknod,
  rename,
  statfs,
  truncate,
  utimensNow,
} from "@bulkhead/linux";
import { O, S } from "../calls.js";
import { type Case, group } from "../case.js";
import { refused } from "../expect.js";
import { ALICE, as } from "../identities.js";
import type { Subject } from "../subject.js";

type PathCall = (path: string, subject: Subject) => unknown;

const MOMENT = { seconds: 1, nanoseconds: 0 };

/** Calls that want something at the path. */
const FINDING: Readonly<Record<string, PathCall>> = {
  open: (path, s) => s.open(path, O.RDONLY),
  opendir: (path) => opendirSync(path),
  stat: (path) => lstatx(path),
  access: (path) => accessSync(path),
  statfs: (path) => statfs(path),
  readlink: (path) => readlinkSync(path),
  chmod: (path) => chmodSync(path, 0o600),
  lchown: (path) => lchown(path, 0, 0),
  utimensat: (path) => utimensNow(path),
  "utimensat(AT_SYMLINK_NOFOLLOW)": (path) => lutimens(path, MOMENT, MOMENT),
  truncate: (path) => truncate(path, 0),
  unlink: (path) => unlinkSync(path),
  rmdir: (path) => rmdirSync(path),
  "link from": (path, s) => linkSync(path, s.path("other")),
  "rename from": (path, s) => rename(path, s.path("other")),
  getxattr: (path) => lgetxattr(path, "user.a"),
  setxattr: (path) => lsetxattr(path, "user.a", new Uint8Array(1)),
  listxattr: (path) => llistxattr(path),
  removexattr: (path) => lremovexattr(path, "user.a"),
};

/** Calls that make something there. */
const MAKING: Readonly<Record<string, PathCall>> = {
  "open(O_CREAT)": (path, s) => s.open(path, O.WRONLY | O.CREAT, 0o644),
  mkdir: (path) => mkdirSync(path),
  "mknod of a fifo": (path) => mknod(path, S.FIFO | 0o644),
  "mknod of a file": (path) => mknod(path, S.REG | 0o644),
  symlink: (path) => symlinkSync("target", path),
  "link to": (path, s) => linkSync(s.file("source"), path),
  "rename to": (path, s) => rename(s.file("source"), path),
};

const LONGEST_NAME = 255;
const PATH_MAX = 4096;

const ERRORS: Readonly<Record<string, (call: PathCall, subject: Subject) => void>> = {
  "ENOENT if a component of the path is missing": (call, s) => {
    refused("ENOENT", () => call(s.path("missing", "name"), s));
  },
  "ENOENT for an empty path": (call, s) => refused("ENOENT", () => call("", s)),
  "ENOTDIR if a component of the path is a file": (call, s) => {
    refused("ENOTDIR", () => call(`${s.file("file")}/name`, s));
  },
  "ELOOP if symbolic links in the path lead to each other": (call, s) => {
    symlinkSync("there", s.path("here"));
    symlinkSync("here", s.path("there"));
    refused("ELOOP", () => call(s.path("here", "name"), s));
  },
  "ENAMETOOLONG for a name of 256 bytes": (call, s) => {
    refused("ENAMETOOLONG", () => call(s.path("n".repeat(LONGEST_NAME + 1)), s));
  },
  "ENAMETOOLONG for a path over 4,095 bytes": (call, s) => {
    refused("ENAMETOOLONG", () => call(`${s.directory}/${"./".repeat(PATH_MAX / 2)}name`, s));
  },
  "EACCES if a directory in the path may not be searched": (call, s) => {
    s.folder("closed", 0o700);
    refused("EACCES", () => as(ALICE, () => call(s.path("closed", "name"), s)));
  },
};

function matrix(): Case[] {
  const cases: Case[] = [];
  for (const [name, call] of Object.entries({ ...FINDING, ...MAKING })) {
    const rows = Object.entries(ERRORS).map(([error, claim]) => [error, (s: Subject) => claim(call, s)] as const);
    cases.push(...group(name, Object.fromEntries(rows)));
  }
  for (const [name, call] of Object.entries(FINDING)) {
    cases.push(
      ...group(name, {
        "ENOENT if nothing is there": (s) => refused("ENOENT", () => call(s.path("missing"), s)),
      }),
    );
  }
  return cases;
}

export const paths = matrix();

export const names = group("names", {
  "a name of 255 bytes is a name": (s) => {
    const name = "n".repeat(LONGEST_NAME);
    s.file(name);
    linkSync(s.path(name), s.path("m".repeat(LONGEST_NAME)));
    s.folder("d".repeat(LONGEST_NAME));
    lstatx(s.path("d".repeat(LONGEST_NAME)));
    lstatx(s.path("m".repeat(LONGEST_NAME)));
  },
  "255 bytes count, not characters": (s) => {
    s.file("é".repeat(127));
    refused("ENAMETOOLONG", () => s.file("é".repeat(128)));
  },
});
