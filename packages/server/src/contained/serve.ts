import type { CorruptionError } from "@bulkhead/ext4";
import {
  CpuFollower,
  DeviceTransport,
  iomapSupport,
  type LoopEnd,
  type LoopWakeup,
  Notifier,
  ServingLoop,
  Session,
  ThreadPlacement,
  Timers,
  Wakeup,
} from "@bulkhead/fuse";
import { Errno, errnoName, fstat, LinuxError, MountFlag, pageSize, setThreadName } from "@bulkhead/linux";
import {
  KeeperFile,
  mountAsService,
  type OpenedFileSystem,
  type OpeningContext,
  parseCommand,
  requestDirect,
  requestSource,
  ServiceConnection,
} from "@bulkhead/service/server";
import { isWhole, reason, SourceError, type SourceOptions } from "../descriptor.js";
import { createFileSystem, type ServeData, type ServedExt4 } from "../file-system.js";
import type { IoThread } from "../io-thread.js";
import { atomicWriteSizes, whyNoIomap } from "../kernel-iomap.js";
import { type LockDownOptions, lockDown, MEMORY } from "../lock-down/index.js";
import { optimiseSooner } from "../node-options.js";
import { checksPermissions, engineOptions, servingOptions } from "../options/apply.js";
import { type MountSettings, parseMountOptions } from "../options/index.js";
import { Survival } from "../survival/index.js";
import { KeeperLine } from "./keeper-line.js";
import { sayWhy } from "./log.js";
import { runUntilTold, Termination } from "./termination.js";

/** What ext4 honours itself, and the kernel is not told: nobody but root could mount with it. */
const OURS = MountFlag.SYNCHRONOUS | MountFlag.DIRSYNC | MountFlag.NODIRATIME;

/**
 * Milliseconds that a device may be busy: somebody looks at it because it appeared just now, or a server that is being started has
 * yet to let go of its copy of a mount that is gone already (where unmounts are not passed on to other mount namespaces).
 */
const BUSY_TIMEOUT = 2000;

/** An image that is damaged; other failures are 1. */
const CORRUPT = 3;

/** What a contained server starts with. */
export interface Beginnings {
  /** The connection to the helper. */
  readonly socket: number;
  /** Started. */
  readonly ioThread: IoThread;
}

/**
 * Serves one mount, from the first word of the helper to the last request of the kernel.
 *
 * @throws what kept it from being mounted, or ended it out of order
 */
export async function serve({ socket, ioThread }: Beginnings, log: (text: string) => void): Promise<void> {
  const timers = new Timers();
  let transport: DeviceTransport | undefined;
  let notifier: Notifier | undefined;
  const attached = () => {
    if (transport === undefined) throw new Error("not mounted yet");
    return transport;
  };
  const services = { timers, log, transport: attached, notifier: () => (notifier ??= new Notifier(attached())) };
  const connection = new ServiceConnection(socket);
  const settings = settingsOf(connection);
  let line: KeeperLine | undefined;
  let survival: Survival | undefined;
  let means: ServingMeans | undefined;
  const { fuse, fileSystem } = await mountAsService<ServedExt4>(connection, {
    own: [],
    ownFlags: OURS,
    iomap: iomapMode(settings),
    source: { busyTimeout: BUSY_TIMEOUT, ...(settings.access === "read-only" ? { access: "read-only" } : {}) },
    failed(error) {
      sayWhy(error, explained(error));
      return (error as CorruptionError | undefined)?.code === "ERR_EXT4_CORRUPT" ? CORRUPT : 1;
    },
    async open(context) {
      // The keeper's, if there is one. If a server with this memory has died, this one goes on with its mount.
      line = keeperLine(context, log);
      survival = survivalOf(context);
      const data = await serveData(context, settings, log);
      means = await servingMeans(line);
      connection.finishFileRequests();
      ioThread.settle();
      lockDown({ socket, ...reach(data) });
      return opened(
        createFileSystem(data, services, { ioThread, ...(survival === undefined ? {} : { survival }) }),
        data,
      );
    },
    abandon: (fileSystem) => fileSystem.close?.(),
  });
  setThreadName("fuse-serve");
  transport = new DeviceTransport(fuse);
  if (means === undefined) throw new Error("mounted without having opened anything");
  let end: LoopEnd;
  try {
    const session = new Session(fileSystem.handlers, {
      log: (text, error) => log(explain(text, error)),
      pageSize: pageSize(),
      ...fileSystem.session,
    });
    const handling = fileSystem.handling(session);
    if (survival?.goesOn === true) askAgain(services.notifier(), log);
    const { termination, wakeup, follower } = means;
    const { completions, untilForgotten } = fileSystem;
    const own = { completions, untilForgotten, ...(follower === undefined ? {} : { follower }) };
    const events = termination.fd;
    optimiseSooner();
    const loop = new ServingLoop({ session: handling, transport, timers, wakeup, events, log, ...own });
    end = await runUntilTold(loop, termination, line, log);
  } finally {
    // Whatever happened: from here on the mount answers ENOTCONN and nobody waits.
    transport.close();
  }
  fileSystem.close?.();
  if (end === "refused") throw new Error("the kernel's INIT was refused");
  line?.end();
}

