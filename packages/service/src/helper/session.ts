import { constants } from "node:fs";
import { Errno, LinuxError, MountFlag } from "@bulkhead/linux";
import {
  decode,
  encode,
  FileRequestFlag,
  FsopenFlag,
  IomapMode,
  KeeperFile,
  keeperFileName,
  MountPointFormat,
  magicAt,
  type PacketRow,
  packets,
  SMALLEST_PACKET,
  UNREADABLE_PATH,
} from "../protocol/index.js";
import { checkFuseOptions, checkTableOptions, type FuseOption } from "./mount-options.js";

/** What the server wants opened, after its flags were found acceptable. */
export interface FileOpening {
  /** `O_*`. */
  readonly flags: number;
  /** Anything else is ENOTBLK. */
  readonly blockDevice: boolean;
  /** To be set, in bytes; 0 leaves it. */
  readonly blockSize: number;
  /** A loop device for a regular file, if possible. */
  readonly tryLoop: boolean;
  readonly quiet: boolean;
}

/** What the server wants mounted, after all of it was found acceptable. */
export interface MountRequest {
  readonly source: Uint8Array;
  readonly options: readonly FuseOption[];
  /** `MountFlag` bits, those that the caller must have included. */
  readonly msFlags: number;
  /** Mount the block device `source`. */
  readonly fuseblk: boolean;
}

/**
 * Everything that a session does outside itself. Each throws a {@link LinuxError}, or an error of Node's, whose errno is the
 * server's answer.
 */
export interface HelperActions {
  /** Opens one of the policy's files with the caller's rights. The session's user sends and closes the descriptor. */
  openFile(path: Uint8Array, opening: FileOpening): number;
  /** Lets the kernel do the I/O of the FUSE device. */
  enableIomap(): void;
  /** What the keeper has for its servers, a `KeeperFile`. The session's user sends and closes the descriptor. */
  keeperFile(what: number): number;
  /** Holds on to the mount point, whatever its path becomes. `expected`: a `MountPointFormat`. */
  pinMountPoint(path: Uint8Array, expected: number): void;
  /** Checks what the caller may do there, without changing anything. */
  checkMount(request: MountRequest): void;
  /** Mounts on what was pinned. Called once. */
  mount(request: MountRequest): void;
  /** Shows options in the mount table. What goes wrong is ignored. */
  recordOptions(options: readonly string[]): void;
}

/** What a server may ask for. */
export interface HelperPolicy {
  /** The caller is root. */
  readonly root: boolean;
  /** Others than the caller may be let in. */
  readonly allowOther: boolean;
  readonly mountPoint: Uint8Array;
  readonly files: readonly Uint8Array[];
  /** What the caller allows to work in the mount. */
  readonly suid: boolean;
  readonly dev: boolean;
  /** What the caller has the mount be, whatever the server says: `MountFlag` bits. */
  readonly restrictions: number;
  /** The caller's own option words. */
  readonly words: readonly string[];
  /** Understand IOMAP and TRY_LOOP, and hold a server of ours to what it says of itself: it adds nothing to the caller's words. */
  readonly extensions: boolean;
  /** Understand KEEP. */
  readonly keeper: boolean;
}

/** What becomes of a packet. */
export type Outcome =
  | { readonly kind: "reply"; readonly packet: Uint8Array; readonly fd?: number }
  /** The session is over; a last `packet` may have to go out. */
  | { readonly kind: "end"; readonly exitCode: number; readonly why: string; readonly packet?: Uint8Array };

/** Requests that a server may make; one that asks for a busy device ten times a second has 27 minutes. */
const MOST_COMMANDS = 16_384;

/** O_ACCMODE, which node:fs lacks. */
const ACCESS_MODE = 3;
/** What O_SYNC, O_DSYNC and the like may be; nothing here creates, truncates or changes a file. */
const OPEN_FLAGS =
  ACCESS_MODE |
  constants.O_EXCL |
  constants.O_DIRECT |
  constants.O_SYNC |
  constants.O_DSYNC |
  constants.O_NONBLOCK |
  0o2000000 /* O_CLOEXEC */ |
  0o100000; /* O_LARGEFILE, as 32-bit programs have it */

