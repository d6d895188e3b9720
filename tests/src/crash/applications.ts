/** What programs do that care for crashes, and one that does not. */
import type { Actor } from "./actor.js";
import type { Operation } from "./sequences.js";

const PAGE = 1024;

/** vim with backup: the old file aside, a new one, the backup away. */
function vim(a: Actor): void {
  a.create("A/.foo.swp");
  a.write("A/.foo.swp", 0, 3000);
  a.fsync("A/.foo.swp");
  a.rename("A/foo", "A/foo~");
  a.create("A/foo");
  a.write("A/foo", 0, 9500);
  a.fsync("A/foo");
  a.unlink("A/foo~");
  a.unlink("A/.foo.swp");
}

/** gedit, systemd, and all who do it right: a new file beside, fsync, rename over, fsync of the directory. */
function replace(a: Actor): void {
  for (let round = 0; round < 3; round++) {
    a.create(`A/.tmp${round}`, 0o600);
    a.write(`A/.tmp${round}`, 0, 2000 + 3000 * round);
    a.chmod(`A/.tmp${round}`, 0o644);
    a.fsync(`A/.tmp${round}`);
    a.rename(`A/.tmp${round}`, "A/foo");
    if (round % 2 === 0) a.fsync("A");
  }
}

/** Those who do it wrong: rename without fsync. Still never half. */
function replaceUnsafely(a: Actor): void {
  for (let round = 0; round < 3; round++) {
    a.create("A/.tmp");
    a.write("A/.tmp", 0, 4000 + 3000 * round);
    a.rename("A/.tmp", "B/bar");
    if (round === 1) a.commit();
  }
}

/** nano: over what is there. */
function nano(a: Actor): void {
  for (let round = 0; round < 3; round++) {
    a.truncate("A/foo", 0);
    a.write("A/foo", 0, 3000 + 2500 * round);
    if (round !== 1) a.fsync("A/foo");
  }
}

/** emacs: a link as backup, a lock that is a symbolic link. */
function emacs(a: Actor): void {
  a.symlink("user@host.4711:1700000000", "A/.#foo");
  a.link("A/foo", "A/foo~");
  a.create("A/#foo#");
  a.write("A/#foo#", 0, 9000);
  a.rename("A/#foo#", "A/foo");
  a.fsync("A/foo");
  a.unlink("A/.#foo");
  a.unlink("A/foo~");
}

/** sqlite with a rollback journal: the journal, its directory, the database, the end of the journal is the commit. */
function rollbackJournal(a: Actor): void {
  a.create("B/db");
  a.write("B/db", 0, 8 * PAGE);
  a.fsync("B/db");
  for (let transaction = 0; transaction < 3; transaction++) {
    a.create("B/db-journal");
    a.write("B/db-journal", 0, 512);
    for (let page = 0; page < 3; page++) a.append("B/db-journal", PAGE + 8);
    a.fsync("B/db-journal", true);
    a.write("B/db-journal", 0, 12);
    a.fsync("B/db-journal", true);
    a.fsync("B");
    for (let page = 0; page < 3; page++) a.write("B/db", ((page * 3 + transaction) % 8) * PAGE, PAGE);
    if (transaction === 1) a.append("B/db", 2 * PAGE);
    a.fsync("B/db", true);
    if (transaction === 2) a.truncate("B/db-journal", 0);
    else a.unlink("B/db-journal");
    a.fsync("B");
  }
}

/** sqlite with a write-ahead log: frames, fsync, and from time to time into the database. */
function writeAheadLog(a: Actor): void {
  a.create("B/db");
  a.write("B/db", 0, 8 * PAGE);
  a.create("B/db-wal");
  a.create("B/db-shm");
  a.truncate("B/db-shm", 32_768);
  a.write("B/db-wal", 0, 32);
  for (let transaction = 0; transaction < 6; transaction++) {
    for (let frame = 0; frame < 2; frame++)
      a.write("B/db-wal", 32 + (transaction * 2 + frame) * (PAGE + 24), PAGE + 24);
    a.fsync("B/db-wal", true);
    if (transaction !== 3) continue;
    for (let page = 0; page < 6; page++) a.write("B/db", page * PAGE, PAGE);
    a.fsync("B/db", true);
    a.write("B/db-wal", 0, 32);
  }
  a.truncate("B/db-wal", 0);
  a.fsync("B/db-wal");
}

/** dpkg: everything beside its place, sync, rename; old files away, the database at the end. */
function packages(a: Actor): void {
  a.mkdir("usr");
  for (let dir = 0; dir < 3; dir++) a.mkdir(`usr/d${dir}`);
  for (let n = 0; n < 40; n++) {
    const path = `usr/d${n % 3}/${"file".repeat(1 + (n % 7))}${n}`;
    a.create(`${path}.dpkg-new`);
    a.write(`${path}.dpkg-new`, 0, 100 + ((n * 977) % 9000));
    if (n % 8 === 7) a.symlink(`file${n}`, `${path}.so`);
    if (n % 10 === 9) a.fsync(`${path}.dpkg-new`);
    if (n === 25) a.commit();
  }
  a.sync();
  for (let n = 0; n < 40; n++) {
    const path = `usr/d${n % 3}/${"file".repeat(1 + (n % 7))}${n}`;
    a.rename(`${path}.dpkg-new`, path);
    if (n % 5 === 0) a.unlink(path);
  }
  a.create("usr/status-new");
  a.write("usr/status-new", 0, 12_000);
  a.fsync("usr/status-new");
  a.rename("usr/status-new", "usr/status");
  a.fsync("usr");
}

