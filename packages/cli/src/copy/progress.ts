import { formatBytes } from "../output/format.js";
import { complain } from "../output/output.js";
import { printableName } from "../output/printable.js";

/** Shows how far a copy is. */
export interface Progress {
  /** A file's copy begins. */
  file(name: Uint8Array): void;
  /** Bytes of contents that were copied, or that space is kept for. */
  add(bytes: number): void;
  /** Clears the bar for a line on standard error, which `print` writes. */
  interrupt(print: () => void): void;
  stop(): void;
}

export const noProgress: Progress = {
  file() {},
  add() {},
  interrupt: (print) => print(),
  stop() {},
};

const NAME_WIDTH = 30;

/** A bar on standard error. @param total bytes */
export async function openProgress(total: number): Promise<Progress> {
  const { default: cliProgress } = await import("cli-progress");
  const bar = new cliProgress.SingleBar({
    format: "{bar} {percentage}%  {done} of {all}  {rate}/s  {name}",
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: 24,
    fps: 10,
    hideCursor: true,
    clearOnComplete: true,
    gracefulExit: false, // signals are the command's business
    stream: process.stderr,
  });
  const started = performance.now();
  let done = 0;
  let name = "";
  let isOver = false;
  const values = () => ({
    name,
    done: formatBytes(done),
    all: formatBytes(total),
    rate: formatBytes(Math.round(done / Math.max(0.1, (performance.now() - started) / 1000))),
  });
  bar.start(total, 0, values());
  return {
    file(bytes) {
      const shown = printableName(bytes);
      name = shown.length > NAME_WIDTH ? `${shown.slice(0, NAME_WIDTH - 1)}…` : shown;
    },
    add(bytes) {
      done += bytes;
      bar.update(Math.min(done, total), values());
    },
    interrupt(print) {
      complain("\r\x1b[K");
      print();
    },
    stop() {
      if (isOver) return;
      isOver = true;
      bar.stop();
    },
  };
}
