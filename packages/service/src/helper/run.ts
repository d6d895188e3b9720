import { constants, fstatSync } from "node:fs";
import type { MountInfo } from "@bulkhead/fuse";
import { close, duplicate, Errno, LinuxError, open, type Path, SocketOption, setSocketOption } from "@bulkhead/linux";
import {
  ARGUMENTS_FILE,
  checkSendBuffer,
  decode,
  EXTENSIONS_OPTION,
  encode,
  FUSE_DEVICE_FILE,
  HelloFlag,
  KEEPER_OPTION,
  KeeperFile,
  magicAt,
  PacketChannel,
  PEER,
  PROTOCOL_VERSION,
  packets,
  SMALLEST_PACKET,
} from "../protocol/index.js";
import { type MountActions, SystemActions } from "./actions.js";
import { argumentFile } from "./argument-file.js";
import { asCaller, type Caller, realCaller } from "./caller.js";
import { type HelperCommand, parseHelperCommand } from "./command.js";
import { FUSE_CONFIGURATION, type FuseConfiguration, readFuseConfiguration } from "./configuration.js";
import { connectToService, NoServiceError } from "./connect.js";
import type { CacheSettings } from "./first-answer.js";
import { HeldActions, HeldMount } from "./held-mount.js";
import type { KeeperFiles } from "./keeper-files.js";
import { HelperSession } from "./session.js";

/** Exit codes of a helper; others are the server's. */
export const HelperExit = {
  MOUNTED: 0,
  FAILED: 1,
  /** There is no service for this type, and nothing has happened. */
  NO_SERVICE: 2,
} as const;

/** A server that was started for this mount alone. */
export interface StartedServer {
  /** Our end of its socket; the helper closes it. */
  readonly socket: number;
  /** Ends it, if the mount fails. */
  kill(): void;
}

export interface HelperOptions extends CacheSettings {
  /** `[SOURCE] MOUNTPOINT -t TYPE [-o OPTIONS] …`, without the program's name. */
  readonly arguments: readonly Path[];
  /** Where services listen; default `/run/filesystems`. */
  readonly socketDirectory?: string;
  /** A server to talk to instead of connecting. */
  readonly server?: StartedServer;
  /** Whose rights count; default this process's real user. */
  readonly caller?: Caller;
  /** Default `/etc/fuse.conf`. */
  readonly configuration?: string;
  /** Default `/dev/fuse`. */
  readonly fuseDevice?: string;
  /** Offer the extensions (iomap, loop devices), which only servers of this product understand. Default false. */
  readonly extensions?: boolean;
  /** The caller stays for the mount's life: the server gets these if it asks (see `HelperResult.isKept`). Only for servers of ours. */
  readonly keeper?: KeeperFiles;
  /** Hold on to what the server gets, so that another one can go on when it dies: see `HelperResult.held`. Default false. */
  readonly hold?: boolean;
  /** The mount is there, and its server has died: this one gets what that one had, and nothing is mounted. */
  readonly goOn?: HeldMount;
  /** Told the server's process, see `HelperResult.serverPid`, as soon as it has answered: later, the number may be another's. */
  readonly answered?: (serverPid: number | undefined) => void;
  /** How long a server may say nothing, in ms. */
  readonly timeouts?: Partial<HelperTimeouts>;
  /** Where lines for the caller go; default standard error. */
  readonly log?: (message: string) => void;
}

export interface HelperTimeouts {
  /** For the answer to HELLO: a server has to start. Default 30 s. */
  readonly hello: number;
  /** Between two commands: it may have to replay a journal. Default 2 minutes. */
  readonly command: number;
  /** From HELLO to goodbye. Default 10 minutes. */
  readonly session: number;
}

const TIMEOUTS: HelperTimeouts = { hello: 30_000, command: 120_000, session: 600_000 };
/** For a server that does not take answers. */
const SEND_TIMEOUT = 10_000;

export interface HelperResult {
  /** A `HelperExit`, or what the server said. */
  readonly exitCode: number;
  /** The mount, from just after it was made; undefined if there is none. */
  readonly mounted: MountInfo | undefined;
  /** What the server said in the end, 0: it serves; undefined if it ended without a goodbye. */
  readonly goodbye: number | undefined;
  /** What opening the FUSE device, or mounting itself, failed with, when it came to that. */
  readonly refusal: Error | undefined;
  /** Whether the server has answered the kernel's first request. Only root can tell: false for others. */
  readonly answers: boolean;
  /** If that was asked for, and it is mounted. The caller closes it. */
  readonly held: HeldMount | undefined;
  /** Whether the server has taken its end of the keeper's line. */
  readonly isKept: boolean;
  /** The server's process, as the kernel saw it answer; undefined if it is not among those that this process sees. */
  readonly serverPid: number | undefined;
}