/** A directory that grows an index, and is emptied. */
function manyNames(a: Actor): void {
  for (let n = 0; n < 60; n++) {
    a.create(`B/${"a long name that takes up room ".repeat(3)}${n}`);
    if (n % 23 === 22) a.commit();
  }
  a.fsync("B");
  for (let n = 0; n < 60; n++) a.unlink(`B/${"a long name that takes up room ".repeat(3)}${n}`);
}

/** Blocks go from one file to the next, as quickly as may be. */
function recycling(a: Actor): void {
  for (let round = 0; round < 5; round++) {
    a.create(`B/r${round}`);
    a.write(`B/r${round}`, 0, 200_000);
    if (round > 0) a.unlink(`B/r${round - 1}`);
    if (round % 2 === 0) a.commit();
    if (round === 3) a.fsync(`B/r${round}`);
    a.setXattr("A/foo", "user.large", 600 + round);
    if (round === 2) a.removeXattr("A/foo", "user.large");
  }
}

/** A file in so many pieces that its extent tree has blocks, cut away again. */
function fragments(a: Actor): void {
  for (let n = 0; n < 24; n++) {
    a.write("A/foo", (2 * n + 4) * 4096, 1500);
    if (n % 9 === 8) a.commit();
  }
  a.fsync("A/foo");
  a.punch("A/foo", 8 * 4096, 12 * 4096);
  a.truncate("A/foo", 5 * 4096);
  a.fsync("A/foo");
  a.write("A/foo", 3 * 4096, 10_000);
}

/** As many commits as fit into the log, and more: it is emptied, and goes round. */
function manyCommits(a: Actor): void {
  for (let n = 0; n < 130; n++) {
    const path = `A/n${n % 9}`;
    if (n < 9) a.create(path);
    else if (n % 4 === 0) a.unlink(path);
    else if (n % 4 === 1) a.create(path);
    else if (n % 4 === 2) a.rename(path, `B/n${n % 5}`);
    else a.setXattr("A/foo", "user.large", 500 + n);
    if (n % 6 === 0) a.write("A/foo", (n % 3) * 3000, 2000);
    a.fsync(n % 2 === 0 ? "A/foo" : "A");
  }
}

/** One transaction after the other that is as large as may be. */
function largeTransactions(a: Actor): void {
  for (let n = 0; n < 90; n++) {
    if (!a.mkdir(`B/d${n}`)) break;
    a.setXattr(`B/d${n}`, "user.large", 700);
    if (n % 3 === 0) a.append("A/foo", 5000);
    if (n % 7 === 0) a.truncate("A/foo", 3000);
  }
  for (let n = 0; n < 90; n += 2) a.rmdir(`B/d${n}`);
  a.fsync("B");
  for (let n = 1; n < 90; n += 2) a.rename(`B/d${n}`, `A/e${n}`);
}

/** Files that are open and have no name, while others come and go. */
function orphans(a: Actor): void {
  for (let n = 0; n < 8; n++) {
    a.create(`A/o${n}`);
    a.write(`A/o${n}`, 0, 3000 * n);
    if (n % 2 === 0) a.unlinkOpen(`A/o${n}`);
    if (n % 3 === 0) a.openTemporary("A", 2000);
    if (n === 3) a.commit();
    if (n % 4 === 3) a.unlink(`A/o${n}`);
    if (n === 5) a.truncate("A/foo", 100);
  }
  a.fsync("A");
  a.unmount();
}

/** Hardly any room: what was freed is waited for, again and again. */
function hardlyAnyRoom(a: Actor): void {
  const { blockSize, freeBlocks } = roomOf(a);
  a.create("B/big");
  a.write("B/big", 0, Math.max(1, freeBlocks - 60) * blockSize);
  a.sync();
  for (let round = 0; round < 6; round++) {
    a.create(`A/w${round}`);
    a.append(`A/w${round}`, 15 * blockSize);
    if (round % 2 === 1) a.truncate("B/big", Math.max(1, freeBlocks - 90 - 20 * round) * blockSize);
    if (round === 3) a.unlink("B/big");
    a.append(`A/w${round}`, 9 * blockSize + 100);
    if (round > 1) a.unlink(`A/w${round - 1}`);
  }
  a.fsync("A/w5");
}

function roomOf({ fs }: Actor): { blockSize: number; freeBlocks: number } {
  return { blockSize: fs.geometry.blockSize, freeBlocks: fs.statfs().blocksAvailable };
}

export const APPLICATIONS: readonly Operation[] = [
  { name: "vim", act: vim },
  { name: "write, fsync, rename", act: replace },
  { name: "write, rename", act: replaceUnsafely },
  { name: "nano", act: nano },
  { name: "emacs", act: emacs },
  { name: "sqlite, rollback journal", act: rollbackJournal },
  { name: "sqlite, write-ahead log", act: writeAheadLog },
  { name: "packages", act: packages },
  { name: "many names", act: manyNames },
  { name: "recycling", act: recycling },
  { name: "fragments", act: fragments },
  { name: "many commits", act: manyCommits },
  { name: "large transactions", act: largeTransactions },
  { name: "orphans", act: orphans },
  { name: "hardly any room", act: hardlyAnyRoom },
];
