/**
 * The program of a contained server: started on a mount service's socket by a launcher or a service manager, it asks the mount helper
 * for the open source, gives up everything else, and only then looks at what is on it. This thread serves; its event loop is not
 * needed meanwhile. Arguments are for whoever reads the process list.
 */
import { exitService, findServiceSocket } from "@bulkhead/service/server";
import { IoThread } from "../io-thread.js";
import { Priority, say, sayWhy } from "./log.js";

let failure: unknown;
try {
  // It loads what it needs while this thread does.
  const ioThread = new IoThread({ lockDown: true });
  ioThread.start();
  const { serve } = await import("./serve.js");
  const socket = findServiceSocket();
  if (socket === undefined) throw new Error("this program is started on the socket of a mount service");
  await serve({ socket, ioThread }, (text) => say(Priority.WARNING, text));
} catch (error) {
  failure = error;
  sayWhy(error);
}
await exitService(failure);
