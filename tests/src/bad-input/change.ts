/** Does everything that changes a file system with an image, and sorts what goes wrong into what may and what must not. */
import {
  type BlockDevice,
  CorruptionError,
  DeviceError,
  type Environment,
  FallocateMode,
  FileSystem,
  FileType,
  type Inode,
  isEngineError,
  MappingType,
  MemoryDevice,
  type MountOptions,
  RenameFlag,
} from "@bulkhead/ext4";
import { type Findings, recordFinding } from "./explore.js";

/** A name in the tree. */
interface Place {
  readonly dir: Inode;
  readonly name: Uint8Array;
  readonly ino: number;
}

const MAX_INODES = 60;
const MAX_ENTRIES = 150;
const WRITE = 1;
/** Steps that one write may take: more would be a host that makes no progress. */
const MAX_STEPS = 200;
const owner = { uid: 1000, gid: 1000 };
const bytes = (text: string) => new TextEncoder().encode(text);

/** Time that goes on by a second a look, and random numbers that are always the same: a failure happens again. */
function steadyEnvironment(): Environment {
  let seconds = 1_700_000_000;
  let state = 1;
  return {
    clock: { now: () => ({ seconds: seconds++, nanoseconds: 0 }) },
    random: {
      fill(target) {
        for (let at = 0; at < target.length; at++) {
          state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
          target[at] = state >>> 24;
        }
      },
    },
    log() {},
  };
}

export interface ChangeOptions {
  /** What the file system does after an error; with "remount-ro", nothing may be written after one. */
  readonly errors: "continue" | "remount-ro";
  /** Other options of the mount. */
  readonly mount?: MountOptions;
  /** Is told which bytes are read. */
  readonly onRead?: (offset: number, length: number) => void;
  /** Number of reads and writes after which a few fail. */
  readonly failingAfter?: number;
}

/** Reads and writes that fail in a row. */
const FAILURES = 3;

/** A copy of a device, of which nothing but the record of errors may change once it is sealed. */
export class SealableDevice extends MemoryDevice {
  /** Ranges of bytes that may still be written, undefined while all may be. */
  allowed: readonly (readonly [start: number, end: number])[] | undefined = undefined;
  readonly #onRead: ((offset: number, length: number) => void) | undefined;
  #accessesLeft: number;

  constructor(image: Uint8Array, { onRead, failingAfter = Number.POSITIVE_INFINITY }: ChangeOptions) {
    super(image);
    this.#onRead = onRead;
    this.#accessesLeft = failingAfter;
  }

  override read(offset: number, target: Uint8Array): void {
    this.#onRead?.(offset, target.length);
    this.#count("read", offset, target.length);
    super.read(offset, target);
  }

  /** A while of errors, after which it works again. */
  #count(operation: "read" | "write", offset: number, length: number): void {
    this.#accessesLeft--;
    if (this.#accessesLeft < 0 && this.#accessesLeft > -FAILURES) {
      throw new DeviceError(operation, offset, length, "a bad moment");
    }
  }

  override write(offset: number, source: Uint8Array): void {
    const end = offset + source.length;
    if (this.allowed !== undefined && !this.allowed.some(([from, to]) => offset >= from && end <= to)) {
      throw new Error(`bytes ${offset} to ${end} are written after the error that ended all writing`);
    }
    this.#count("write", offset, source.length);
    super.write(offset, source);
  }
}

const SUPERBLOCK: readonly [number, number] = [1024, 2048];

/**
 * Mounts a copy of the image for writing, changes whatever can be changed, and unmounts.
 *
 * @returns what was found, and the bytes as they are left
 * @throws whatever is neither a result nor one of the engine's typed errors: that is the bug being looked for
 */
export function change(base: BlockDevice, options: ChangeOptions): Findings & { readonly image: Uint8Array } {
  const { errors, mount } = options;
  const image = new Uint8Array(base.size);
  base.read(0, image);
  const device = new SealableDevice(image, options);
  const findings: Findings = { kinds: new Set(), errors: [], opened: false, inodes: 0, entries: 0 };
  let fs: FileSystem | undefined;
  const attempt = <T>(work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      recordFinding(findings, error);
      if (fs !== undefined && (error instanceof CorruptionError || error instanceof DeviceError)) {
        fs.recordError(error);
        if (errors === "remount-ro") device.allowed ??= [SUPERBLOCK, ...journalSuperblock(fs)];
      }
      return undefined;
    }
  };
  fs = attempt(() =>
    FileSystem.mount(device, { ...mount, writable: true, errors, cacheBytes: 64 * 1024 }, steadyEnvironment()),
  );
  if (fs === undefined) return { ...findings, image };
  findings.opened = true;
  const { volume } = fs;
  const { report } = volume;
  // What the allocators work around is not thrown.
  volume.report = (error) => {
    recordFinding(findings, error);
    report?.(error);
  };
  new Changes(fs, findings, attempt).all();
  const mounted = fs;
  attempt(() => mounted.unmount());
  return { ...findings, image };
}

