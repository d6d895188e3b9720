/** ioctl(2): inode flags, generation, project; what immutable and append-only inodes refuse. */
import assert from "node:assert/strict";
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  fstatSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import {
  Capability,
  ExtendedFlag,
  Falloc,
  fallocate,
  ftruncate,
  getExtendedAttributes,
  getGeneration,
  getInodeFlags,
  InodeFlag,
  ioctl,
  lremovexattr,
  lsetxattr,
  lstatx,
  mknod,
  rename,
  setExtendedAttributes,
  setGeneration,
  setInodeFlags,
  truncate,
  utimens,
  utimensNow,
} from "@bulkhead/linux";
import { O, pwrite, S, write } from "../calls.js";
import { type Case, group, needing } from "../case.js";
import { refused } from "../expect.js";
import { Needs } from "../facts.js";
import { ALICE, as, rootWithout } from "../identities.js";
import type { Subject } from "../subject.js";

const { IMMUTABLE, APPEND, NODUMP, NOATIME, JOURNAL_DATA, SYNC, DIRSYNC, TOPDIR, EXTENTS, INDEX } = InodeFlag;

/** Sets flags of a path until the end of the case. */
function flag(s: Subject, path: string, flags: number): number {
  const fd = s.open(path, O.RDONLY);
  setInodeFlags(fd, getInodeFlags(fd) | flags);
  s.defer(() => setInodeFlags(fd, getInodeFlags(fd) & ~flags));
  return fd;
}

const STATX = { IMMUTABLE: 0x10, APPEND: 0x20, NODUMP: 0x40 } as const;

export const inodeFlags = group("SETFLAGS", {
  "flags that are set are got": (s) => {
    const fd = s.opened("file");
    const before = getInodeFlags(fd);
    for (const bits of [NODUMP, NOATIME, SYNC, NODUMP | NOATIME | SYNC, 0]) {
      setInodeFlags(fd, before | bits);
      assert.equal(getInodeFlags(fd), before | bits);
    }
  },
  "of a directory": (s) => {
    const fd = s.open(s.folder("folder"), O.RDONLY);
    const before = getInodeFlags(fd);
    setInodeFlags(fd, before | DIRSYNC | TOPDIR | NODUMP);
    assert.equal(getInodeFlags(fd), before | DIRSYNC | TOPDIR | NODUMP);
    setInodeFlags(fd, before);
  },
  "a new file has extents where there are any": (s) => {
    const flags = getInodeFlags(s.opened("file", "x".repeat(5_000)));
    assert.equal((flags & EXTENTS) !== 0, s.facts.features.includes("extent"));
  },
  "files inherit flags of their directory, as far as files have them": (s) => {
    const fd = s.open(s.folder("folder"), O.RDONLY);
    setInodeFlags(fd, getInodeFlags(fd) | NODUMP | NOATIME | SYNC | DIRSYNC | TOPDIR);
    const inherited = NODUMP | NOATIME | SYNC | DIRSYNC | TOPDIR;
    s.file("folder/file");
    s.folder("folder/folder");
    assert.equal(getInodeFlags(s.open(s.path("folder", "file"), O.RDONLY)) & inherited, NODUMP | NOATIME | SYNC);
    const child = getInodeFlags(s.open(s.path("folder", "folder"), O.RDONLY));
    assert.equal(child & inherited, NODUMP | NOATIME | SYNC | DIRSYNC);
  },
  "flags the kernel keeps for itself are left as they are": (s) => {
    const fd = s.opened("file");
    const before = getInodeFlags(fd);
    setInodeFlags(fd, before | INDEX);
    assert.equal(getInodeFlags(fd), before);
  },
  "EPERM for another's file": (s) => {
    const fd = s.open(s.file("file", "", 0o666), O.RDONLY);
    refused("EPERM", () => as(ALICE, () => setInodeFlags(fd, getInodeFlags(fd) | NODUMP)));
  },
  "the owner sets flags": (s) => {
    const fd = as(ALICE, () => s.open(s.file("file"), O.RDONLY));
    as(ALICE, () => setInodeFlags(fd, getInodeFlags(fd) | NODUMP));
    assert.ok(getInodeFlags(fd) & NODUMP);
  },
  "EPERM for immutable and append-only without CAP_LINUX_IMMUTABLE": (s) => {
    const fd = as(ALICE, () => s.open(s.file("file"), O.RDONLY));
    for (const bit of [IMMUTABLE, APPEND]) {
      refused("EPERM", () => as(ALICE, () => setInodeFlags(fd, getInodeFlags(fd) | bit)));
      const root = rootWithout(Capability.LINUX_IMMUTABLE);
      refused("EPERM", () => as(root, () => setInodeFlags(fd, getInodeFlags(fd) | bit)));
    }
  },
  "EPERM for journalled data, but by root, whoever the owner is": (s) => {
    const fd = as(ALICE, () => s.open(s.file("file"), O.RDONLY));
    const before = getInodeFlags(fd);
    refused("EPERM", () => as(ALICE, () => setInodeFlags(fd, before | JOURNAL_DATA)));
    as(ALICE, () => setInodeFlags(fd, before | NODUMP));
    assert.equal(getInodeFlags(fd), before | NODUMP);
  },
  "EOPNOTSUPP for flags that ext4 does not have": (s) => {
    const fd = s.opened("file");
    refused("EOPNOTSUPP", () => setInodeFlags(fd, getInodeFlags(fd) | 0x0080_0000));
  },
  "statx shows immutable, append-only and nodump": (s) => {
    const path = s.file("file");
    flag(s, path, IMMUTABLE | APPEND | NODUMP);
    const { attributes, attributesMask } = lstatx(path);
    const all = STATX.IMMUTABLE | STATX.APPEND | STATX.NODUMP;
    assert.equal(attributes & all, all);
    assert.equal(attributesMask & all, all);
  },
  "ENOTTY for an ioctl that nobody knows": (s) => {
    refused("ENOTTY", () => ioctl(s.opened("file"), 0x7fff, new Uint8Array(8)));
  },
});