/** The line to a helper that stays. */
function keeperLine(context: OpeningContext, log: (text: string) => void): KeeperLine | undefined {
  const fd = keeperFile(context, KeeperFile.LINE);
  if (fd === undefined) return undefined;
  return new KeeperLine(fd, () =>
    log("the keeper is gone: the mount goes on, and ends with this server (to have a keeper again, mount it anew)"),
  );
}

function survivalOf(context: OpeningContext): Survival | undefined {
  const fd = keeperFile(context, KeeperFile.MEMORY);
  return fd === undefined ? undefined : new Survival(fd);
}

function keeperFile({ command, connection }: OpeningContext, what: number): number | undefined {
  if (!command.keeper) return undefined;
  try {
    return connection.requestKeeperFile(what);
  } catch (error) {
    if (error instanceof LinuxError && error.code === "ENOENT") return undefined; // it has no such
    throw error;
  }
}

/** What has to be there before the lock-down. */
interface ServingMeans {
  readonly termination: Termination;
  readonly wakeup: LoopWakeup;
  readonly follower: CpuFollower | undefined;
}

async function servingMeans(line: KeeperLine | undefined): Promise<ServingMeans> {
  const follower = line === undefined ? undefined : new CpuFollower(new ThreadPlacement(line));
  return { termination: await Termination.watch(), wakeup: line ?? new Wakeup(), follower };
}

/** Asks for the requests that the server before had not answered. */
function askAgain(notifier: Notifier, log: (text: string) => void): void {
  const failure = notifier.resend();
  if (failure !== 0 && failure !== -Errno.ENODEV) log(`requests are not sent again: ${errnoName(failure)}`);
}

/** The mount's options: those of ext4, and what else the helper's caller said that concerns us. */
function settingsOf(connection: ServiceConnection): MountSettings {
  const { options, msFlags, fuseOptions } = parseCommand(connection.arguments, []);
  const has = (flag: number) => (msFlags & flag) !== 0;
  const settings = parseMountOptions(options);
  return {
    ...settings,
    access: has(MountFlag.RDONLY) ? "read-only" : settings.access,
    noAtime: has(MountFlag.NOATIME),
    noDirAtime: has(MountFlag.NODIRATIME),
    strictAtime: has(MountFlag.STRICTATIME),
    lazyTime: has(MountFlag.LAZYTIME),
    sync: has(MountFlag.SYNCHRONOUS),
    dirSync: has(MountFlag.DIRSYNC),
    allowOther: fuseOptions.includes("allow_other"),
    defaultPermissions: fuseOptions.includes("default_permissions"),
  };
}

