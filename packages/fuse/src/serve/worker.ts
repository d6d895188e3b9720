/** Entry of the serving thread: creates the file system, then serves until the mount is gone. */
import { parentPort, workerData } from "node:worker_threads";
import { setThreadName } from "@bulkhead/linux";
import { CpuFollower } from "../loop/follow.js";
import { type LoopEnd, ServingLoop } from "../loop/loop.js";
import { Timers } from "../loop/timers.js";
import { Wakeup } from "../loop/wakeup.js";
import { Notifier } from "../notify.js";
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
let notifier: Notifier | undefined;
const attached = () => {
  if (transport === undefined) throw new Error("not mounted yet");
  return transport;
};

const { default: create } = (await import(task.module)) as { default: CreateFileSystem };
if (typeof create !== "function") throw new TypeError(`${task.module} has no function as its default export`);
const fileSystem: FileSystem = await create(task.data, {
  timers,
  transport: attached,
  notifier: () => (notifier ??= new Notifier(attached())),
  log,
});
setThreadName("fuse-serve");
port.once("message", ({ fd }: MountedMessage) => {
  const end = fd === undefined ? "unused" : serve(fd);
  fileSystem.close?.();
  tell({ kind: "ended", end });
  port.close();
});
tell({ kind: "created" });

function serve(fd: number): LoopEnd {
  transport = new DeviceTransport(fd);
  try {
    return new ServingLoop({
      session: new Session(fileSystem.handlers, {
        log: (text, error) => log(explain(text, error)),
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
      ...(task.follow ? { follower: new CpuFollower() } : {}),
    }).run();
  } finally {
    // Whatever happened: from here on the mount answers ENOTCONN and nobody waits.
    if (LeasedTransport.end(task.lease)) transport.close();
  }
}

function explain(text: string, error: unknown): string {
  if (error === undefined) return text;
  return `${text}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
}