export const versions = group("SETVERSION", {
  "a generation that is set is got": (s) => {
    const fd = s.opened("file");
    if (!s.facts.features.includes("metadata_csum")) {
      setGeneration(fd, 0x1234_5678);
      assert.equal(getGeneration(fd), 0x1234_5678);
    } else {
      refused("ENOTTY", () => setGeneration(fd, 5)); // checksums of its blocks begin with it
      getGeneration(fd);
    }
  },
  "two files of one inode number have two generations": (s) => {
    const first = s.opened("file");
    const { ino } = fstatSync(first);
    const generation = getGeneration(first);
    s.close(first);
    unlinkSync(s.path("file"));
    for (let i = 0; i < 5; i++) {
      const again = s.opened(`again-${i}`);
      if (fstatSync(again).ino === ino) assert.notEqual(getGeneration(again), generation);
    }
  },
});

export const extended = group("FSSETXATTR", {
  "flags are those of GETFLAGS": (s) => {
    const fd = s.opened("file");
    setExtendedAttributes(fd, { flags: ExtendedFlag.NODUMP | ExtendedFlag.NOATIME });
    assert.equal(getInodeFlags(fd) & (NODUMP | NOATIME | SYNC), NODUMP | NOATIME);
    setInodeFlags(fd, getInodeFlags(fd) & ~NODUMP);
    assert.equal(getExtendedAttributes(fd).flags, ExtendedFlag.NOATIME);
  },
  "a file has project 0, and no extent size": (s) => {
    const { extentSize, project } = getExtendedAttributes(s.opened("file"));
    assert.deepEqual([extentSize, project], [0, 0]);
  },
  "EOPNOTSUPP for a project without the feature": needing(Needs.noProject, (s) => {
    refused("EOPNOTSUPP", () => setExtendedAttributes(s.opened("file"), { project: 5 }));
  }),
  "EPERM for another's file": (s) => {
    const fd = s.open(s.file("file", "", 0o666), O.RDONLY);
    refused("EPERM", () => as(ALICE, () => setExtendedAttributes(fd, { flags: ExtendedFlag.NODUMP })));
  },
  "a project is kept, and inherited where a directory says so": needing(Needs.project, (s) => {
    const folder = s.open(s.folder("folder"), O.RDONLY);
    setExtendedAttributes(folder, { project: 42, flags: ExtendedFlag.PROJINHERIT });
    assert.equal(getExtendedAttributes(folder).project, 42);
    const file = s.opened("folder/file");
    assert.equal(getExtendedAttributes(file).project, 42);
    s.folder("folder/child");
    assert.equal(getExtendedAttributes(s.open(s.path("folder", "child"), O.RDONLY)).project, 42);
    setExtendedAttributes(file, { project: 7 });
    assert.equal(getExtendedAttributes(file).project, 7);
  }),
  "EXDEV for moving or linking into a directory of another project": needing(Needs.project, (s) => {
    const folder = s.open(s.folder("folder"), O.RDONLY);
    setExtendedAttributes(folder, { project: 42, flags: ExtendedFlag.PROJINHERIT });
    refused("EXDEV", () => rename(s.file("file"), s.path("folder", "file")));
    refused("EXDEV", () => linkSync(s.path("file"), s.path("folder", "file")));
  }),
});

