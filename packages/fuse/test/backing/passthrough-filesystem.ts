/** Files backed by those of a directory, opened in the way that the test names next, and counted. */
import { fstatSync, openSync } from "node:fs";
import { join } from "node:path";
import { Errno, LinuxError, pread, pwrite } from "@bulkhead/linux";
import {
  type Attributes,
  BackingFiles,
  type FileSystem,
  Fopen,
  type InitFlagName,
  OpenModes,
  type OpenReply,
  ROOT_ID,
  type Services,
} from "../../src/index.js";

/** Cells of the shared state. */
export const Cell = {
  /** How the next OPEN is answered: a `Way`. */
  WAY: 0,
  /** Answered with success: as many RELEASEs follow. */
  OPENS: 1,
  RELEASES: 2,
  READS: 3,
  WRITES: 4,
  GETATTRS: 5,
  /** What the library said to the last OPEN. */
  VERDICT: 6,
  /** Ids that the registry holds. */
  IDS: 7,
  /** The id in the last reply. */
  ID: 8,
  GETXATTRS: 9,
  COUNT: 16,
} as const;

/** `LIBRARY_*` go through `OpenModes`; `RAW_*` are replies made by hand, to see what the kernel does about them. */
export const Way = {
  LIBRARY_SHARED: 0,
  LIBRARY_OWN: 1,
  LIBRARY_CACHED: 2,
  LIBRARY_DIRECT: 3,
  LIBRARY_SHARED_DIRECT: 4,
  LIBRARY_SHARED_KEEP_CACHE: 5,
  RAW_OWN: 6,
  RAW_CACHED: 7,
  RAW_DIRECT: 8,
  RAW_KEEP_CACHE: 9,
  RAW_ID_ZERO: 10,
  RAW_ID_UNKNOWN: 11,
} as const;

export interface PassthroughData {
  readonly state: SharedArrayBuffer;
  readonly directory: string;
  /** 0: PASSTHROUGH is not asked for. */
  readonly maxStackDepth: number;
  /** Asked for beside. */
  readonly want: readonly InitFlagName[];
}

export const NAMES = ["a", "b"];
const FOREVER = 86_400;
const decoder = new TextDecoder();

