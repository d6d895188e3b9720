/** A thread that serves the tutorial's file system on a socket: what `workerData` says. */
import { closeSync } from "node:fs";
import { workerData } from "node:worker_threads";
import { type FileSystem, ServingLoop, Session, SocketTransport } from "../../src/index.js";

const { fd, greeting, answers } = workerData as { fd: number; greeting: string; answers: number };
const example = new URL("../../../../../examples/hello/dist/main.js", import.meta.url);
const { default: hello } = (await import(example.href)) as { default: (greeting: string) => FileSystem };
const { handlers } = hello(greeting);
const transport = new SocketTransport(fd);
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
});
new ServingLoop({ session, transport, spin: 0 }).run();
transport.close();
