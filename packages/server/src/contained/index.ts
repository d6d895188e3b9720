import { fileURLToPath } from "node:url";

export { KERNEL_CACHE } from "../kernel-cache.js";
export { serverNodeOptions } from "../node-options.js";
export { ANSWER, ENDED, LEAVE_IDLE, QUESTION, STOP, TOLD_TO_END } from "./keeper-line.js";

/** The file of the contained server's program, see contained-server.ts: a service manager, or a launcher, has Node run it. */
export function serverProgram(): string {
  return fileURLToPath(new URL("./contained-server.js", import.meta.url));
}

/** What it wants in its environment. */
export const serverEnvironment = {
  // As many reads can wait for the device at a time: Node has 4 threads for them otherwise.
  UV_THREADPOOL_SIZE: "16",
  // What goes through a ring, no filter of system calls sees.
  UV_USE_IO_URING: "0",
} as const;
