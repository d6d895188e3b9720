/** The process that serves an image: it has a socket and the image, and no way to anything else, and ends when its client is gone. */
import * as fs from "node:fs";
import { readPartitions } from "@bulkhead/ext4";
import { type FileSystem, Notifier, ServingLoop, Session, SocketTransport, Timers, Wakeup } from "@bulkhead/fuse";
import { blockDeviceSize, exitNow, fstat, recv, send } from "@bulkhead/linux";
import { createFileSystem } from "@bulkhead/server/file-system";
import { lockDown, MEMORY } from "@bulkhead/server/lock-down";
import { optimiseSooner } from "@bulkhead/server/node-options";
import { openSource } from "@bulkhead/server/source";
import { Descriptor, LONGEST_MESSAGE, type ServeReport, type ServeRequest } from "./request.js";

/** Microseconds: what a client does with a file of its own between two requests. */
const SPIN = 100;
// biome-ignore lint/suspicious/noControlCharactersInRegex: names from an image must not write to a terminal what it obeys
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu;

function log(message: string): void {
  const line = message.replace(UNSAFE, (char) => `\\x${char.codePointAt(0)!.toString(16).padStart(2, "0")}`);
  try {
    fs.writeSync(2, `bulkhead: ${line}\n`);
  } catch {
    // Nobody reads it.
  }
}

function receiveRequest(): ServeRequest | undefined {
  const bytes = new Uint8Array(LONGEST_MESSAGE);
  const length = recv(Descriptor.socket, bytes, 0, bytes.length, 0);
  return length <= 0 ? undefined : (JSON.parse(Buffer.from(bytes.subarray(0, length)).toString()) as ServeRequest);
}

function report(message: ServeReport): void {
  const bytes = Buffer.from(JSON.stringify(message));
  send(Descriptor.socket, bytes, 0, bytes.length);
}

/** Where in the image the file system is. What is wrong with it, `openSource` says. */
function placeOf(path: string, offset = 0, partition?: number): { readonly start: number; readonly length: number } {
  const io = { ...fs, fstatSync: fstat, deviceSize: blockDeviceSize };
  const image = openSource({ path, descriptor: Descriptor.image }, io);
  const table = partition === undefined ? undefined : readPartitions(image)?.partitions;
  const found = table?.find(({ number }) => number === partition);
  return { start: found?.offset ?? offset, length: found?.length ?? image.size - offset };
}

function failure(error: unknown): ServeReport {
  if (!(error instanceof Error)) return { kind: "failed", message: String(error) };
  const { code, kind } = error as { readonly code?: unknown; readonly kind?: unknown };
  return {
    kind: "failed",
    message: error.message,
    ...(typeof code === "string" ? { code } : {}),
    ...(typeof kind === "string" ? { corruption: kind } : {}),
  };
}

async function serve({ path, offset, partition, device, engine }: ServeRequest, wakeup: Wakeup): Promise<void> {
  const timers = new Timers();
  const transport = new SocketTransport(Descriptor.socket);
  const notifier = new Notifier(transport, LONGEST_MESSAGE);
  const noDevice = () => {
    throw new Error("there is no /dev/fuse behind a socket");
  };
  let fileSystem: FileSystem;
  let place: { readonly start: number; readonly length: number };
  try {
    place = placeOf(path, offset, partition);
    fileSystem = createFileSystem(
      {
        source: {
          path,
          descriptor: Descriptor.image,
          ...(offset === undefined ? {} : { offset }),
          ...(partition === undefined ? {} : { partition }),
        },
        claimed: true,
        journal: undefined,
        engine,
        // What is looked at keeps its access time: who copies a tree out does not want to have changed it.
        serving: { accessTimes: "noatime" },
        discard: false,
        debug: false,
        quiet: true,
        oneByOne: true,
        posixAcl: false,
        ...(device === undefined ? {} : { iomap: { device, required: false, cacheMappings: true } }),
      },
      { timers, log, transport: noDevice, notifier: () => notifier },
    );
  } catch (error) {
    report(failure(error));
    return;
  }
  const { DESTROY, ...handlers } = fileSystem.handlers;
  const session = new Session(
    {
      ...handlers,
      // Answered when everything is on the image; then there is nothing more to serve.
      DESTROY(context) {
        wakeup.stop();
        return DESTROY?.(context) ?? 0;
      },
    },
    { log, ...fileSystem.session },
  );
  report({ kind: "serving", ...place });
  optimiseSooner();
  try {
    new ServingLoop({ session, transport, timers, wakeup, log, spin: SPIN }).run();
  } finally {
    fileSystem.close?.();
  }
}

/** Gives up everything but the socket and the image. @returns whether that worked: only then the image is looked at */
function contain({ offset = 0, engine }: ServeRequest): boolean {
  try {
    const image = fstat(Descriptor.image);
    lockDown({
      socket: Descriptor.socket,
      memory: MEMORY + (engine.cacheBytes ?? 0),
      ...(engine.writable === true ? { device: { fd: Descriptor.image, start: offset } } : {}),
      ...(image.isFile() ? { fileSize: image.size } : {}),
    });
    return true;
  } catch (error) {
    report(failure(error));
    return false;
  }
}

const request = receiveRequest();
if (request !== undefined) {
  const wakeup = new Wakeup();
  if (contain(request)) await serve(request, wakeup);
}
// What Node would do to clear away, the filter does not all allow.
exitNow(0);
