/**
 * As fsx does: random operations on one file through several descriptors at once (buffered, appending, direct, mapped), the
 * same on a second file, and every answer compared. What two kinds of access see of each other is what is asked.
 */
import assert from "node:assert/strict";
import { closeSync, constants, fdatasyncSync, fstatSync, fsyncSync, openSync, readFileSync, statSync } from "node:fs";
import {
  addressOf,
  copyFileRange,
  Falloc,
  fallocate,
  ftruncate,
  MemoryMap,
  Protection,
  pread,
  pwrite,
  seekData,
  seekHole,
  truncate,
  write,
} from "@bulkhead/linux";

const PAGE = 4096;
const LIMIT = 256 * 1024;
const WAYS = [
  constants.O_RDWR,
  constants.O_RDWR | constants.O_APPEND,
  constants.O_RDWR | constants.O_DIRECT,
  constants.O_RDWR,
] as const;
const [BUFFERED, APPENDING, DIRECT] = [0, 1, 2] as const;

/** Numbers from a seed (xorshift): below `limit`. */
function numbers(seed: number): (limit: number) => number {
  let state = seed | 1;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}

/** Memory that direct I/O takes. */
function aligned(length: number): Uint8Array {
  const bytes = new Uint8Array(length + PAGE);
  const start = (PAGE - (addressOf(bytes, 0, 0) % PAGE)) % PAGE;
  return bytes.subarray(start, start + length);
}

/** One of the two files, with its descriptors. */
class Subject {
  readonly path: string;
  readonly fds: number[];
  readonly buffer = aligned(LIMIT);

  constructor(path: string) {
    this.path = path;
    closeSync(openSync(path, "w"));
    this.fds = WAYS.map((flags) => openSync(path, flags));
  }

  reopen(way: number): void {
    closeSync(this.fds[way]!);
    this.fds[way] = openSync(this.path, WAYS[way]!);
  }

  /** The map's pages must be inside the file: what is beyond is SIGBUS. */
  mapped<T>(position: number, length: number, use: (map: MemoryMap) => T): T {
    const map = new MemoryMap(this.fds[BUFFERED]!, length, Protection.READ | Protection.WRITE, position);
    try {
      return use(map);
    } finally {
      map.unmap();
    }
  }

  close(): void {
    for (const fd of this.fds) closeSync(fd);
  }
}

/** What an operation came to: its result and the bytes it gave. */
type Outcome = readonly [result: number, bytes?: Uint8Array];
type Operation = (subject: Subject) => Outcome;

/** An operation that comes to nothing but an error. */
function only(act: (subject: Subject) => void): Operation {
  return (subject) => {
    act(subject);
    return [0];
  };
}

