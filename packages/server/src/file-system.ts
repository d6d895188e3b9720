/** What runs in the serving thread: the module that `mountAndServe` is given. */
import * as fs from "node:fs";
import { hostname } from "node:os";
import { basename } from "node:path";
import {
  type BlockDevice,
  DefaultMountOption,
  type Environment,
  errno,
  FileSystem,
  type MountOptions,
  systemEnvironment,
} from "@bulkhead/ext4";
import type { CreateFileSystem, Handling, FileSystem as ServedFileSystem, Services } from "@bulkhead/fuse";
import type { Session } from "@bulkhead/fuse/protocol";
import {
  blockDeviceSize,
  coarseTime,
  Falloc,
  fallocate,
  flock,
  fstat,
  preadNow,
  readahead,
  writeBehind,
} from "@bulkhead/linux";
import { Deadlines } from "./deadlines.js";
import { isWhole } from "./descriptor.js";
import { DirectDevice } from "./direct-device.js";
import type { IoThread } from "./io-thread.js";
import { type AtomicWriteSizes, registerWithKernel } from "./kernel-iomap.js";
import { orPartitionChoice } from "./partition-choice.js";
import { Ext4Server } from "./server.js";
import type { ServerOptions } from "./server-options.js";
import { openSource, type SourceIo, type SourceOptions } from "./source.js";
import type { Survival } from "./survival/index.js";

/** What the serving thread is told; plain data. */
export interface ServeData {
  readonly source: SourceOptions;
  /** Whether the source is a block device that somebody has exclusively for us. */
  readonly claimed: boolean;
  /** The device of an external journal. */
  readonly journal: SourceOptions | undefined;
  /** Without what only this thread has. */
  readonly engine: Omit<MountOptions, "journalDevice" | "onPanic" | "wait">;
  readonly serving: Omit<ServerOptions, "onChange" | "expire" | "after" | "iomap">;
  /** Whether the device is told what is free, when the mount ends. Default: what the superblock says. */
  readonly discard?: boolean | undefined;
  /** A line per request. */
  readonly debug: boolean;
  /** Only warnings and errors. Default false. */
  readonly quiet?: boolean;
  /** Whether whoever asks waits for each answer, so that a read which waits for the disk holds nobody up. Default false. */
  readonly oneByOne?: boolean;
  /** Let the other end do the file I/O itself, if it can with this file system. */
  readonly iomap?: {
    /** The number by which it knows the device already: a program at a socket. Default: it is a kernel, which is told. */
    readonly device?: number;
    /** Whether it is a failure when it cannot. */
    readonly required: boolean;
    readonly cacheMappings: boolean;
    /** Descriptor that has the device exclusively. */
    readonly claim?: number | undefined;
    /** What is written wholly or not at all. */
    readonly atomicWrites?: AtomicWriteSizes | undefined;
  };
  /** Let the kernel evaluate ACLs, which makes it check all permissions. */
  readonly posixAcl: boolean;
}

const io: SourceIo = {
  ...fs,
  fstatSync: fstat,
  deviceSize: blockDeviceSize,
  readahead,
  punchHole: (fd, offset, length) => fallocate(fd, Falloc.PUNCH_HOLE | Falloc.KEEP_SIZE, offset, length),
  flock,
  writeBehind,
  readNow: (fd, target, position) => preadNow(fd, target, 0, target.length, position),
};

/** The device of a source with long writes past its page cache, where all of a block device is to be written. */
function directDevice(device: BlockDevice, source: SourceOptions): DirectDevice | undefined {
  const { path, descriptor, directDescriptor } = source;
  if (device.readOnly || !isWhole(source) || device.file === undefined) return undefined;
  if (!fstat(device.file.fd).isBlockDevice()) return undefined;
  // Who was given the device open cannot open it.
  const fd = directDescriptor ?? (descriptor === undefined ? openDirect(path) : undefined);
  return fd === undefined ? undefined : new DirectDevice(device, fd);
}

function openDirect(path: string): number | undefined {
  try {
    return fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_DIRECT);
  } catch {
    return undefined; // what is mounted may not be opened for writing (BLK_DEV_WRITE_MOUNTED); then all goes through its cache
  }
}

/** What cannot be handed to another thread. */
export interface ServeExtras {
  /** Does slow reads; default one that is started when there is one. */
  readonly ioThread?: IoThread;
  /** Has the mount outlive the process. Without effect where the other end does the file I/O. */
  readonly survival?: Survival;
}

/** A file system that is served. */
export interface ServedExt4 extends ServedFileSystem {
  /** What the loop is to have in the session's place. @throws Error when a mount is to go on and cannot */
  handling(session: Session): Handling;
}