export default function passthrough(data: PassthroughData, services: Services): FileSystem {
  const state = new Int32Array(data.state);
  const count = (cell: number) => Atomics.add(state, cell, 1);
  const fds = NAMES.map((name) => openSync(join(data.directory, name), "r+"));
  const fdOf = (nodeid: number) => fds[nodeid - ROOT_ID - 1]!;
  const files = new BackingFiles(() => services.transport().fd);
  const modes = new OpenModes(files, services.log);
  /** By fh, what the reply said; −1 where `OpenModes` does not know of it. */
  const flagsOf: number[] = [];

  const describe = (nodeid: number, attr: Attributes) => {
    attr.ino = nodeid;
    attr.nlink = 1;
    attr.mode = 0o040755;
    if (nodeid === ROOT_ID) return;
    const stat = fstatSync(fdOf(nodeid), { bigint: true });
    attr.mode = 0o100666;
    attr.size = Number(stat.size);
    attr.blocks = Number(stat.blocks);
    attr.mtime = Number(stat.mtimeNs / 1_000_000_000n);
    attr.mtimensec = Number(stat.mtimeNs % 1_000_000_000n);
  };

  /** By hand: an id of its own, whatever else is open. */
  function raw(nodeid: number, flags: number, reply: OpenReply, id?: number): number {
    reply.open_flags = flags;
    reply.backing_id = id ?? (flags & Fopen.PASSTHROUGH ? files.open(fdOf(nodeid)) : 0);
    return 0;
  }

  function own(nodeid: number, reply: OpenReply): number {
    const id = files.open(fdOf(nodeid));
    const verdict = modes.passThroughTo(nodeid, id, reply);
    files.release(id);
    return verdict;
  }

  function library(nodeid: number, flags: number, reply: OpenReply, through: boolean): number {
    reply.open_flags = flags;
    return through ? modes.passThrough(nodeid, fdOf(nodeid), reply) : modes.open(nodeid, reply);
  }

  function answer(way: number, nodeid: number, reply: OpenReply): number {
    switch (way) {
      case Way.LIBRARY_SHARED:
        return library(nodeid, 0, reply, true);
      case Way.LIBRARY_OWN:
        return own(nodeid, reply);
      case Way.LIBRARY_CACHED:
        return library(nodeid, 0, reply, false);
      case Way.LIBRARY_DIRECT:
        return library(nodeid, Fopen.DIRECT_IO, reply, false);
      case Way.LIBRARY_SHARED_DIRECT:
        return library(nodeid, Fopen.DIRECT_IO, reply, true);
      case Way.LIBRARY_SHARED_KEEP_CACHE:
        return library(nodeid, Fopen.KEEP_CACHE, reply, true);
      case Way.RAW_OWN:
        return raw(nodeid, Fopen.PASSTHROUGH, reply);
      case Way.RAW_CACHED:
        return raw(nodeid, 0, reply);
      case Way.RAW_DIRECT:
        return raw(nodeid, Fopen.DIRECT_IO, reply);
      case Way.RAW_KEEP_CACHE:
        return raw(nodeid, Fopen.PASSTHROUGH | Fopen.KEEP_CACHE, reply);
      case Way.RAW_ID_ZERO:
        return raw(nodeid, Fopen.PASSTHROUGH, reply, 0);
      default:
        return raw(nodeid, Fopen.PASSTHROUGH, reply, 9999);
    }
  }

  const want: InitFlagName[] = ["DIRECT_IO_ALLOW_MMAP", ...data.want];
  if (data.maxStackDepth > 0) want.push("PASSTHROUGH");
  return {
    session: { want, maxStackDepth: data.maxStackDepth },
    handlers: {
      LOOKUP(_context, name, entry) {
        const index = NAMES.indexOf(decoder.decode(name));
        if (index < 0) return 0;
        entry.nodeid = ROOT_ID + 1 + index;
        entry.entry_valid = FOREVER;
        entry.attr_valid = FOREVER;
        describe(entry.nodeid, entry.attr);
        return 0;
      },
      GETATTR(context, _request, reply) {
        count(Cell.GETATTRS);
        reply.attr_valid = FOREVER;
        describe(context.nodeid, reply.attr);
        return 0;
      },
      // An overlay asks its layers how long names may be.
      STATFS(_context, reply) {
        reply.st.namelen = 255;
        reply.st.bsize = 4096;
        return 0;
      },
      OPEN(context, _request, reply) {
        const way = Atomics.load(state, Cell.WAY);
        Atomics.store(state, Cell.VERDICT, 0);
        let verdict: number;
        try {
          verdict = answer(way, context.nodeid, reply);
        } catch (error) {
          if (!(error instanceof LinuxError)) throw error;
          verdict = -error.errno;
        }
        Atomics.store(state, Cell.VERDICT, verdict);
        Atomics.store(state, Cell.IDS, files.count);
        Atomics.store(state, Cell.ID, reply.backing_id);
        if (verdict !== 0) return verdict;
        count(Cell.OPENS);
        reply.fh = flagsOf.push(way < Way.RAW_OWN ? reply.open_flags : -1) - 1;
        return 0;
      },
      RELEASE(context, request) {
        const flags = flagsOf[request.fh]!;
        if (flags >= 0) modes.release(context.nodeid, flags);
        Atomics.store(state, Cell.IDS, files.count);
        count(Cell.RELEASES);
        return 0;
      },
      GETXATTR() {
        count(Cell.GETXATTRS);
        return -Errno.ENODATA;
      },
      READ(context, { offset, size }, window) {
        count(Cell.READS);
        return pread(fdOf(context.nodeid), window, 0, size, offset);
      },
      WRITE(context, { offset }, bytes, reply) {
        count(Cell.WRITES);
        const n = pwrite(fdOf(context.nodeid), bytes, 0, bytes.length, offset);
        reply.size = Math.max(0, n);
        return Math.min(0, n);
      },
    },
  };
}
