/** Reading directories. */
import { fsyncSync } from "node:fs";
import type { DirentWriter, Handlers } from "@bulkhead/fuse";
import { close, descriptorPath, getdents, open, seekDirectory } from "@bulkhead/linux";
import { enter, type MirrorState, type OpenDirectory } from "./state.js";

const O_DIRECTORY = 0o200000;
const BUFFER = 32 * 1024;
/** `struct linux_dirent64`: u64 ino, i64 off (of the next), u16 reclen, u8 type, the name and its NUL. */
const Record = { OFF: 8, LENGTH: 16, TYPE: 18, NAME: 19 } as const;
const DOT = 0x2e;

/** Makes sure that the record at `at` is the one that the cookie continues with: 1; 0 at the end; −errno. */
function position(directory: OpenDirectory, low: number, high: number): number {
  if (directory.nextLow !== low || directory.nextHigh !== high) {
    seekDirectory(directory.fd, low, high);
    directory.at = 0;
    directory.end = 0;
    directory.nextLow = low;
    directory.nextHigh = high;
  }
  if (directory.at < directory.end) return 1;
  const n = getdents(directory.fd, directory.bytes);
  directory.at = 0;
  directory.end = Math.max(0, n);
  return Math.min(n, 1);
}

/** `.` and `..`, which are not counted as looked up. */
function isDots(name: Uint8Array): boolean {
  return name[0] === DOT && (name.length === 1 || (name.length === 2 && name[1] === DOT));
}

export function directoryHandlers(state: MirrorState): Handlers {
  const { inodes } = state;

  /** Lists from a cookie on; `added` is called for each entry that fitted. */
  function list(
    directory: OpenDirectory,
    low: number,
    high: number,
    entries: Pick<DirentWriter, "add">,
    added: (name: Uint8Array) => void,
  ): number {
    const { bytes, view } = directory;
    for (;;) {
      const more = position(directory, low, high);
      if (more <= 0) return more;
      while (directory.at < directory.end) {
        const record = directory.at;
        const start = record + Record.NAME;
        const name = bytes.subarray(start, bytes.indexOf(0, start));
        const [ino, inoHigh] = [view.getUint32(record, true), view.getUint32(record + 4, true)];
        low = view.getUint32(record + Record.OFF, true);
        high = view.getUint32(record + Record.OFF + 4, true);
        // Cookies of 63 bits, as ext4 has them, travel in halves, and inode numbers of 64, as an overlay has them.
        if (!entries.add(name, ino, view.getUint8(record + Record.TYPE), low, high, inoHigh)) return 0;
        added(name);
        directory.at += view.getUint16(record + Record.LENGTH, true);
        directory.nextLow = low;
        directory.nextHigh = high;
      }
    }
  }

  return {
    OPENDIR(context, _request, reply) {
      const bytes = new Uint8Array(BUFFER);
      const fd = open(descriptorPath(inodes.get(context.nodeid).fd), O_DIRECTORY);
      const view = new DataView(bytes.buffer);
      reply.fh = state.directories.add({ fd, bytes, view, at: 0, end: 0, nextLow: 0, nextHigh: 0 });
      return 0;
    },

    READDIR(_context, request, entries) {
      const directory = state.directories.get(request.fh);
      return list(directory, request.offsetLo, request.offsetHi, entries, () => {});
    },

    READDIRPLUS(context, request, entries) {
      const directory = state.directories.get(request.fh);
      const parent = inodes.get(context.nodeid);
      return list(directory, request.offsetLo, request.offsetHi, entries, (name) => {
        if (isDots(name)) return;
        // What is gone by now, or cannot be held, stays without attributes: the kernel looks it up if somebody wants it.
        if (state.pruning.short) return;
        const inode = inodes.lookup(parent, name);
        if (typeof inode !== "number") enter(state, inode, entries.entry);
      });
    },

    RELEASEDIR(_context, { fh }) {
      close(state.directories.remove(fh).fd);
      return 0;
    },

    FSYNCDIR(_context, { fh }) {
      fsyncSync(state.directories.get(fh).fd);
      return 0;
    },
  };
}
