import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { isMainThread } from "node:worker_threads";
import { FuseClient, FuseConnectionError, SocketChannel } from "@bulkhead/fuse/client";
import type { InitFlagName } from "@bulkhead/fuse/protocol";
import { close, SocketType, socketpair } from "@bulkhead/linux";
import { lockHolder } from "@bulkhead/server/descriptor";
import { ImageOpenError } from "../errors.js";
import { LONGEST_MESSAGE, type ServeReport, type ServeRequest } from "./request.js";

export interface StartOptions {
  /** An open descriptor of the image; stays the caller's. */
  readonly image: number;
  readonly request: ServeRequest;
  /** Milliseconds for one request. */
  readonly timeout: number;
  /** Where the server's warnings go: this process's standard error, nowhere, or a descriptor. */
  readonly log: "inherit" | "ignore" | number;
}

/** Milliseconds for a process to start, and to replay what a journal may hold, or to wait for another's sign of life (MMP). */
const OPENING = 120_000;
/** Milliseconds that a server which has let go of everything may still take to end. */
const PARTING = 1000;

/** A server in a process of its own, and the way to it. */
export interface Started {
  readonly client: FuseClient;
  readonly pid: number;
  /** Where in the image the file system is, in bytes. */
  readonly start: number;
  readonly length: number;
  /** To be called when there is nothing more to ask it. */
  leave(): void;
}

/**
 * Starts a server that has the image's descriptor and a socket, and opens nothing itself. It is in a session of its own, so
 * that a Ctrl-C for us does not end it in the middle of something: it ends when we do, after it has brought everything home.
 *
 * @throws ImageOpenError
 */
export function startServer({ image, request, timeout, log }: StartOptions): Started {
  const [ours, theirs] = socketpair(SocketType.SEQPACKET);
  // Certificates take longer to read than Node to start, and nobody is spoken to.
  const { NODE_EXTRA_CA_CERTS: _, ...environment } = process.env;
  const couldNot = `${request.path}: the server's process (${process.execPath}) could not be started`;
  let server: ChildProcess;
  try {
    server = spawn(process.execPath, [fileURLToPath(new URL("./process.js", import.meta.url)), request.path], {
      detached: true,
      cwd: "/",
      // What goes through a ring, the server's filter of system calls does not see.
      env: { ...environment, UV_USE_IO_URING: "0" },
      stdio: ["ignore", "ignore", log, theirs, image],
    });
  } catch (error) {
    close(ours);
    const { message, syscall } = error as NodeJS.ErrnoException;
    throw syscall === undefined ? error : new ImageOpenError(`${couldNot}: ${message}`);
  } finally {
    close(theirs);
  }
  const channel = new SocketChannel(ours);
  // Reported by what is missing: a process that could not be started has no number.
  server.on("error", () => {});
  server.unref();
  if (server.pid === undefined) {
    channel.close();
    throw new ImageOpenError(couldNot);
  }
  const report = greet(channel, request, Math.max(timeout, OPENING));
  if (report.kind === "failed") {
    channel.close();
    awaitEnd(server);
    // The server sees no other processes.
    const holder = / is in use:/.test(report.message) ? lockHolder(request.path) : undefined;
    const named = report.message.startsWith(request.path) ? report.message : `${request.path}: ${report.message}`;
    const message = holder === undefined ? named : named.replace(" in use:", ` in use by ${holder}:`);
    throw new ImageOpenError(message, report.code, report.corruption);
  }
  const offer: InitFlagName[] = ["DONT_MASK", "NO_OPEN_SUPPORT", "NO_OPENDIR_SUPPORT"];
  if (request.device !== undefined) offer.push("IOMAP");
  const client = new FuseClient({ channel, timeout, offer });
  try {
    client.init();
  } catch (error) {
    client.close();
    awaitEnd(server);
    const why = error instanceof FuseConnectionError ? error.message : String(error);
    throw new ImageOpenError(`${request.path}: ${why}`);
  }
  return { client, pid: server.pid, start: report.start, length: report.length, leave: () => awaitEnd(server) };
}

/**
 * Keeps a worker's thread until a server's process has ended, though not for long: when the thread is gone nobody takes note of that, and
 * what is left of the process stays until the whole program ends.
 */
function awaitEnd(server: ChildProcess): void {
  if (isMainThread) return;
  server.ref();
  setTimeout(() => server.unref(), PARTING).unref();
}

function greet(channel: SocketChannel, request: ServeRequest, timeout: number): ServeReport {
  const message = Buffer.from(JSON.stringify(request));
  const answer = new Uint8Array(LONGEST_MESSAGE);
  const length = channel.send(message, message.length, timeout) === 0 ? channel.receive(answer, timeout) : -1;
  if (length > 0) return parseReport(Buffer.from(answer.subarray(0, length)).toString(), request.path);
  const why = length === -110 ? `did not answer within ${timeout / 1000} s` : "ended before it answered";
  return { kind: "failed", message: `${request.path}: the server ${why}` };
}

/** What a process that has read an image says of it is not believed to be well-formed either. */
function parseReport(text: string, path: string): ServeReport {
  const broken: ServeReport = { kind: "failed", message: `${path}: the server's first message makes no sense` };
  try {
    const report = JSON.parse(text) as
      | { readonly [K in "kind" | "message" | "code" | "corruption" | "start" | "length"]?: unknown }
      | null;
    if (report?.kind === "serving") {
      const { start, length } = report;
      const isPlace = Number.isSafeInteger(start) && Number.isSafeInteger(length) && Number(start) >= 0;
      return isPlace ? { kind: "serving", start: Number(start), length: Number(length) } : broken;
    }
    if (report?.kind !== "failed" || typeof report.message !== "string") return broken;
    const { message, code, corruption } = report;
    return {
      kind: "failed",
      message,
      ...(typeof code === "string" ? { code } : {}),
      ...(typeof corruption === "string" ? { corruption } : {}),
    };
  } catch {
    return broken;
  }
}
