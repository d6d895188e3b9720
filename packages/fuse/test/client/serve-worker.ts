/** A thread that serves the tutorial's file system on a socket: what `workerData` says. */
import { closeSync } from "node:fs";
import { workerData } from "node:worker_threads";
import { type FileSystem, Notifier, ServingLoop, Session, SocketTransport } from "../../src/index.js";

const { fd, greeting, answers, news } = workerData as { fd: number; greeting: string; answers: number; news: number };
const example = new URL("../../../../../examples/hello/dist/main.js", import.meta.url);
const { default: hello } = (await import(example.href)) as { default: (greeting: string) => FileSystem };
const { handlers } = hello(greeting);
const transport = new SocketTransport(fd);
const notifier = new Notifier(transport, 4096);
let left = answers;
const session = new Session({
  ...handlers,
  // Looked up after so many answers, the thread ends without one: as if it had crashed.
  LOOKUP(context, name, entry) {
    if (left-- === 0) {
      closeSync(fd);
      process.exit();
    }
    return handlers.LOOKUP?.(context, name, entry) ?? 0;
  },
  // Waits until the client has heard all of it.
  BATCH_FORGET() {
    for (let i = 0; i < news; i++) notifier.invalInode(2, -1, 0);
    return 0;
  },
});
new ServingLoop({ session, transport, spin: 0 }).run();
transport.close();