function chosen(random: (limit: number) => number, size: number): readonly [name: string, operation: Operation] {
  const any = () => [BUFFERED, APPENDING, 3][random(3)]!;
  const at = random(LIMIT - 20_000);
  const length = 1 + random(20_000);
  const page = random((LIMIT - 8 * PAGE) / PAGE) * PAGE;
  const pages = (1 + random(8)) * PAGE;
  const fill = random(256);
  const filled = (subject: Subject, n: number) => {
    for (let i = 0; i < n; i++) subject.buffer[i] = fill + i;
    return n;
  };
  const way = any();
  switch (random(19)) {
    case 0:
    case 1:
      return [`write ${length} at ${at}`, (s) => [pwrite(s.fds[BUFFERED]!, s.buffer, 0, filled(s, length), at)]];
    case 2:
      return [`direct write ${pages} at ${page}`, (s) => [pwrite(s.fds[DIRECT]!, s.buffer, 0, filled(s, pages), page)]];
    case 3:
      if (size + length > LIMIT) return ["truncate to nothing", only((s) => truncate(s.path, 0))];
      return [`append ${length}`, (s) => [write(s.fds[APPENDING]!, s.buffer, 0, filled(s, length))]];
    case 4:
    case 5: {
      if (page >= size) return ["fsync", only((s) => fsyncSync(s.fds[way]!))];
      const end = Math.min(pages, size - page);
      const sync = random(4) === 0;
      return [
        `map and write ${end} at ${page}`,
        (s) =>
          s.mapped(page, end, (map) => {
            map.write(0, s.buffer.subarray(0, filled(s, end)));
            if (sync) map.sync();
            return [end];
          }),
      ];
    }
    case 6: {
      if (page >= size) return ["fdatasync", only((s) => fdatasyncSync(s.fds[way]!))];
      const end = Math.min(pages, size - page);
      return [`map and read ${end} at ${page}`, (s) => s.mapped(page, end, (map) => [end, map.read(0, end)])];
    }
    case 7:
    case 8:
    case 9:
      return [`read ${length} at ${at}`, (s) => read(s, way, length, at)];
    case 10:
    case 11:
      return [`direct read ${pages} at ${page}`, (s) => read(s, DIRECT, pages, page)];
    case 12:
      return [`ftruncate to ${at}`, only((s) => ftruncate(s.fds[way]!, at))];
    case 13:
      return [`truncate to ${at}`, only((s) => truncate(s.path, at))];
    case 14: {
      const modes = [0, Falloc.KEEP_SIZE, Falloc.PUNCH_HOLE | Falloc.KEEP_SIZE, Falloc.ZERO_RANGE];
      const mode = modes[random(modes.length)]!;
      return [`fallocate ${mode} ${length} at ${at}`, only((s) => fallocate(s.fds[way]!, mode, at, length))];
    }
    case 15: {
      const to = random(LIMIT - 20_000);
      if (at >= size || Math.abs(at - to) < length) return ["fsync", only((s) => fsyncSync(s.fds[way]!))];
      return [
        `copy ${length} from ${at} to ${to}`,
        (s) => [copyFileRange(s.fds[BUFFERED]!, at, s.fds[3]!, to, length)],
      ];
    }
    case 16:
      if (at >= size) return ["stat", (s) => [statSync(s.path).size]];
      return [`data after ${at}`, only((s) => assertNothingSkipped(s, s.fds[way]!, at, size))];
    default: {
      const reopened = random(WAYS.length);
      return [`open ${reopened} anew`, only((s) => s.reopen(reopened))];
    }
  }
}

/** What is data and what a hole depends on what is in which cache; but what is skipped must be zeros. */
function assertNothingSkipped(subject: Subject, fd: number, from: number, size: number): void {
  const data = seekData(fd, from);
  const end = data < 0 ? size : data;
  const n = pread(subject.fds[BUFFERED]!, subject.buffer, 0, end - from, from);
  assert.equal(n, end - from);
  assert.ok(
    subject.buffer.subarray(0, n).every((byte) => byte === 0),
    `SEEK_DATA from ${from} skips to ${data} what is no hole`,
  );
  if (data >= 0) assert.ok(seekHole(fd, data) > data);
}

function read(subject: Subject, way: number, length: number, position: number): Outcome {
  const n = pread(subject.fds[way]!, subject.buffer, 0, length, position);
  return [n, subject.buffer.subarray(0, Math.max(0, n))];
}

/** Does `count` operations to new files at both paths. @throws where they differ, with what was done last */
export function exercise(path: string, oracle: string, seed: number, count: number): void {
  const random = numbers(seed);
  const subjects = [new Subject(path), new Subject(oracle)] as const;
  const done: string[] = [];
  const told = () => `seed ${seed}, operation ${done.length}; the last ones:\n  ${done.slice(-12).join("\n  ")}`;
  try {
    for (let i = 0; i < count; i++) {
      const size = fstatSync(subjects[1].fds[BUFFERED]!).size;
      const [name, operation] = chosen(random, size);
      done.push(`${name} (of ${size})`);
      const [ours, theirs] = [operation(subjects[0]), operation(subjects[1])];
      assert.equal(ours[0], theirs[0], told());
      if (ours[1] !== undefined) assert.ok(Buffer.compare(ours[1], theirs[1]!) === 0, `other bytes: ${told()}`);
      const sizes = subjects.map((subject) => statSync(subject.path).size);
      assert.equal(sizes[0], sizes[1], `sizes: ${told()}`);
    }
    assert.ok(readFileSync(path).equals(readFileSync(oracle)), `in the end: ${told()}`);
  } finally {
    for (const subject of subjects) subject.close();
  }
}
