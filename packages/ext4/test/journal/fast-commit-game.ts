import { MemoryDevice } from "../../src/device/memory.js";
import { type DeviceEvent, RecordingDevice } from "../../src/device/recording.js";
import { FileSystemError } from "../../src/errors.js";
import type { FileSystem } from "../../src/filesystem.js";
import type { Inode } from "../../src/inode/inode.js";
import type { IomapMapping } from "../../src/iomap/begin.js";
import { treeOf } from "./fast-commit-replays.js";
import { randomFrom } from "./power-loss.js";
import { bytesOf, mountForWriting } from "./writing.js";

/** What is durable once so many events have happened. */
export interface Durable {
  readonly events: number;
  readonly tree: readonly string[];
}

export interface Game {
  readonly events: readonly DeviceEvent[];
  readonly durable: readonly Durable[];
  /** Fast commits that were written. */
  readonly fastCommits: number;
  /** What was done, for the message of a failure. */
  readonly moves: readonly string[];
}

const OP_WRITE = 1;
const NAMES = ["a", "b", "c", `a much longer name, which takes ${"a good part of a block ".repeat(8)}`];

/**
 * Plays with a file system that makes fast commits, and does the same to a twin that makes full ones: what the twin has on its device
 * after each fsync is what is durable. All that is written to a file depends on nothing but the place in it, in whole blocks: so data
 * that was written in place shows in no state of the metadata.
 *
 * @param base is given a few files before
 */
