/** A small file system whose contents another thread changes behind the kernel's back, and which counts what it is asked. */
import {
  type Attributes,
  DEFERRED,
  DirentType,
  type FileSystem,
  Fopen,
  type Handlers,
  ROOT_ID,
  type Services,
} from "../../src/index.js";

/** Cells of the shared state. */
export const Cell = {
  SIZE: 0,
  FILL: 1,
  LOOKUPS: 2,
  GETATTRS: 3,
  READS: 4,
  /** "other" exists. */
  OTHER: 5,
  RETRIEVED_SIZE: 6,
  RETRIEVED_BYTE: 7,
  KERNEL_MINOR: 8,
  /** The next wake-up throws (1), ends the thread (2), says so (3), or never ends (4). */
  CRASH: 9,
  /** READs are not answered. */
  HOLD: 10,
  CLOSED: 11,
  /** The process stays when serving has ended. */
  LINGER: 12,
  COUNT: 16,
} as const;

export const FILE_ID = 2;
export const OTHER_ID = 3;
const FOREVER = 86_400;
const POLL_DELAY = 50;
const POLLIN = 1;

const decoder = new TextDecoder();
const encoder = new TextEncoder();

export function fixtureHandlers(state: Int32Array, services?: Services): Handlers {
  const count = (cell: number) => Atomics.add(state, cell, 1);
  let ready = false;
  const describe = (nodeid: number, attr: Attributes) => {
    attr.ino = nodeid;
    attr.mode = nodeid === ROOT_ID ? 0o040755 : 0o100644;
    attr.nlink = 1;
    attr.size = nodeid === ROOT_ID ? 0 : Atomics.load(state, Cell.SIZE);
  };
  return {
    INIT(_context, request) {
      Atomics.store(state, Cell.KERNEL_MINOR, request.minor);
      return 0;
    },
    LOOKUP(_context, name, entry) {
      count(Cell.LOOKUPS);
      entry.entry_valid = FOREVER;
      const text = decoder.decode(name);
      const nodeid = text === "file" ? FILE_ID : text === "other" && Atomics.load(state, Cell.OTHER) ? OTHER_ID : 0;
      if (nodeid === 0) return 0;
      entry.nodeid = nodeid;
      entry.attr_valid = FOREVER;
      describe(nodeid, entry.attr);
      return 0;
    },
    GETATTR(context, _request, reply) {
      count(Cell.GETATTRS);
      reply.attr_valid = FOREVER;
      describe(context.nodeid, reply.attr);
      return 0;
    },
    OPEN(_context, _request, reply) {
      reply.open_flags = Fopen.KEEP_CACHE;
      return 0;
    },
    READ(context, { offset }, window) {
      count(Cell.READS);
      if (Atomics.load(state, Cell.HOLD)) {
        context.defer();
        return DEFERRED;
      }
      const length = Math.max(0, Math.min(window.length, Atomics.load(state, Cell.SIZE) - offset));
      window.fill(Atomics.load(state, Cell.FILL), 0, length);
      return length;
    },
    READDIR(_context, { offset }, entries) {
      for (const [index, [name, id]] of ([["file", FILE_ID]] as const).entries()) {
        if (index >= offset && !entries.add(encoder.encode(name), id, DirentType.REG, index + 1)) break;
      }
      return 0;
    },
    NOTIFY_REPLY(_context, request, data) {
      Atomics.store(state, Cell.RETRIEVED_BYTE, data[0] ?? -1);
      Atomics.store(state, Cell.RETRIEVED_SIZE, request.size);
      return 0;
    },
    POLL(_context, request, reply) {
      reply.revents = ready ? POLLIN : 0;
      const { khLo, khHi } = request;
      if (!ready && request.flags & 1) {
        services?.timers.after(POLL_DELAY, () => {
          ready = true;
          services.notifier().poll(khLo, khHi);
        });
      }
      return 0;
    },
  };
}

export default function fixture(buffer: SharedArrayBuffer, services: Services): FileSystem {
  const state = new Int32Array(buffer);
  return {
    handlers: fixtureHandlers(state, services),
    onWake() {
      const how = Atomics.load(state, Cell.CRASH);
      if (how === 1) throw new Error("crashed as told");
      if (how === 2) process.exit(3);
      if (how === 3) for (const line of ["one", "two", "three"]) console.error(line);
      while (how === 4);
    },
    close() {
      Atomics.store(state, Cell.CLOSED, 1);
    },
  };
}
