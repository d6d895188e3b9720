import { orThrow } from "./error.js";
import { cString, native, type Path, showPath } from "./libc.js";

/** Counts of a file system; blocks in units of `frsize` bytes (of `bsize` where frsize is 0). */
export interface StatFs {
  /** The magic number of the file system's type. */
  readonly type: number;
  /** Preferred transfer size in bytes. */
  readonly bsize: number;
  readonly blocks: number;
  readonly bfree: number;
  /** Free blocks for unprivileged users. */
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
  readonly fsid: readonly [number, number];
  /** Longest name in bytes. */
  readonly namelen: number;
  /** Fragment size in bytes. */
  readonly frsize: number;
  /** `ST_*` mount flags. */
  readonly flags: number;
}

const SIZE = 120;
const cStatfs = native<[Uint8Array, Uint8Array]>("statfs64", "int", ["void *", "void *"]);

/** statfs(2) of the file system that holds `path`; counts beyond 2^53 lose their low bits. */
export function statfs(path: Path): StatFs {
  const bytes = new Uint8Array(SIZE);
  orThrow(cStatfs(cString(path, "statfs"), bytes), "statfs", showPath(path));
  const view = new DataView(bytes.buffer);
  const word = (offset: number) => Number(view.getBigUint64(offset, true));
  return {
    type: word(0),
    bsize: word(8),
    blocks: word(16),
    bfree: word(24),
    bavail: word(32),
    files: word(40),
    ffree: word(48),
    fsid: [view.getInt32(56, true), view.getInt32(60, true)],
    namelen: word(64),
    frsize: word(72),
    flags: word(80),
  };
}