export function play(base: Uint8Array, seed: number, count: number): Game {
  const random = randomFrom(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  furnish(base);
  const recording = new RecordingDevice(new MemoryDevice(base.slice()));
  const twinDevice = new MemoryDevice(base.slice());
  const both = [mountForWriting(recording), mountForWriting(twinDevice)];
  both[1]!.volume.transactions!.fastCommits = undefined;
  const committer = both[0]!.volume.transactions!.fastCommits!;
  const lay = committer.lay.bind(committer);
  let fastCommits = 0;
  committer.lay = (io, tid) => {
    const laid = lay(io, tid);
    if (laid) fastCommits++;
    return laid;
  };
  const moves: string[] = [];
  const durable: Durable[] = [];
  const opened: number[][] = [[], []];
  const settle = (): void => {
    durable.push({ events: recording.events.length, tree: treeOf(twinDevice.bytes.slice()) });
  };
  settle();
  for (let n = 0; n < count; n++) {
    const move = MOVES[pickMove(random)]!;
    const choice = { inD: random() < 0.4, name: pick(NAMES), otherInD: random() < 0.4, other: pick(NAMES) };
    const numbers = [random(), random(), random()];
    const results = both.map((fs, index) =>
      attempt(() => move.run(fs, { ...choice, numbers, opened: opened[index]! })),
    );
    const [name, other] = [choice.name, choice.other].map((text) => text.slice(0, 6));
    const names = `${choice.inD ? "dir/" : ""}${name} (${choice.otherInD ? "dir/" : ""}${other})`;
    moves.push(`${move.name} ${names}: ${results[0]}`);
    if (results[0] !== results[1]) throw new Error(`the twins differ: ${results.join(", ")}\n${moves.join("\n")}`);
    if (results[0] === "durable") settle();
  }
  return { events: recording.events, durable, fastCommits, moves };
}

/** A directory, and files that take the first numbers: of those, fast commits tell only while the log is empty. */
function furnish(base: Uint8Array): void {
  const fs = mountForWriting(new MemoryDevice(base));
  for (let n = 0; n < 8; n++) fs.create(fs.root, bytesOf(`file ${n}`), { mode: 0o100644, uid: 0, gid: 0 });
  fs.mkdir(fs.root, bytesOf("dir"), { mode: 0o755, uid: 0, gid: 0 });
  fs.unmount();
}

interface Choice {
  readonly inD: boolean;
  readonly name: string;
  readonly otherInD: boolean;
  readonly other: string;
  readonly numbers: readonly number[];
  /** Inodes without a name that are in use. */
  readonly opened: number[];
}

interface Move {
  readonly name: string;
  readonly weight: number;
  readonly run: (fs: FileSystem, choice: Choice) => string | undefined;
}

function attempt(run: () => string | undefined): string {
  try {
    return run() ?? "done";
  } catch (error) {
    if (error instanceof FileSystemError) return error.code;
    throw error;
  }
}

function directory(fs: FileSystem, inD: boolean): Inode {
  return inD ? fs.inode(fs.lookup(fs.root, bytesOf("dir"))) : fs.root;
}

function file(fs: FileSystem, { inD, name }: Choice): Inode {
  const ino = fs.lookup(directory(fs, inD), bytesOf(name));
  if (ino === 0) throw new FileSystemError("ENOENT", "no such file");
  return fs.inode(ino);
}

function write(fs: FileSystem, inode: Inode, pos: number, length: number): void {
  const mapping: IomapMapping = { type: 0, flags: 0, offset: 0, length: 0, addr: 0, dev: 0 };
  for (let at = pos; at < pos + length; ) {
    fs.iomapBegin(inode, at, pos + length - at, OP_WRITE, mapping);
    const size = Math.min(pos + length, mapping.offset + mapping.length) - at;
    const from = at;
    const bytes = Uint8Array.from({ length: size }, (_, index) => 1 + (((from + index) >> 9) % 255));
    fs.device.write(mapping.addr + at - mapping.offset, bytes);
    fs.iomapEnd(inode, at, size, size, OP_WRITE, mapping);
    at += size;
  }
}

/** Whole blocks: where, and how many. */
function range(fs: FileSystem, [first, second]: readonly number[], most: number): [number, number] {
  const { blockSize } = fs.geometry;
  return [Math.floor(first! * most) * blockSize, (1 + Math.floor(second! * second! * most)) * blockSize];
}

const MOVES: readonly Move[] = [
  {
    name: "create",
    weight: 6,
    run: (fs, { inD, name, numbers }) => {
      const inode = fs.create(directory(fs, inD), bytesOf(name), { mode: 0o100644, uid: 0, gid: 0 });
      if (numbers[0]! < 0.7) write(fs, inode, ...range(fs, numbers, 8));
      return undefined;
    },
  },
  {
    name: "write",
    weight: 8,
    run: (fs, choice) => {
      write(fs, file(fs, choice), ...range(fs, choice.numbers, 40));
      return undefined;
    },
  },
  {
    name: "truncate",
    weight: 4,
    run: (fs, choice) => {
      fs.resize(file(fs, choice), range(fs, choice.numbers, 30)[0]);
      return undefined;
    },
  },
  {
    name: "fallocate",
    weight: 4,
    run: (fs, choice) => {
      const mode = [0, 1, 3, 0x10, 0x11][Math.floor(choice.numbers[2]! * 5)]!;
      fs.fallocate(file(fs, choice), mode, ...range(fs, choice.numbers, 40));
      return undefined;
    },
  },
  {
    name: "unlink",
    weight: 4,
    run: (fs, choice) => {
      const { ino } = file(fs, choice);
      fs.unlink(directory(fs, choice.inD), bytesOf(choice.name));
      if (choice.numbers[0]! < 0.8) fs.release(ino);
      else choice.opened.push(ino);
      return undefined;
    },
  },
  {
    name: "release",
    weight: 1,
    run: (fs, { opened }) => {
      for (const ino of opened.splice(0)) fs.release(ino);
      return undefined;
    },
  },
  {
    name: "rename",
    weight: 5,
    run: (fs, choice) => {
      const to = directory(fs, choice.otherInD);
      const old = fs.lookup(to, bytesOf(choice.other));
      fs.rename(directory(fs, choice.inD), bytesOf(choice.name), to, bytesOf(choice.other));
      if (old !== 0) fs.release(old);
      return undefined;
    },
  },
  {
    name: "link",
    weight: 3,
    run: (fs, choice) => {
      fs.link(file(fs, choice), directory(fs, choice.otherInD), bytesOf(choice.other));
      return undefined;
    },
  },
  {
    name: "tmpfile",
    weight: 2,
    run: (fs, { inD, name, numbers }) => {
      const dir = directory(fs, inD);
      const inode = fs.tmpfile(dir, { mode: 0o100600, uid: 4, gid: 4 });
      try {
        write(fs, inode, ...range(fs, numbers, 4));
        fs.link(inode, dir, bytesOf(name));
      } catch (error) {
        fs.release(inode.ino);
        throw error;
      }
      return undefined;
    },
  },
  {
    name: "chmod",
    weight: 2,
    run: (fs, choice) => {
      fs.setAttributes(file(fs, choice), { mode: Math.floor(choice.numbers[0]! * 0o1000), uid: 7 });
      return undefined;
    },
  },
  {
    name: "mkdir or rmdir",
    weight: 0.3,
    run: (fs) => {
      if (fs.lookup(fs.root, bytesOf("sub")) === 0) fs.mkdir(fs.root, bytesOf("sub"), { mode: 0o755, uid: 0, gid: 0 });
      else fs.rmdir(fs.root, bytesOf("sub"));
      return undefined;
    },
  },
  {
    name: "setxattr",
    weight: 0.3,
    run: (fs, choice) => {
      fs.setXattr(file(fs, choice), "user.number", bytesOf(String(choice.numbers[0])));
      return undefined;
    },
  },
  {
    name: "sync",
    weight: 0.4,
    run: (fs) => {
      fs.sync();
      return "durable";
    },
  },
  {
    name: "fsync",
    weight: 9,
    run: (fs, choice) => {
      const named = fs.lookup(directory(fs, choice.inD), bytesOf(choice.name));
      const inode = fs.inode(named === 0 ? fs.lookup(fs.root, bytesOf("file 7")) : named);
      // So that it is part of the running transaction in either twin.
      fs.setModificationTime(inode);
      if (fs.volume.transactions!.fastCommits === undefined) fs.sync();
      else fs.fsync(inode);
      return "durable";
    },
  },
];

const TOTAL = MOVES.reduce((sum, { weight }) => sum + weight, 0);

function pickMove(random: () => number): number {
  let left = random() * TOTAL;
  return MOVES.findIndex(({ weight }) => {
    left -= weight;
    return left < 0;
  });
}