/**
 * Mounts a file system that a service serves: connects, hands over what the caller may open, mounts, and waits for the
 * server's goodbye. Blocks its thread meanwhile. Whatever goes wrong leaves no mount, and no server that was started for it.
 * Never throws for what a server, a user or the system does; what happened is in the log.
 */
export async function runHelper(options: HelperOptions): Promise<HelperResult> {
  const log = options.log ?? ((message) => process.stderr.write(`${message}\n`));
  let kill: (() => void) | undefined = options.server?.kill;
  let channel: PacketChannel | undefined;
  let exitCode: number = HelperExit.FAILED;
  const caller = options.caller ?? realCaller();
  let mounted: MountInfo | undefined;
  let refusal: Error | undefined;
  let answers = false;
  let held: HeldMount | undefined;
  let isKept = false;
  let serverPid: number | undefined;
  let goodbye: number | undefined;
  try {
    const command = parseHelperCommand([
      ...options.arguments,
      ...(options.extensions === true ? ["-o", EXTENSIONS_OPTION] : []),
      ...(options.keeper === undefined ? [] : ["-o", KEEPER_OPTION]),
    ]);
    const path = options.configuration ?? FUSE_CONFIGURATION;
    const configuration = asCaller(caller, () => readFuseConfiguration(path, log));
    channel = new PacketChannel(
      options.server?.socket ?? connectToService(command.subtype, options.socketDirectory, caller),
    );
    prepareSocket(channel.fd);
    const outcome = converse(channel, command, configuration, caller, options, log);
    try {
      exitCode = outcome.exitCode;
      serverPid = outcome.serverPid;
      goodbye = outcome.goodbye;
      isKept = outcome.session.hasHandedOver(KeeperFile.LINE);
      refusal = outcome.actions.refusal;
      channel.close();
      if (exitCode === HelperExit.MOUNTED && outcome.session.mounted) {
        held = outcome.held;
        mounted = outcome.actions.info();
        answers = await outcome.actions.settle(options);
      }
    } finally {
      if (held === undefined) outcome.held?.close();
      outcome.actions.close();
    }
    if (exitCode === HelperExit.MOUNTED) kill = undefined;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    log(inWords(error));
    // The server hears no more than that the conversation is over.
    if (error instanceof LinuxError && error.syscall === "open") refusal ??= error;
    if (error instanceof NoServiceError) exitCode = HelperExit.NO_SERVICE;
  } finally {
    channel?.close();
    if (channel === undefined && options.server !== undefined) close(options.server.socket);
    kill?.();
  }
  return { exitCode, mounted, goodbye, refusal, answers, held, isKept, serverPid };
}

/** A server that is gone, or says nothing, in words for who only wanted to mount. */
function inWords(error: Error): string {
  const code = error instanceof LinuxError && error.subject === PEER ? error.code : undefined;
  if (code === "EPIPE" || code === "ECONNRESET") return "the server has ended";
  return code === "ETIMEDOUT" ? "the server does not answer" : error.message;
}

/** Nobody may send us descriptors (they would be dropped anyway), packets must fit, and we want to know who sends them. */
function prepareSocket(fd: number): void {
  try {
    checkSendBuffer(fd);
  } catch (error) {
    throw new NoServiceError(error instanceof Error ? error.message : "");
  }
  try {
    setSocketOption(fd, SocketOption.PASSRIGHTS, 0);
  } catch (error) {
    if (!(error instanceof LinuxError && error.code === "ENOPROTOOPT")) throw error; // Linux before 6.16
  }
  setSocketOption(fd, SocketOption.PASSCRED, 1);
}

interface Conversation extends Farewell {
  readonly session: HelperSession;
  /** The caller's to close. */
  readonly actions: MountActions;
  readonly held: HeldMount | undefined;
  readonly serverPid: number | undefined;
}