function iomapMode({ iomap }: MountSettings): "off" | "optional" | "mandatory" {
  return iomap === "never" ? "off" : iomap === "required" ? "mandatory" : "optional";
}

async function serveData(
  { command, source, connection }: OpeningContext,
  settings: MountSettings,
  log: (text: string) => void,
): Promise<ServeData> {
  if (source === undefined || command.source === undefined) throw new Error("no source was named");
  const { offset, partition, journalPath, iomap, iomapCache } = settings;
  const path = new TextDecoder().decode(command.source);
  const writable = settings.access !== "read-only" && !source.readOnly;
  if (settings.access !== "read-only" && !writable) log(`${path}: it cannot be written to: mounted read-only`);
  const where = {
    path,
    descriptor: source.fd,
    ...(offset === undefined ? {} : { offset }),
    ...(partition === undefined ? {} : { partition }),
  };
  const common = {
    source: where,
    claimed: true,
    journal: undefined,
    engine: {
      mountPoint: Buffer.from(command.mountPoint).toString("latin1"),
      ...engineOptions(settings),
      writable,
    },
    serving: servingOptions(settings),
    discard: settings.discard,
    debug: settings.debug,
    posixAcl: checksPermissions(settings),
  };
  let journal: SourceOptions | undefined;
  if (journalPath !== undefined) {
    const access = writable ? "read-write" : "read-only";
    const { fd } = await requestSource(connection, new TextEncoder().encode(journalPath), { access });
    journal = { path: journalPath, descriptor: fd };
  }
  const support = iomapSupport(connection.fuse);
  const why = whyNoIomap({ source: where, blockDevice: source.isBlockDevice, data: settings.data }, support);
  const wanted = iomap !== "never" && command.extensions && !command.blockMount;
  if (wanted && iomap === "required" && why !== undefined) throw new SourceError(`iomap=1 is not possible: ${why}`);
  if (!wanted || why !== undefined) {
    const direct =
      writable && source.isBlockDevice && isWhole(where) ? requestDirect(connection, command.source) : undefined;
    return { ...common, journal, ...(direct === undefined ? {} : { source: { ...where, directDescriptor: direct } }) };
  }
  const atomicWrites = atomicWriteSizes(fstat(source.fd).rdev, support);
  const required = iomap === "required";
  return { ...common, journal, iomap: { required, cacheMappings: iomapCache, claim: source.fd, atomicWrites } };
}

/** Where the server may write: nothing before the file system, and nothing behind the end of a file. And the memory that its user gives it. */
function reach({ source, journal, engine }: ServeData): Pick<LockDownOptions, "device" | "fileSize" | "memory"> {
  const files = [source, journal].flatMap((it) => it?.descriptor ?? []);
  const sizes = files.map(fstat).flatMap((stat) => (stat.isFile() ? stat.size : []));
  const { descriptor, offset = 0 } = source;
  return {
    memory: MEMORY + (engine.cacheBytes ?? 0),
    ...(engine.writable === true && descriptor !== undefined ? { device: { fd: descriptor, start: offset } } : {}),
    ...(sizes.length > 0 ? { fileSize: Math.max(...sizes) } : {}),
  };
}

function opened(fileSystem: ServedExt4, { engine, posixAcl }: ServeData): OpenedFileSystem<ServedExt4> {
  return {
    fileSystem,
    readOnly: engine.writable !== true,
    fuseOptions: posixAcl ? ["default_permissions"] : [],
  };
}

/** What is wrong, for whoever wants to mount. */
function explained(error: unknown): string {
  if (error instanceof LinuxError && error.syscall === "open") return `cannot open ${error.subject}: ${reason(error)}`;
  return error instanceof Error ? error.message : String(error);
}

function explain(text: string, error: unknown): string {
  if (error === undefined) return text;
  return `${text}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
}