type Attempt = (s: Subject, path: string) => unknown;

/** What nobody does to an immutable file, and who can to one that is append-only. */
const ON_FILE: Readonly<Record<string, Attempt>> = {
  "open for writing": (s, path) => s.open(path, O.WRONLY),
  "open with O_TRUNC": (s, path) => s.open(path, O.RDWR | O.TRUNC),
  truncate: (_, path) => truncate(path, 1),
  chmod: (_, path) => chmodSync(path, 0o600),
  chown: (_, path) => chownSync(path, 5, 5),
  "utimensat of given times": (_, path) =>
    utimens(path, { seconds: 1, nanoseconds: 0 }, { seconds: 2, nanoseconds: 0 }),
  link: (s, path) => linkSync(path, s.path("other")),
  unlink: (_, path) => unlinkSync(path),
  rename: (s, path) => rename(path, s.path("other")),
  "rename over it": (s, path) => rename(s.file("new"), path),
  setxattr: (_, path) => lsetxattr(path, "user.a", Uint8Array.of(2)),
  removexattr: (_, path) => lremovexattr(path, "user.a"),
};

/** What nobody does in an immutable directory. */
const IN_DIRECTORY: Readonly<Record<string, Attempt>> = {
  "creating a file": (s, path) => s.open(`${path}/new`, O.WRONLY | O.CREAT),
  "an O_TMPFILE": (s, path) => s.open(path, O.TMPFILE | O.RDWR, 0o600),
  mkdir: (_, path) => mkdirSync(`${path}/new`),
  mknod: (_, path) => mknod(`${path}/new`, S.FIFO),
  symlink: (_, path) => symlinkSync("x", `${path}/new`),
  link: (_, path) => linkSync(`${path}/file`, `${path}/new`),
  unlink: (_, path) => unlinkSync(`${path}/file`),
  rmdir: (_, path) => rmdirSync(`${path}/folder`),
  "renaming out of it": (s, path) => rename(`${path}/file`, s.path("out")),
  "renaming into it": (s, path) => rename(s.file("outside"), `${path}/new`),
  chmod: (_, path) => chmodSync(path, 0o700),
};

function matrix(): Case[] {
  const cases: Case[] = [];
  for (const [name, attempt] of Object.entries(ON_FILE)) {
    const prepared = (s: Subject, bit: number): string => {
      const path = s.file("file", "contents");
      lsetxattr(path, "user.a", Uint8Array.of(1));
      flag(s, path, bit);
      return path;
    };
    const claims: Record<string, (s: Subject) => void> = {
      [`EPERM for ${name}, of an immutable file`]: (s) => {
        const path = prepared(s, IMMUTABLE);
        refused("EPERM", () => attempt(s, path));
        assert.equal(readFileSync(path, "latin1"), "contents");
      },
      [`EPERM for ${name}, of an append-only file`]: (s) => {
        const path = prepared(s, APPEND);
        refused("EPERM", () => attempt(s, path));
        assert.equal(readFileSync(path, "latin1"), "contents");
      },
    };
    cases.push(...group("immutable and append-only", claims));
  }
  for (const [name, attempt] of Object.entries(IN_DIRECTORY)) {
    const claim = (s: Subject): void => {
      const path = s.folder("closed");
      s.file("closed/file");
      s.folder("closed/folder");
      flag(s, path, IMMUTABLE);
      refused("EPERM", () => attempt(s, path));
      assert.deepEqual(readdirSync(path).sort(), ["file", "folder"]);
    };
    cases.push(...group("immutable and append-only", { [`EPERM for ${name}, in an immutable directory`]: claim }));
  }
  return cases;
}