/** What a mount may be like. Above all nothing that makes another mount (BIND, MOVE) or changes one (REMOUNT). */
const MOUNT_FLAGS =
  MountFlag.RDONLY |
  MountFlag.NOSUID |
  MountFlag.NODEV |
  MountFlag.NOEXEC |
  MountFlag.SYNCHRONOUS |
  MountFlag.DIRSYNC |
  MountFlag.NOSYMFOLLOW |
  MountFlag.NOATIME |
  MountFlag.NODIRATIME |
  MountFlag.RELATIME |
  MountFlag.STRICTATIME |
  MountFlag.LAZYTIME;

/** Once each: what was accepted stays. */
interface Accepted {
  fuseblk?: boolean;
  source?: Uint8Array;
  mountPoint?: true;
  options?: readonly FuseOption[];
  tableOptions?: readonly string[] | "none";
  iomap?: true;
}

type Command = (packet: Uint8Array) => void;

/**
 * The helper's end, after the handshake: a packet of the server's in, an answer out. No packet is trusted, and nothing happens
 * but by the actions, in this order: files, iomap, mount point, mount. After a mount, or an attempt, only goodbye is left.
 */
export class HelperSession {
  readonly #policy: HelperPolicy;
  readonly #actions: HelperActions;
  readonly #commands: ReadonlyMap<number, Command>;
  readonly #accepted: Accepted = {};
  #optionsRefused = false;
  #mount: "none" | "failed" | "done" = "none";
  #count = 0;
  readonly #handedOver = new Set<number>();

