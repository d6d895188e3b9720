/** open(2): creating, truncating, refusing. */
import assert from "node:assert/strict";
import {
  chmodSync,
  closeSync,
  fstatSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { lstatx, mknod, open } from "@bulkhead/linux";
import { O, read, S, write } from "../calls.js";
import { group } from "../case.js";
import { refused } from "../expect.js";
import { ALICE, as, BOB } from "../identities.js";

const CREATE = O.WRONLY | O.CREAT;

export const opening = group("open", {
  "a created file is regular, empty, of the mode asked less the umask, with one link": (s) => {
    s.open(s.path("file"), CREATE, 0o666);
    const stat = lstatx(s.path("file"));
    assert.equal(stat.mode, S.REG | 0o644);
    assert.deepEqual([stat.size, stat.nlink, stat.blocks], [0, 1, 0]);
  },
  "a created file belongs to whoever created it": (s) => {
    as(ALICE, () => s.open(s.path("file"), CREATE, 0o600));
    const stat = lstatx(s.path("file"));
    assert.deepEqual([stat.uid, stat.gid], [ALICE.uid, ALICE.gid]);
  },
  "set-id bits and the sticky bit can be asked for": (s) => {
    s.open(s.path("file"), CREATE, 0o7755);
    assert.equal(lstatx(s.path("file")).mode, S.REG | 0o7755);
  },
  "a file created without write permission is written through its descriptor": (s) => {
    const fd = as(ALICE, () => s.open(s.path("file"), O.RDWR | O.CREAT, 0));
    write(fd, "x");
    assert.equal(fstatSync(fd).size, 1);
    refused("EACCES", () => as(ALICE, () => s.open(s.path("file"), O.RDONLY)));
  },
  "O_CREAT opens what is there and changes neither mode nor contents": (s) => {
    const path = s.file("file", "old", 0o600);
    s.open(path, CREATE, 0o777);
    assert.equal(lstatx(path).mode, S.REG | 0o600);
    assert.equal(readFileSync(path, "latin1"), "old");
  },
  "EEXIST with O_CREAT | O_EXCL for a file": (s) => {
    refused("EEXIST", () => s.open(s.file("file"), CREATE | O.EXCL));
  },
  "EEXIST with O_CREAT | O_EXCL for a directory": (s) => {
    refused("EEXIST", () => s.open(s.folder("folder"), O.RDONLY | O.CREAT | O.EXCL));
  },
  "EEXIST with O_CREAT | O_EXCL for a symbolic link, wherever it leads": (s) => {
    symlinkSync("missing", s.path("link"));
    refused("EEXIST", () => s.open(s.path("link"), CREATE | O.EXCL));
    refused("ENOENT", () => lstatx(s.path("missing")));
  },
  "O_CREAT through a dangling symbolic link creates what it names": (s) => {
    symlinkSync("target", s.path("link"));
    s.open(s.path("link"), CREATE, 0o644);
    assert.equal(lstatx(s.path("target")).mode & S.MASK, S.REG);
  },
  "O_TRUNC empties a file and frees its blocks": (s) => {
    const path = s.file("file", Buffer.alloc(100_000, 1));
    s.open(path, O.WRONLY | O.TRUNC);
    assert.deepEqual([lstatx(path).size, lstatx(path).blocks], [0, 0]);
  },
  "EISDIR for a directory opened for writing": (s) => {
    const folder = s.folder("folder");
    refused("EISDIR", () => s.open(folder, O.WRONLY));
    refused("EISDIR", () => s.open(folder, O.RDWR));
    refused("EISDIR", () => s.open(folder, O.RDONLY | O.TRUNC));
  },
  "EISDIR for O_CREAT of a directory that is there": (s) => {
    refused("EISDIR", () => s.open(s.folder("folder"), O.RDONLY | O.CREAT));
  },
  "EISDIR for O_CREAT of a name that ends with a slash": (s) => {
    refused("EISDIR", () => s.open(`${s.path("name")}/`, CREATE));
  },
  "ENOTDIR with O_DIRECTORY for a file": (s) => {
    refused("ENOTDIR", () => s.open(s.file("file"), O.RDONLY | O.DIRECTORY));
  },
  "ENOTDIR for a file's name with a slash behind it": (s) => {
    refused("ENOTDIR", () => s.open(`${s.file("file")}/`, O.RDONLY));
  },
  "ELOOP with O_NOFOLLOW for a symbolic link": (s) => {
    s.file("file");
    symlinkSync("file", s.path("link"));
    refused("ELOOP", () => s.open(s.path("link"), O.RDONLY | O.NOFOLLOW));
  },
  "ELOOP for more than 40 symbolic links": (s) => {
    s.file("link0");
    for (let i = 1; i <= 41; i++) symlinkSync(`link${i - 1}`, s.path(`link${i}`));
    s.open(s.path("link40"), O.RDONLY);
    refused("ELOOP", () => s.open(s.path("link41"), O.RDONLY));
  },
  "O_PATH opens a symbolic link itself with O_NOFOLLOW": (s) => {
    symlinkSync("nowhere", s.path("link"));
    const fd = s.open(s.path("link"), O.PATH | O.NOFOLLOW);
    assert.ok(fstatSync(fd).isSymbolicLink());
  },
  "O_PATH needs no permission on the file itself, and gives none": (s) => {
    const path = s.file("file", "x", 0);
    const fd = as(ALICE, () => s.open(path, O.PATH));
    refused("EBADF", () => read(fd, 1));
  },
  "EACCES without permission to read, to write, or both": (s) => {
    const path = s.file("file", "", 0o600);
    for (const flags of [O.RDONLY, O.WRONLY, O.RDWR]) refused("EACCES", () => as(ALICE, () => s.open(path, flags)));
    chmodSync(path, 0o604);
    as(ALICE, () => closeSync(open(path, O.RDONLY)));
    refused("EACCES", () => as(ALICE, () => s.open(path, O.RDWR)));
    chmodSync(path, 0o602);
    as(ALICE, () => closeSync(open(path, O.WRONLY)));
    refused("EACCES", () => as(ALICE, () => s.open(path, O.RDWR)));
  },
  "EACCES for O_TRUNC without permission to write": (s) => {
    const path = s.file("file", "kept", 0o644);
    refused("EACCES", () => as(ALICE, () => s.open(path, O.RDONLY | O.TRUNC)));
    assert.equal(lstatx(path).size, 4);
  },
  "EACCES for O_CREAT in a directory that may not be written": (s) => {
    s.folder("folder", 0o755);
    refused("EACCES", () => as(ALICE, () => s.open(s.path("folder", "file"), CREATE)));
    refused("ENOENT", () => lstatx(s.path("folder", "file")));
  },
  "O_CREAT opens what is there in a directory that may not be written": (s) => {
    s.folder("folder", 0o755);
    s.file("folder/file", "", 0o666);
    as(ALICE, () => closeSync(open(s.path("folder", "file"), CREATE)));
  },
  "the owner's bits count for the owner, even where the group's give more": (s) => {
    const path = as(ALICE, () => s.file("file", "", 0o077));
    refused("EACCES", () => as(ALICE, () => s.open(path, O.RDONLY)));
    as(BOB, () => closeSync(open(path, O.RDONLY)));
  },
  "the group's bits count for its members, even where others have more": (s) => {
    const path = as(ALICE, () => s.file("file", "", 0o606));
    refused("EACCES", () => as({ ...BOB, groups: [ALICE.gid] }, () => s.open(path, O.RDONLY)));
  },
  "permission is asked at open, not at each use": (s) => {
    const path = as(ALICE, () => s.file("file", "contents", 0o600));
    const fd = as(ALICE, () => s.open(path, O.RDONLY));
    chmodSync(path, 0);
    assert.equal(as(ALICE, () => read(fd, 8)).toString(), "contents");
  },
  "EPERM for O_NOATIME on a file of someone else's": (s) => {
    const path = s.file("file", "", 0o644);
    refused("EPERM", () => as(ALICE, () => s.open(path, O.RDONLY | O.NOATIME)));
    s.open(path, O.RDONLY | O.NOATIME);
  },
  "ENXIO for a fifo opened for writing without a reader, with O_NONBLOCK": (s) => {
    mknod(s.path("fifo"), S.FIFO | 0o644);
    refused("ENXIO", () => s.open(s.path("fifo"), O.WRONLY | O.NONBLOCK));
    s.open(s.path("fifo"), O.RDONLY | O.NONBLOCK);
    s.open(s.path("fifo"), O.WRONLY | O.NONBLOCK);
  },
  "ENXIO for a socket": (s) => {
    mknod(s.path("socket"), S.SOCK | 0o644);
    refused("ENXIO", () => s.open(s.path("socket"), O.RDONLY));
  },
  "ENXIO for a device that is not there": (s) => {
    mknod(s.path("device"), S.CHR | 0o644, 0x3c_fd);
    refused("ENXIO", () => s.open(s.path("device"), O.RDONLY));
  },
  "a device works": (s) => {
    mknod(s.path("zero"), S.CHR | 0o666, 0x1_05);
    assert.deepEqual([...read(s.open(s.path("zero"), O.RDONLY), 3)], [0, 0, 0]);
  },
  "every name of an inode opens the same file": (s) => {
    const path = s.file("file");
    linkSync(path, s.path("other"));
    write(s.open(path, O.WRONLY), "shared");
    assert.equal(readFileSync(s.path("other"), "latin1"), "shared");
  },
  "a name that is made, removed and made again is another file": (s) => {
    const fd = s.opened("file", "first");
    unlinkSync(s.path("file"));
    s.file("file", "second");
    assert.notEqual(fstatSync(fd).ino, lstatx(s.path("file")).ino);
    assert.equal(read(fd, 10).toString(), "first");
  },
  "names differ in every byte, not only in letters": (s) => {
    for (const name of ["a", "A", "\u00e9", "e\u0301", " a", "a ", "a\n", "\u0001", "-", "..."]) {
      s.open(s.path(name), CREATE | O.EXCL);
    }
    mkdirSync(s.path("....")); // a name like any other
  },
  "names need not be text": (s) => {
    const path = Buffer.concat([Buffer.from(s.path("x")), Buffer.from([0xff, 0xfe, 0x80])]);
    closeSync(open(path, CREATE | O.EXCL, 0o644));
    refused("EEXIST", () => open(path, CREATE | O.EXCL, 0o644));
    assert.equal(lstatx(path).size, 0);
  },
  "EBADF for reading what is open for writing, and the other way": (s) => {
    const path = s.file("file", "x");
    refused("EBADF", () => read(s.open(path, O.WRONLY), 1));
    refused("EBADF", () => write(s.open(path, O.RDONLY), "x"));
  },
  "EISDIR for reading a directory": (s) => {
    refused("EISDIR", () => read(s.open(s.folder("folder"), O.RDONLY), 1));
  },
  "ENOENT for creating in a directory that was removed": (s) => {
    const folder = s.folder("folder");
    const fd = s.open(folder, O.RDONLY | O.DIRECTORY);
    rmdirSync(folder);
    refused("ENOENT", () => s.open(`/proc/self/fd/${fd}/file`, CREATE));
  },
});