const more = group("immutable and append-only", {
  "EPERM for writing to an immutable file through a descriptor from before": (s) => {
    const fd = s.opened("file", "contents");
    flag(s, s.path("file"), IMMUTABLE);
    refused("EPERM", () => pwrite(fd, "x", 0));
    refused("EPERM", () => ftruncate(fd, 1));
  },
  "EPERM for allocating and punching in an immutable file": needing(Needs.extents, (s) => {
    const fd = s.opened("file", "contents");
    flag(s, s.path("file"), IMMUTABLE);
    refused("EPERM", () => fallocate(fd, 0, 0, 100));
    refused("EPERM", () => fallocate(fd, Falloc.PUNCH_HOLE | Falloc.KEEP_SIZE, 0, 4));
  }),
  "EPERM for punching in an append-only file": needing(Needs.extents, (s) => {
    const fd = s.opened("file", "contents");
    flag(s, s.path("file"), APPEND);
    refused("EPERM", () => fallocate(fd, Falloc.PUNCH_HOLE | Falloc.KEEP_SIZE, 0, 4));
  }),
  "an append-only file is appended to": (s) => {
    const path = s.file("file", "contents");
    flag(s, path, APPEND);
    write(s.open(path, O.WRONLY | O.APPEND), "+more");
    assert.equal(readFileSync(path, "latin1"), "contents+more");
    refused("EPERM", () => s.open(path, O.WRONLY | O.APPEND | O.TRUNC));
  },
  "an append-only file is touched, an immutable one is not": (s) => {
    flag(s, s.file("append"), APPEND);
    flag(s, s.file("immutable"), IMMUTABLE);
    utimensNow(s.path("append"));
    refused("EPERM", () => utimensNow(s.path("immutable")));
  },
  "an append-only directory takes new names and loses none": (s) => {
    const path = s.folder("folder");
    s.file("folder/old");
    flag(s, path, APPEND);
    s.file("folder/new");
    mkdirSync(`${path}/child`);
    refused("EPERM", () => unlinkSync(`${path}/old`));
    refused("EPERM", () => rmdirSync(`${path}/child`));
    refused("EPERM", () => rename(`${path}/old`, s.path("out")));
    refused("EPERM", () => rename(`${path}/old`, `${path}/other`));
    rename(s.file("outside"), `${path}/in`);
  },
  "what is in an immutable directory is written": (s) => {
    const path = s.folder("folder");
    s.file("folder/file");
    flag(s, path, IMMUTABLE);
    write(s.open(`${path}/file`, O.WRONLY), "x");
    assert.equal(lstatx(`${path}/file`).size, 1);
  },
  "EACCES or EPERM for access(W_OK) of an immutable file": (s) => {
    const path = s.file("file");
    flag(s, path, IMMUTABLE);
    refused(["EACCES", "EPERM"], () => accessSync(path, constants.W_OK));
  },
  "EPERM for other flags of what stays immutable, and they change together with that": (s) => {
    const fd = flag(s, s.file("file"), IMMUTABLE);
    const before = getInodeFlags(fd);
    setInodeFlags(fd, before);
    refused("EPERM", () => setInodeFlags(fd, before | NODUMP));
    const { IMMUTABLE: STAYS, NODUMP: ANOTHER } = ExtendedFlag;
    refused("EPERM", () => setExtendedAttributes(fd, { flags: STAYS | ANOTHER }));
    setExtendedAttributes(fd, { flags: STAYS });
    assert.equal(getInodeFlags(fd), before);
    setInodeFlags(fd, (before & ~IMMUTABLE) | NODUMP);
    setInodeFlags(fd, before | NOATIME);
    assert.equal(getInodeFlags(fd), before | NOATIME);
  },
  "EPERM for the project of what stays immutable": needing(Needs.project, (s) => {
    const fd = flag(s, s.file("file"), IMMUTABLE);
    refused("EPERM", () => setExtendedAttributes(fd, { flags: ExtendedFlag.IMMUTABLE, project: 5 }));
    assert.equal(getExtendedAttributes(fd).project, 0);
  }),
  "flags but immutable stay settable while it is, by who may": (s) => {
    const fd = flag(s, s.file("file"), IMMUTABLE);
    setInodeFlags(fd, getInodeFlags(fd) & ~IMMUTABLE);
    write(s.open(s.path("file"), O.WRONLY), "x");
  },
});

export const immutable = [...matrix(), ...more];