export const createFileSystem = (
  {
    source,
    claimed,
    journal,
    engine,
    serving,
    discard,
    debug,
    quiet = false,
    oneByOne = false,
    posixAcl,
    iomap,
  }: ServeData,
  { log, timers, notifier, transport }: Omit<Services, "reply" | "later">,
  { ioThread, survival: possible }: ServeExtras = {},
): ServedExt4 => {
  const survival = iomap === undefined ? possible : undefined;
  const device = openSource(source, io, engine.writable, claimed);
  const environment: Environment = {
    ...systemEnvironment,
    // The kernel stamps some changes itself: ours must not be ahead of those that follow.
    clock: { now: coarseTime },
    log(level, message) {
      if (level === "info" && quiet) return;
      if (debug || level !== "debug") log(`${source.path}: ${level}: ${message}`);
    },
  };
  let filesystem: FileSystem;
  let journalDevice: BlockDevice | undefined;
  try {
    // A timer's exception ends the serving thread, and the mount with it: what a kernel's panic is to its machine.
    const onPanic = () =>
      timers.after(0, () => {
        possible?.endMount();
        throw new Error(`${source.path}: the file system is corrupt and was mounted with errors=panic`);
      });
    if (journal !== undefined) journalDevice = openSource(journal, io, engine.writable);
    const options: MountOptions = {
      nodeName: hostname(),
      deviceName: basename(source.path),
      ...engine,
      ...(journalDevice === undefined ? {} : { journalDevice }),
      ...(survival === undefined ? {} : { survival: survival.options }),
      onPanic,
    };
    filesystem = FileSystem.mount(device, options, environment);
  } catch (error) {
    const explained = orPartitionChoice(error, device, source);
    journalDevice?.close();
    device.close();
    throw explained;
  }
  const ours = iomap === undefined ? "it is switched off" : whyOurs(filesystem, iomap.device === undefined);
  if (iomap?.required === true && ours !== undefined) {
    filesystem.close();
    journalDevice?.close();
    device.close();
    throw new Error(`iomap=1 is not possible: ${ours}`);
  }
  // What was replayed into memory is over the device.
  const direct = filesystem.device === device ? directDevice(device, source) : undefined;
  const deadlines = new Deadlines(filesystem, timers, (error) => server.toErrno(error));
  const server = new Ext4Server(filesystem, {
    ...serving,
    ...(iomap === undefined || ours !== undefined
      ? {}
      : {
          iomap: {
            notifier,
            name: basename(source.path),
            cacheMappings: iomap.cacheMappings,
            atomicWrites: includes(iomap.atomicWrites, filesystem.geometry.blockSize),
            register: () => iomap.device ?? register(iomap.claim),
          },
        }),
    onChange: () => deadlines.arm(),
    ...(oneByOne ? {} : { connection: () => transport().fd, ioThread, asksAgain: true }),
    ...(direct === undefined ? {} : { dataDevice: direct }),
    ...(survival === undefined
      ? {}
      : { lookups: survival.lookups, movedNames: survival.movedNames, beforeSync: () => survival.noteDone() }),
    expire: (nodeid) => void notifier().invalInode(nodeid, -1, 0),
    after: (milliseconds, run) => void timers.after(milliseconds, run),
  });
  deadlines.arm();
  const session = server.sessionOptions(posixAcl, (message, error) => {
    // Only what should not happen comes here: where in the program it did is what a report of it needs.
    const where = error instanceof Error ? `: ${error.stack?.split("\n", 3).join(";") ?? error.message}` : "";
    log(`${source.path}: ${message}${where}`);
  });
  function register(claim: number | undefined): number {
    const { path, descriptor } = source;
    const { blockSize } = filesystem.geometry;
    const what = { path, descriptor, writable: engine.writable === true, claim, blockSize };
    const id = registerWithKernel(transport().fd, what, log);
    server.durability?.keepFromRecursion();
    return id;
  }
  /** 0, or the errno of what went wrong. */
  function attempt(failure: string, work: () => void): number {
    try {
      work();
      return 0;
    } catch (error) {
      log(`${source.path}: ${failure}: ${error instanceof Error ? error.message : String(error)}`);
      return server.toErrno(error);
    }
  }
  let unmounted = false;
  /** Brings everything home, once. 0, or the errno of what went wrong. */
  function unmount(): number {
    if (unmounted) return 0;
    unmounted = true;
    const says = (filesystem.superblock.defaultMountOptions & DefaultMountOption.discard) !== 0;
    if ((discard ?? says) && engine.writable === true) attempt("not trimmed", () => filesystem.trim(0, ALL, 0));
    return attempt("not unmounted cleanly", () => filesystem.unmount());
  }
  return {
    // Where the kernel has mounted the device, umount(2) waits for the answer.
    handlers: { ...server.handlers(), DESTROY: () => -unmount() },
    session: debug
      ? {
          ...session,
          trace: ({ name, nodeid, pid, result, length }) => {
            log(`${name} node ${nodeid} pid ${pid}: ${result < 0 ? `error ${-result}` : `${length} bytes`}`);
          },
        }
      : session,
    completions: server.completions,
    // What has no name any more has its space and its quota until it is forgotten.
    untilForgotten: [-errno.ENOSPC, -errno.EDQUOT],
    handling: (session) => survival?.surviving(session, filesystem, (ino) => server.forget(ino, 1), log) ?? session,
    close() {
      try {
        server.durability?.close();
        server.slowReads?.close();
        unmount();
      } finally {
        filesystem.close();
        journalDevice?.close();
        direct?.close();
        device.close();
      }
    },
  };
};

/** A page: the kernel's page cache holds no smaller pieces than a block. */
const PAGE_SIZE = 4096;

/** Why a file system's file data has to go through the server, undefined when the other end, a kernel or not, can read and write it. */
function whyOurs({ volume, replay, geometry }: FileSystem, kernel: boolean): string | undefined {
  if (volume.transactions === undefined && replay !== undefined) {
    return "the journal needs recovery, and is replayed into memory only on a read-only mount";
  }
  if (volume.transactions?.journalsAllData === true) return "file data goes through the journal";
  return kernel && geometry.blockSize > PAGE_SIZE
    ? `blocks of ${geometry.blockSize} bytes do not fit a page`
    : undefined;
}

function includes(sizes: AtomicWriteSizes | undefined, bytes: number): boolean {
  return sizes !== undefined && sizes.least <= bytes && bytes <= sizes.most;
}

/** Bytes: to the end of every device. */
const ALL = Number.MAX_SAFE_INTEGER;

/** For `mountAndServe`. */
const create: CreateFileSystem<ServeData> = (data, services) => createFileSystem(data, services);
export default create;