/** From HELLO to goodbye. A mount is taken back unless the server said goodbye with 0. @throws what ended it before */
function converse(
  channel: PacketChannel,
  command: HelperCommand,
  configuration: FuseConfiguration,
  caller: Caller,
  options: HelperOptions,
  log: (message: string) => void,
): Conversation {
  const timeouts = { ...TIMEOUTS, ...options.timeouts };
  const root = caller.uid === 0;
  const until = performance.now() + timeouts.session;
  const extensions = options.extensions === true;
  const allowOther = root || configuration.userAllowOther;
  // A server of ours asks for it where the caller does.
  const isAsked = !extensions || command.words.some((word) => word === "allow_other" || word === "allow_root");
  const flags = (allowOther ? HelloFlag.ALLOW_OTHER : 0) | (root ? HelloFlag.FUSEBLK : 0);
  const serverPid = shakeHands(channel, flags, timeouts.hello);
  options.answered?.(serverPid);
  const { goOn, keeper } = options;
  const fuse = goOn === undefined ? asCaller(caller, () => openFuse(options.fuseDevice)) : duplicate(goOn.fuse);
  const held = options.hold === true ? new HeldMount(fuse) : undefined;
  const actions =
    goOn === undefined
      ? new SystemActions({
          caller,
          fuse,
          held,
          keeper,
          subtype: command.subtype,
          mountMax: configuration.mountMax,
          log,
        })
      : new HeldActions(goOn, keeper);
  const session = new HelperSession(
    {
      root,
      allowOther: allowOther && isAsked,
      mountPoint: command.mountPoint,
      files: command.files,
      suid: command.suid,
      dev: command.dev,
      restrictions: command.restrictions,
      words: command.words,
      extensions,
      keeper: keeper !== undefined,
    },
    actions,
  );
  let settled = false;
  try {
    sendFile(channel, ARGUMENTS_FILE, argumentFile(command.passedOn, command.given));
    channel.send(fileReply(FUSE_DEVICE_FILE), [fuse], SEND_TIMEOUT);
    const farewell = serve(channel, session, timeouts.command, until, log);
    settled = farewell.exitCode === HelperExit.MOUNTED;
    return { ...farewell, session, actions, held, serverPid };
  } finally {
    if (!settled) held?.close();
    if (!settled && session.mounted) {
      log("the server gave up: the mount is taken back");
      actions.undo();
    }
    close(fuse);
    if (!settled) actions.close();
  }
}

/** The number of the process that answered. */
function shakeHands(channel: PacketChannel, flags: number, timeout: number): number | undefined {
  const version = PROTOCOL_VERSION;
  channel.send(encode(packets.HELLO, { minVersion: version, maxVersion: version, flags }), [], SEND_TIMEOUT);
  const sender = channel.sender(timeout);
  const packet = channel.receive(timeout);
  if (packet === undefined) throw new Error("the server ended before it answered");
  const isReply = packet.length >= SMALLEST_PACKET && magicAt(packet) === packets.HELLO_REPLY.magic;
  const reply = isReply ? decode(packets.HELLO_REPLY, packet) : undefined;
  if (reply === undefined) throw new Error("what answers is no server of mounts: no answer to HELLO");
  if (reply.values.version !== version) {
    throw new Error(`the server speaks version ${reply.values.version} of the protocol, and not ${version}`);
  }
  return sender;
}

interface Farewell {
  readonly exitCode: number;
  readonly goodbye: number | undefined;
}

/** Answers the server until it ends. @throws {LinuxError} ETIMEDOUT; Error when it ends without a goodbye */
function serve(
  channel: PacketChannel,
  session: HelperSession,
  timeout: number,
  until: number,
  log: (message: string) => void,
): Farewell {
  for (;;) {
    const packet = channel.receive(Math.min(timeout, until - performance.now()));
    if (packet === undefined) throw new Error("the server ended without a goodbye");
    const outcome = session.handle(packet);
    const fd = outcome.kind === "reply" ? outcome.fd : undefined;
    try {
      if (outcome.packet !== undefined) channel.send(outcome.packet, fd === undefined ? [] : [fd], SEND_TIMEOUT);
    } finally {
      if (fd !== undefined) close(fd);
    }
    if (outcome.kind === "reply") continue;
    const goodbye = outcome.why === "goodbye" ? outcome.exitCode : undefined;
    if (goodbye === undefined) log(`the server sent ${outcome.why}`);
    // 2 says that there is no service, which the server is the last to know.
    return { exitCode: outcome.exitCode === HelperExit.NO_SERVICE ? HelperExit.FAILED : outcome.exitCode, goodbye };
  }
}

function fileReply(name: string): Uint8Array {
  return encode(packets.FILE, { error: 0 }, new TextEncoder().encode(name));
}

/** Sends a descriptor, and closes it here. */
function sendFile(channel: PacketChannel, name: string, fd: number): void {
  try {
    channel.send(fileReply(name), [fd], SEND_TIMEOUT);
  } finally {
    close(fd);
  }
}

function openFuse(path = "/dev/fuse"): number {
  const fd = open(path, constants.O_RDWR);
  if (fstatSync(fd).isCharacterDevice()) return fd;
  close(fd);
  throw new LinuxError("open", Errno.ENODEV, path);
}
