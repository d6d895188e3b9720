import { setImmediate } from "node:timers/promises";

let interruption: NodeJS.Signals | undefined;

/** Has signals end this process only between the parts of its work, when nothing is mounted. */
export function catchSignals(): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => {
      interruption = signal;
    });
  }
}

/**
 * Does a part of a benchmark, and ends the process, instead or afterwards, if a signal has asked for that: what came of the part counts
 * for nothing then, because the programs that it starts get the signals of a terminal as well.
 *
 * @param cleanUp what is to be done before the end
 */
export async function interruptible<T>(part: () => T | Promise<T>, cleanUp: () => void = () => {}): Promise<T> {
  await hearSignals(cleanUp);
  try {
    return await part();
  } finally {
    await hearSignals(cleanUp);
  }
}

async function hearSignals(cleanUp: () => void): Promise<void> {
  // A signal is heard where the event loop polls: between the first of these, which may come right after that, and the second.
  await setImmediate();
  await setImmediate();
  if (interruption === undefined) return;
  cleanUp();
  console.error(`bench: ended by ${interruption}`);
  process.kill(process.pid, interruption);
  await new Promise(() => {}); // until it arrives
}
