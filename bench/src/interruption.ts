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
 * Does a part of a benchmark, and ends the process, instead or afterwards, if a signal has asked for that. The part blocks, and so do the
 * signals; the programs that it starts get those of a terminal as well, and fail.
 *
 * @param cleanUp what is to be done before the end
 */
export async function interruptible<T>(part: () => T, cleanUp: () => void = () => {}): Promise<T> {
  await hearSignals(cleanUp);
  try {
    return part();
  } catch (error) {
    await hearSignals(cleanUp);
    throw error;
  }
}

async function hearSignals(cleanUp: () => void): Promise<void> {
  await setImmediate();
  if (interruption === undefined) return;
  cleanUp();
  console.error(`bench: ended by ${interruption}`);
  process.kill(process.pid, interruption);
  await new Promise(() => {}); // until it arrives
}
