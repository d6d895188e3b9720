/** What a filesystem is busy with when its journal is captured. Each works below a root, and syncs what must be there. */
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { FallocateMode, fallocate, removeXattr, setXattr } from "../system/calls.js";

export type Workload = (root: string) => void;

const KIB = 1 << 10;
/** jbd2's magic number as it lies on disk: a data block that starts with it must be escaped in the journal. */
const JOURNAL_MAGIC = Buffer.from("c03b3998", "hex");

function sync(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** A tree that is on disk, and checkpointed, before the journal gets interesting. */
export function settle(root: string): void {
  mkdirSync(`${root}/settled`);
  for (let i = 0; i < 200; i++) writeFileSync(`${root}/settled/f${i}`, `${i} `.repeat(i * 20));
  mkdirSync(`${root}/settled/directory`);
  for (let i = 0; i < 400; i++) writeFileSync(`${root}/settled/directory/name-${i}-${"s".repeat(i % 50)}`, "");
  const fd = openSync(`${root}/settled/fragmented`, "w");
  for (let i = 0; i < 600; i++) writeSync(fd, Buffer.alloc(KIB, i), 0, KIB, i * 16 * KIB);
  closeSync(fd);
}

export const creates: Workload = (root) => {
  for (let d = 0; d < 8; d++) {
    mkdirSync(`${root}/d${d}`);
    for (let i = 0; i < 150; i++) writeFileSync(`${root}/d${d}/file-${i}`, `contents ${d} ${i}`.repeat(i));
    symlinkSync("t".repeat(d * 20 + 1), `${root}/d${d}/link`);
    sync(`${root}/d${d}`);
  }
};

export const renames: Workload = (root) => {
  mkdirSync(`${root}/moved`);
  for (let i = 0; i < 200; i += 2) renameSync(`${root}/settled/f${i}`, `${root}/moved/from-${i}`);
  sync(`${root}/moved`);
  for (let i = 1; i < 200; i += 4) renameSync(`${root}/settled/f${i}`, `${root}/moved/from-${(i * 2) % 200}`);
  renameSync(`${root}/settled/directory`, `${root}/moved/directory`);
  for (let i = 0; i < 400; i += 3) unlinkSync(`${root}/moved/directory/name-${i}-${"s".repeat(i % 50)}`);
  sync(`${root}/moved`);
};

export const xattrs: Workload = (root) => {
  for (let i = 0; i < 100; i++) {
    const path = Buffer.from(`${root}/settled/f${i}`);
    setXattr(path, "user.small", Buffer.from(`value ${i}`));
    setXattr(path, "user.large", Buffer.alloc(300 + i, i));
    setXattr(path, "security.label", Buffer.alloc(40, i));
    if (i % 3 === 0) removeXattr(path, "user.large");
    if (i % 20 === 0) sync(`${root}/settled/f${i}`);
  }
};

/** Freed directory and extent blocks become file data: replay must honour the revoke records. */
export const revokes: Workload = (root) => {
  for (let round = 0; round < 4; round++) {
    mkdirSync(`${root}/r${round}`);
    for (let i = 0; i < 250; i++) writeFileSync(`${root}/r${round}/victim-${i}-${"v".repeat(100)}`, "");
    sync(`${root}/r${round}`);
    rmSync(`${root}/r${round}`, { recursive: true });
    truncateSync(`${root}/settled/fragmented`, (500 - round * 100) * 16 * KIB);
    writeFileSync(`${root}/data-${round}`, Buffer.alloc(400 * KIB, `round ${round} `));
    sync(`${root}/data-${round}`);
  }
};

export const truncates: Workload = (root) => {
  for (let i = 0; i < 200; i += 3) truncateSync(`${root}/settled/f${i}`, i * 7);
  sync(root);
  const fd = openSync(`${root}/settled/fragmented`, "r+");
  ftruncateSync(fd, 100 * KIB);
  ftruncateSync(fd, 5000 * KIB);
  writeSync(fd, Buffer.alloc(10 * KIB, 7), 0, 10 * KIB, 3000 * KIB);
  fsyncSync(fd);
  closeSync(fd);
};

/** For data=journal: data that goes through the journal, some of it looking like the journal's own blocks. */
export const journalledData: Workload = (root) => {
  for (let i = 0; i < 30; i++) {
    const data = Buffer.alloc(8 * KIB, `journalled ${i} `);
    for (let at = 0; at < data.length; at += KIB) if ((at / KIB + i) % 3 === 0) JOURNAL_MAGIC.copy(data, at);
    writeFileSync(`${root}/journalled-${i}`, data);
    if (i % 10 === 9) sync(`${root}/journalled-${i}`);
  }
  for (let i = 0; i < 30; i += 4) unlinkSync(`${root}/journalled-${i}`);
};

/** Enough small transactions to go around a journal of 1,024 blocks more than once. */
export const wrapping: Workload = (root) => {
  for (let round = 0; round < 250; round++) {
    writeFileSync(`${root}/w${round % 40}`, `round ${round}`.repeat(300));
    if (round % 3 === 0) rmSync(`${root}/w${(round + 20) % 40}`, { force: true });
    if (round % 40 === 5) mkdirSync(`${root}/directory-${round}`);
    sync(root);
  }
};

/** fsync after fsync of single files, which is what fast commits are for; every tag of theirs is among them. */
export const fastCommits: Workload = (root) => {
  mkdirSync(`${root}/fast`);
  sync(root);
  const synced = (path: string, work: (fd: number) => void): void => {
    const fd = openSync(path, "a+");
    closeSync(fd);
    const writable = openSync(path, "r+");
    work(writable);
    fsyncSync(writable);
    closeSync(writable);
  };
  for (let i = 0; i < 20; i++) {
    synced(`${root}/fast/f${i}`, (fd) => writeSync(fd, Buffer.alloc(3000 * (i + 1), `fast ${i} `)));
    if (i % 4 === 1) {
      linkSync(`${root}/fast/f${i}`, `${root}/fast/link-${i}`);
      synced(`${root}/fast/f${i}`, (fd) => ftruncateSync(fd, 100 * i));
    }
    if (i % 4 === 2) {
      renameSync(`${root}/fast/f${i}`, `${root}/fast/renamed-${i}`);
      synced(`${root}/fast/renamed-${i}`, (fd) => writeSync(fd, "appended", 50_000 * i));
    }
    if (i % 4 === 3) {
      unlinkSync(`${root}/fast/f${i - 3}`);
      synced(`${root}/fast/f${i}`, (fd) => fallocate(fd, FallocateMode.punchHole, 0, 8 * KIB));
    }
  }
};

/** Names and links made and lost between fast commits. */
export const fastNames: Workload = (root) => {
  for (let i = 0; i < 4; i++) mkdirSync(`${root}/settled/n${i}`);
  sync(root);
  for (let i = 0; i < 40; i++) {
    const directory = `${root}/settled/n${i % 4}`;
    writeFileSync(`${directory}/file-${i}`, `file ${i}`);
    linkSync(`${directory}/file-${i}`, `${root}/settled/link-${i}`);
    renameSync(`${root}/settled/f${i}`, `${directory}/moved-${i}`);
    if (i > 8) unlinkSync(`${root}/settled/link-${i - 8}`);
    sync(`${directory}/file-${i}`);
    sync(`${directory}/moved-${i}`);
  }
};

/** Inodes unlinked while open, and a directory removed with them: on the orphan list when the power goes. */
export const orphans: Workload = (root) => {
  for (let i = 0; i < 20; i++) {
    openSync(`${root}/settled/f${100 + i}`, "r+");
    unlinkSync(`${root}/settled/f${100 + i}`);
  }
  mkdirSync(`${root}/short-lived`);
  rmdirSync(`${root}/short-lived`);
  sync(root);
};
