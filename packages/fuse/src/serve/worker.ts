/** Entry of the serving thread: creates the file system, then serves until the mount is gone. */
import { MessageChannel, parentPort, workerData } from "node:worker_threads";
import { EventLoop, pageSize, setThreadName } from "@bulkhead/linux";
import { CpuFollower } from "../loop/follow.js";
import { type LoopEnd, ServingLoop } from "../loop/loop.js";
import { Timers } from "../loop/timers.js";
import { Wakeup } from "../loop/wakeup.js";
import { Notifier } from "../notify.js";
import { DEFERRED, EIO } from "../protocol/errno.js";
import { operationName } from "../protocol/operations.js";
import { errnoOf } from "../protocol/reply.js";
import { Session } from "../protocol/session.js";
import { DeviceTransport } from "../transport/device.js";
import type { CreateFileSystem, FileSystem } from "./filesystem.js";
import { LeasedTransport } from "./lease.js";
import type { MountedMessage, ServeMessage, ServeTask } from "./messages.js";

const port = parentPort;
if (port === null) throw new Error("this module is the entry of a worker thread");
const task = workerData as ServeTask;
const tell = (message: ServeMessage) => port.postMessage(message);
const log = (text: string) => tell({ kind: "log", text });

// Node's own streams of a worker take one chunk and then wait for a turn of its event loop, which comes when serving has ended.
for (const stream of ["stdout", "stderr"] as const) {
  process[stream]._writev = (chunks, done) => {
    tell({ kind: "output", stream, chunks: chunks.map(({ chunk }) => chunk) });
    done();
  };
}

const timers = new Timers();
let transport: DeviceTransport | undefined;
let loop: ServingLoop | undefined;
let notifier: Notifier | undefined;
const attached = () => {
  if (transport === undefined) throw new Error("not mounted yet");
  return transport;
};

const loaded: { readonly default?: CreateFileSystem | { readonly default?: unknown } } = await import(task.module);
// TypeScript's CommonJS has its default export one further down.
const create = (typeof loaded.default === "function" ? loaded.default : loaded.default?.default) as CreateFileSystem;
if (typeof create !== "function") throw new TypeError(`${task.module} has no function as its default export`);
const fileSystem: FileSystem = await create(task.data, {
  timers,
  transport: attached,
  notifier: () => (notifier ??= new Notifier(attached())),
  reply: (token, result, payload) => loop?.reply(token, result, payload),
  later(context, answer) {
    const token = context.defer();
    const { opcode, nodeid } = context;
    answer.then(
      (answered) => (typeof answered === "number" ? loop?.reply(token, answered) : loop?.reply(token, 0, answered)),
      (error) => {
        const errno = errnoOf(error);
        if (errno === 0) log(explain(`${operationName(opcode)} of nodeid ${nodeid} failed`, error));
        loop?.reply(token, errno === 0 ? EIO : errno);
      },
    );
    return DEFERRED;
  },
  log,
});
setThreadName("fuse-serve");
port.once("message", async ({ fd }: MountedMessage) => {
  const end = fd === undefined ? "unused" : await serve(fd);
  fileSystem.close?.();
  tell({ kind: "ended", end });
  port.close();
});
tell({ kind: "created" });

async function serve(fd: number): Promise<LoopEnd> {
  transport = new DeviceTransport(fd);
  const turns = fileSystem.eventLoop === true ? new Turns() : undefined;
  try {
    loop = new ServingLoop({
      session: new Session(fileSystem.handlers, {
        log: (text, error) => log(explain(text, error)),
        pageSize: pageSize(),
        ...fileSystem.session,
      }),
      transport,
      timers,
      wakeup: new Wakeup(task.wakeup),
      spin: task.spin,
      log,
      onServing: () => tell({ kind: "serving" }),
      onWake: () => fileSystem.onWake?.(),
      completions: fileSystem.completions,
      untilForgotten: fileSystem.untilForgotten,
      eventLoop: turns === undefined ? undefined : new EventLoop(),
      // Threads that Node starts inherit where this one is bound, and how it gives way.
      ...(task.follow && turns === undefined ? { follower: new CpuFollower() } : {}),
    });
    for (;;) {
      const end = loop.run();
      if (end !== "interrupted" || turns === undefined) return end;
      await turns.next();
    }
  } finally {
    // Whatever happened: from here on the mount answers ENOTCONN and nobody waits.
    if (LeasedTransport.end(task.lease)) transport.close();
    turns?.close();
  }
}

/**
 * Turns of the event loop. A callback of setImmediate is one later, but as long as it runs the loop says that it has something to do; a
 * message that follows from another one's is none.
 */
class Turns {
  readonly #channel = new MessageChannel();
  #isOver: () => void = () => {};

  constructor() {
    this.#channel.port1.on("message", () => this.#isOver());
  }

  next(): Promise<void> {
    setImmediate(() => this.#channel.port2.postMessage(undefined));
    return new Promise((resolve) => {
      this.#isOver = resolve;
    });
  }

  close(): void {
    this.#channel.port1.close();
  }
}

function explain(text: string, error: unknown): string {
  if (error === undefined) return text;
  return `${text}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
}
