import { read, writeSync } from "node:fs";
import { encodeReply } from "@bulkhead/fuse";
import { Counter, type ReadJob } from "./io-job.js";

/** Bytes of a reply before the data. */
const HEADER = 16;
const EIO = 5;
const GONE = ["ENOENT", "ENODEV", "ECONNABORTED"];

/** Of jobs that are done; each as long as the longest that it was needed for. */
const buffers: Uint8Array[] = [];

/** Asks for the pieces of a read, one after another, and answers when they are there; others are under way meanwhile. */
export function serveRead(counters: Int32Array, job: ReadJob): void {
  const { fd, connection, token, pieces, length } = job;
  let bytes = buffers.pop();
  if (bytes === undefined || bytes.length < HEADER + length) bytes = new Uint8Array(HEADER + length);
  const reply = bytes;
  let piece = 0;
  let at = HEADER;
  let left = 0;

  const failed = (error: unknown): void => {
    const { errno } = error as { readonly errno?: unknown };
    Atomics.store(counters, Counter.errno, typeof errno === "number" ? Math.abs(errno) : EIO);
    Atomics.add(counters, Counter.errors, 1);
  };

  const finish = (error: number): void => {
    const view = new DataView(reply.buffer, reply.byteOffset, reply.length);
    const payload = error === 0 ? reply.subarray(HEADER, HEADER + length) : undefined;
    const size = encodeReply(reply, view, token, error, payload);
    try {
      writeSync(connection, reply, 0, size);
    } catch (refused) {
      // Who asked was interrupted, or the mount is gone: nobody waits.
      if (!GONE.includes((refused as NodeJS.ErrnoException).code ?? "")) failed(refused);
    }
    buffers.push(reply);
    Atomics.sub(counters, Counter.jobs, 1);
    Atomics.notify(counters, Counter.jobs);
  };

  const next = (): void => {
    while (left === 0) {
      if (piece === pieces.length) {
        finish(0);
        return;
      }
      left = pieces[piece + 1] ?? 0;
      if (pieces[piece] !== -1) break;
      reply.fill(0, at, at + left);
      at += left;
      left = 0;
      piece += 2;
    }
    const done = (pieces[piece + 1] ?? 0) - left;
    read(fd, reply, at, left, (pieces[piece] ?? 0) + done, (error, count) => {
      if (error !== null || count === 0) {
        failed(error ?? {});
        finish(-EIO);
        return;
      }
      at += count;
      left -= count;
      if (left === 0) piece += 2;
      next();
    });
  };
  next();
}