  constructor(policy: HelperPolicy, actions: HelperActions) {
    this.#policy = policy;
    this.#actions = actions;
    this.#commands = new Map<number, Command>([
      [packets.FSOPEN.magic, (packet) => this.#fsopen(packet)],
      [packets.SOURCE.magic, (packet) => this.#source(packet)],
      [packets.MOUNT_POINT.magic, (packet) => this.#mountPoint(packet)],
      [packets.OPTIONS.magic, (packet) => this.#options(packet)],
      [packets.TABLE_OPTIONS.magic, (packet) => this.#tableOptions(packet)],
      [packets.MOUNT.magic, (packet) => this.#mountNow(packet)],
      ...(policy.extensions ? ([[packets.IOMAP.magic, (packet) => this.#iomap(packet)]] as [number, Command][]) : []),
    ]);
  }

  /** Whether the server's mount was made. */
  get mounted(): boolean {
    return this.#mount === "done";
  }

  /** Whether the server has asked for a `KeeperFile`, and got it. */
  hasHandedOver(what: number): boolean {
    return this.#handedOver.has(what);
  }

  /** Answers one packet. Never throws for what a server sends. */
  handle(packet: Uint8Array): Outcome {
    if (packet.length < SMALLEST_PACKET) return failed(`a packet of ${packet.length} bytes`);
    if (++this.#count > MOST_COMMANDS) return failed(`more than ${MOST_COMMANDS} commands`);
    const magic = magicAt(packet);
    if (magic === packets.OPEN.magic) return this.#open(packets.OPEN, packet);
    if (magic === packets.OPEN_BLOCK_DEVICE.magic) return this.#open(packets.OPEN_BLOCK_DEVICE, packet);
    if (magic === packets.KEEP.magic && this.#policy.keeper) return this.#keep(packet);
    if (magic === packets.GOODBYE.magic) return this.#goodbye(packet);
    const command = this.#commands.get(magic);
    if (command === undefined) return failed(`the unknown command 0x${magic.toString(16).padStart(8, "0")}`);
    return { kind: "reply", packet: encode(packets.REPLY, { error: errnoOf(() => command(packet)) }) };
  }

  #open(row: typeof packets.OPEN | typeof packets.OPEN_BLOCK_DEVICE, packet: Uint8Array): Outcome {
    const request = decode<typeof row.fields, true>(row as PacketRow<typeof row.fields, true>, packet);
    const path = request?.text ?? new TextEncoder().encode(UNREADABLE_PATH);
    let fd: number | undefined;
    const error = errnoOf(() => {
      if (request === undefined) throw refusal(Errno.EINVAL);
      const { openFlags, requestFlags, blockSize } = request.values;
      const known = FileRequestFlag.QUIET | (this.#policy.extensions ? FileRequestFlag.TRY_LOOP : 0);
      if ((requestFlags & ~known) !== 0) throw refusal(Errno.EINVAL);
      if ((openFlags & ~OPEN_FLAGS) !== 0 || (openFlags & ACCESS_MODE) === ACCESS_MODE) throw refusal(Errno.EINVAL);
      if (this.#mount !== "none") throw refusal(Errno.EPERM);
      if (!contains(this.#policy.files, path)) throw refusal(Errno.EACCES);
      const { extensions, restrictions } = this.#policy;
      const writes = (openFlags & ACCESS_MODE) !== constants.O_RDONLY;
      // Others may have to replay a journal.
      if (extensions && writes && (restrictions & MountFlag.RDONLY) !== 0) throw refusal(Errno.EROFS);
      const blockDevice = row === packets.OPEN_BLOCK_DEVICE;
      fd = this.#actions.openFile(path, {
        flags: openFlags,
        blockDevice,
        blockSize: blockDevice ? blockSize : 0,
        tryLoop: (requestFlags & FileRequestFlag.TRY_LOOP) !== 0,
        quiet: (requestFlags & FileRequestFlag.QUIET) !== 0,
      });
    });
    return fileReply(error, path, fd);
  }

  /** Once each, before the mount. */
  #keep(packet: Uint8Array): Outcome {
    const what = decode(packets.KEEP, packet)?.values.what ?? 0;
    let fd: number | undefined;
    const error = errnoOf(() => {
      if (this.#mount !== "none" || this.#handedOver.has(what)) throw refusal(Errno.EINVAL);
      if (!Object.values<number>(KeeperFile).includes(what)) throw refusal(Errno.EINVAL);
      fd = this.#actions.keeperFile(what);
      this.#handedOver.add(what);
    });
    return fileReply(error, new TextEncoder().encode(keeperFileName(what)), fd);
  }

  #fsopen(packet: Uint8Array): void {
    const { flags } = valid(decode(packets.FSOPEN, packet)).values;
    if (this.#accepted.fuseblk !== undefined || (flags & ~FsopenFlag.FUSEBLK) !== 0) throw refusal(Errno.EINVAL);
    const fuseblk = flags !== 0;
    if (fuseblk && !this.#policy.root) throw refusal(Errno.EPERM);
    this.#accepted.fuseblk = fuseblk;
  }

  #source(packet: Uint8Array): void {
    const { text } = valid(decode(packets.SOURCE, packet));
    const { extensions, files } = this.#policy;
    if (this.#accepted.source !== undefined) throw refusal(Errno.EINVAL);
    // Whoever looks at the mount table takes it for what is mounted.
    if (extensions && !contains(files, text)) throw refusal(Errno.EACCES);
    this.#accepted.source = text;
  }

  #mountPoint(packet: Uint8Array): void {
    const { values, text } = valid(decode(packets.MOUNT_POINT, packet));
    const { ANY, DIRECTORY, REGULAR } = MountPointFormat;
    const format = values.expectedFormat;
    if (this.#accepted.mountPoint || ![ANY, DIRECTORY, REGULAR].some((known) => known === format)) {
      throw refusal(Errno.EINVAL);
    }
    if (Buffer.compare(text, this.#policy.mountPoint) !== 0) throw refusal(Errno.EINVAL);
    this.#actions.pinMountPoint(text, format);
    this.#accepted.mountPoint = true;
  }

  #options(packet: Uint8Array): void {
    if (this.#accepted.options !== undefined) throw refusal(Errno.EINVAL);
    // Mounting without what the server thinks is needed (default_permissions) would be worse than not mounting.
    this.#optionsRefused = true;
    const { text } = valid(decode(packets.OPTIONS, packet));
    const { fuseblk = false } = this.#accepted;
    const { allowOther, words } = this.#policy;
    this.#accepted.options = checkFuseOptions(utf8(text), { allowOther, fuseblk, own: words });
    this.#optionsRefused = false;
  }

  #tableOptions(packet: Uint8Array): void {
    const { text } = valid(decode(packets.TABLE_OPTIONS, packet));
    if (this.#accepted.tableOptions !== undefined) throw refusal(Errno.EINVAL);
    this.#accepted.tableOptions = checkTableOptions(utf8(text), this.#policy.words) ?? "none";
  }

  #iomap(packet: Uint8Array): void {
    const { mode } = valid(decode(packets.IOMAP, packet)).values;
    const optional = mode === IomapMode.OPTIONAL;
    if (!optional && mode !== IomapMode.MANDATORY) throw refusal(Errno.EINVAL);
    if (this.#accepted.iomap || this.#mount !== "none") throw refusal(Errno.EINVAL);
    const error = errnoOf(() => this.#actions.enableIomap());
    if (error !== 0 && !optional) throw refusal(error);
    this.#accepted.iomap = true;
  }

  #mountNow(packet: Uint8Array): void {
    const { msFlags } = valid(decode(packets.MOUNT, packet)).values;
    const { source, mountPoint, options = [], tableOptions, fuseblk = false } = this.#accepted;
    if (this.#mount !== "none") throw refusal(Errno.EBUSY);
    if (source === undefined || mountPoint === undefined || this.#optionsRefused) throw refusal(Errno.EINVAL);
    if ((msFlags & ~MOUNT_FLAGS) !== 0) throw refusal(Errno.EINVAL);
    if (fuseblk && !contains(this.#policy.files, source)) throw refusal(Errno.EACCES);
    const { root, suid, dev, restrictions } = this.#policy;
    const forced = (root && suid ? 0 : MountFlag.NOSUID) | (root && dev ? 0 : MountFlag.NODEV) | restrictions;
    const request = { source, options, msFlags: msFlags | forced, fuseblk };
    this.#actions.checkMount(request);
    this.#mount = "failed";
    this.#actions.mount(request);
    this.#mount = "done";
    if (tableOptions !== undefined && tableOptions !== "none") this.#actions.recordOptions(tableOptions);
  }

  #goodbye(packet: Uint8Array): Outcome {
    const goodbye = decode(packets.GOODBYE, packet);
    if (goodbye === undefined) {
      const reply = encode(packets.REPLY, { error: Errno.EINVAL });
      return { kind: "end", exitCode: 0, why: "a malformed goodbye", packet: reply };
    }
    return { kind: "end", exitCode: goodbye.values.exitCode & 0xff, why: "goodbye" };
  }
}

function fileReply(error: number, path: Uint8Array, fd: number | undefined): Outcome {
  const packet = encode(packets.FILE, { error }, path);
  return fd === undefined ? { kind: "reply", packet } : { kind: "reply", packet, fd };
}

const failed = (why: string): Outcome => ({ kind: "end", exitCode: 1, why });

/** What was decoded. @throws {LinuxError} EINVAL: it was malformed */
function valid<T>(decoded: T | undefined): T {
  if (decoded === undefined) throw refusal(Errno.EINVAL);
  return decoded;
}

function refusal(errno: number): LinuxError {
  return new LinuxError("mount service", errno);
}

function contains(list: readonly Uint8Array[], path: Uint8Array): boolean {
  return list.some((file) => Buffer.compare(file, path) === 0);
}

/** @throws {LinuxError} EINVAL: options are text */
function utf8(text: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(text);
  } catch {
    throw refusal(Errno.EINVAL);
  }
}

/** 0, or the errno of what `work` threw. @throws what is no failed system call: a mistake of ours */
function errnoOf(work: () => void): number {
  try {
    work();
    return 0;
  } catch (error) {
    if (error instanceof LinuxError) return error.errno;
    const number: unknown = error instanceof Error ? Reflect.get(error, "errno") : undefined;
    if (typeof number !== "number" || number >= 0) throw error;
    return -number;
  }
}