/** Where the journal keeps a note of the error. */
function journalSuperblock(fs: FileSystem): [number, number][] {
  if (!fs.features.hasJournal) return [];
  try {
    const mapping = { type: 0, flags: 0, offset: 0, length: 0, addr: 0, dev: 0 };
    fs.iomapBegin(fs.inode(fs.superblock.journalInode), 0, 1, 0, mapping);
    return [[mapping.addr, mapping.addr + fs.geometry.blockSize]];
  } catch (error) {
    if (!isEngineError(error)) throw error;
    return [];
  }
}

class Changes {
  readonly #fs: FileSystem;
  readonly #findings: Findings;
  readonly #attempt: <T>(work: () => T) => T | undefined;
  readonly #mapping = { type: 0 as number, flags: 0, offset: 0, length: 0, addr: 0, dev: 0 };
  readonly #data = new Uint8Array(40_000).fill(0x61);

  constructor(fs: FileSystem, findings: Findings, attempt: <T>(work: () => T) => T | undefined) {
    this.#fs = fs;
    this.#findings = findings;
    this.#attempt = attempt;
  }

  all(): void {
    const fs = this.#fs;
    const places = this.#walk();
    const inodes = new Map<number, Inode>();
    for (const { ino } of places) {
      const inode = this.#attempt(() => fs.inode(ino));
      if (inode !== undefined) inodes.set(ino, inode);
    }
    this.#populate(
      fs,
      this.#attempt(() => fs.root),
    );
    for (const inode of inodes.values()) {
      if (inode.isDirectory) this.#populate(fs, inode);
      if (inode.isRegular) this.#changeFile(fs, inode);
      this.#changeAttributes(fs, inode);
    }
    this.#attempt(() => fs.sync());
    this.#move(fs, places);
    for (const { dir, name, ino } of [...places].reverse()) {
      if (this.#attempt(() => fs.unlink(dir, name)) === undefined) this.#attempt(() => fs.rmdir(dir, name));
      this.#attempt(() => fs.release(ino));
    }
    this.#attempt(() => fs.sync());
    this.#populate(
      fs,
      this.#attempt(() => fs.root),
    );
    this.#attempt(() => fs.tick());
    this.#attempt(() => fs.statfs());
  }

  #walk(): Place[] {
    const fs = this.#fs;
    const places: Place[] = [];
    const seen = new Set([2]);
    const pending = [2];
    for (let ino = pending.pop(); ino !== undefined && seen.size < MAX_INODES; ino = pending.pop()) {
      const number = ino;
      const dir = this.#attempt(() => fs.inode(number));
      if (dir === undefined || !dir.isDirectory) continue;
      this.#findings.inodes++;
      this.#attempt(() =>
        fs.readDirectory(dir, 0, 0, (child, _type, block, start, length) => {
          const name = block.slice(start, start + length);
          if (name[0] === 0x2e && (length === 1 || (length === 2 && name[1] === 0x2e))) return true;
          places.push({ dir, name, ino: child });
          if (!seen.has(child)) pending.push(child);
          seen.add(child);
          return places.length < MAX_ENTRIES;
        }),
      );
    }
    this.#findings.entries = places.length;
    return places;
  }

  /** One of each in a directory. */
  #populate(fs: FileSystem, dir: Inode | undefined): void {
    if (dir === undefined) return;
    const attempt = this.#attempt;
    const file = attempt(() => fs.create(dir, bytes("new-file"), { mode: FileType.regular | 0o6755, ...owner }));
    if (file !== undefined) {
      attempt(() => this.#write(fs, file, 0, 100));
      attempt(() => this.#write(fs, file, 50, 9000));
      attempt(() => fs.setXattr(file, "user.new", this.#data.subarray(0, 60)));
      attempt(() => fs.link(file, dir, bytes("new-link")));
      attempt(() => fs.fsync(file));
    }
    attempt(() => fs.create(dir, bytes("new-device"), { mode: FileType.blockDevice | 0o600, ...owner, rdev: 0x12345 }));
    const below = attempt(() => fs.mkdir(dir, bytes("new-directory"), { mode: 0o2755, ...owner }));
    if (below !== undefined) {
      attempt(() => fs.rename(dir, bytes("new-link"), below, bytes("moved")));
      attempt(() => fs.create(below, bytes("below"), { mode: FileType.regular | 0o644, ...owner }));
    }
    for (const length of [20, 300]) {
      attempt(() => fs.symlink(dir, bytes(`new-symlink-${length}`), this.#data.subarray(0, length), owner));
    }
    const nameless = attempt(() => fs.tmpfile(dir, { mode: 0o600, ...owner }));
    if (nameless !== undefined) {
      attempt(() => this.#write(fs, nameless, 2000, 3000));
      if (dir.ino % 2 === 0) attempt(() => fs.link(nameless, dir, bytes("named")));
      attempt(() => fs.release(nameless.ino));
    }
    attempt(() => fs.unlink(dir, bytes("new-file")));
    if (file !== undefined) attempt(() => fs.release(file.ino));
  }

  #changeFile(fs: FileSystem, inode: Inode): void {
    const attempt = this.#attempt;
    const { blockSize, clusterSize } = fs.geometry;
    const { size } = inode;
    const { keepSize, punchHole, collapseRange, zeroRange, insertRange } = FallocateMode;
    attempt(() => this.#write(fs, inode, 0, 10));
    attempt(() => this.#write(fs, inode, Math.floor(size / 2), 3 * blockSize));
    attempt(() => this.#write(fs, inode, size, 100));
    attempt(() => fs.fallocate(inode, punchHole | keepSize, blockSize, 3 * blockSize));
    attempt(() => fs.fallocate(inode, 0, 2 * blockSize, 20 * blockSize));
    attempt(() => this.#write(fs, inode, 5 * blockSize + 3, 2 * blockSize));
    attempt(() => fs.fallocate(inode, zeroRange, blockSize, 9 * blockSize));
    attempt(() => fs.fallocate(inode, insertRange, clusterSize, 2 * clusterSize));
    attempt(() => fs.fallocate(inode, collapseRange, 0, clusterSize));
    attempt(() => fs.resize(inode, Math.floor(inode.size / 2)));
    attempt(() => fs.resize(inode, inode.size + 3 * blockSize));
    if (inode.ino % 2 === 0) attempt(() => fs.resize(inode, 0));
    attempt(() => this.#write(fs, inode, 0, 2 * blockSize));
    attempt(() => fs.fsync(inode, true));
  }

  #changeAttributes(fs: FileSystem, inode: Inode): void {
    const attempt = this.#attempt;
    attempt(() => fs.setAttributes(inode, { mode: 0o640, uid: 1001, gid: 1001, atime: 5, mtime: 2 ** 33 }));
    attempt(() => fs.setXattr(inode, "user.short", this.#data.subarray(0, 20)));
    attempt(() => fs.setXattr(inode, "user.long", this.#data.subarray(0, 700)));
    attempt(() => fs.setXattr(inode, "user.longer", this.#data.subarray(0, 3000)));
    for (const name of attempt(() => fs.listXattrs(inode)) ?? []) {
      if (inode.ino % 3 === 0) attempt(() => fs.removeXattr(inode, name));
      else attempt(() => fs.setXattr(inode, name, this.#data.subarray(0, 90)));
    }
    attempt(() => fs.setFlags(inode, inode.flags ^ 0x40));
    attempt(() => fs.setProject(inode, 7));
    attempt(() => fs.setAccessTime(inode));
  }

  /** Moves names over one another, into others' directories and away. */
  #move(fs: FileSystem, places: readonly Place[]): void {
    const attempt = this.#attempt;
    for (let n = 0; n + 1 < places.length; n += 3) {
      const from = places[n]!;
      const to = places[(n * 7 + 1) % places.length]!;
      const flags = [0, RenameFlag.exchange, RenameFlag.whiteout, RenameFlag.noReplace][n % 4]!;
      attempt(() => fs.rename(from.dir, from.name, to.dir, to.name, flags, owner));
      attempt(() => fs.rename(from.dir, from.name, to.dir, bytes(`moved-${n}`)));
    }
  }

  /** What a host does: asks where, writes there, says so. */
  #write(fs: FileSystem, inode: Inode, pos: number, count: number): number {
    const mapping = this.#mapping;
    if (fs.journalsData(inode)) return fs.writeJournalled(inode, pos, this.#data.subarray(0, count));
    let done = 0;
    for (let step = 0; done < count; step++) {
      if (step === MAX_STEPS) throw new Error(`a write of ${count} bytes at ${pos} makes no progress`);
      const at = pos + done;
      fs.iomapBegin(inode, at, count - done, WRITE, mapping);
      const end = mapping.offset + mapping.length;
      if (!(mapping.offset <= at && end > at)) throw new Error(`mapping ${mapping.offset}+${mapping.length} for ${at}`);
      const length = Math.min(count - done, end - at);
      const data = this.#data.subarray(0, length);
      if (mapping.type === MappingType.inline) {
        if (fs.writeInline(inode, at, data)) done += length;
        continue;
      }
      fs.device.write(mapping.addr + at - mapping.offset, data);
      fs.iomapEnd(inode, at, length, length, WRITE, mapping);
      done += length;
    }
    return done;
  }
}
