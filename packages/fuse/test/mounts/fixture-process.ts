/** Serves the fixture in a process of its own; the test speaks to it over IPC. */
import { setTimeout as sleep } from "node:timers/promises";
import { type MountOptions, mountAndServe, type Notifier, unmount } from "../../src/index.js";
import { Cell } from "./fixture-filesystem.js";

/** Methods of a notifier, with plain arguments; text stands for names and data. */
export type Command =
  | { readonly do: "set"; readonly cell: number; readonly value: number }
  | { readonly do: "get"; readonly cell: number }
  | { readonly do: "notify"; readonly method: keyof Notifier; readonly args: readonly (number | string | number[])[] }
  | { readonly do: "wake" | "unmount" | "retry" | "exit" | "throw" | "stop" };

if (process.argv.length < 3) throw new Error("usage: fixture-process MOUNTPOINT [OPTIONS [GRACE]]");
const [mountpoint = "", mountJson = "{}", graceMs = "500"] = process.argv.slice(2);
const buffer = new SharedArrayBuffer(4 * Cell.COUNT);
const state = new Int32Array(buffer);
state[Cell.SIZE] = 16384;
state[Cell.FILL] = 0x61;
state[Cell.OTHER] = 1;

const served = await mountAndServe({
  mountpoint,
  module: new URL("./fixture-filesystem.js", import.meta.url),
  data: buffer,
  mount: JSON.parse(mountJson) as MountOptions,
  graceMs: Number(graceMs),
});

const encoder = new TextEncoder();
function perform(command: Command): number | Promise<number> {
  switch (command.do) {
    case "set":
      return Atomics.store(state, command.cell, command.value);
    case "get":
      return Atomics.load(state, command.cell);
    case "notify": {
      const method = served.notifier[command.method] as (...args: unknown[]) => number;
      const args = command.args.map((arg) => (typeof arg === "string" ? encoder.encode(arg) : arg));
      return method.apply(served.notifier, args);
    }
    case "wake":
      served.wake();
      return 0;
    case "unmount":
      unmount(mountpoint);
      return 0;
    case "retry":
      return served.unmount().then(
        () => 0,
        () => 1,
      );
    case "stop":
      void served.stop();
      return 0;
    case "exit":
      return process.exit(7);
    case "throw":
      setImmediate(() => {
        throw new Error("thrown as told");
      });
      return 0;
  }
}
process.on("message", async (command: Command) => {
  const result = await perform(command);
  if (process.connected) process.send?.({ result });
});
// The test is gone: leave nothing mounted.
const orphaned = () => void served.unmount();
process.once("disconnect", orphaned);
process.send?.({ ready: true });
try {
  await served.finished;
  process.exitCode = Atomics.load(state, Cell.CLOSED) === 1 ? 0 : 3;
} catch (error) {
  process.stderr.write(`${String(error)}\n`);
  process.exitCode = 5;
}
while (Atomics.load(state, Cell.LINGER) !== 0 && process.connected) await sleep(5);
process.off("disconnect", orphaned);
if (process.connected) process.disconnect();
