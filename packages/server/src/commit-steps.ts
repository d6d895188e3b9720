import { fdatasync, write } from "node:fs";
import { eventfdSignal } from "@bulkhead/linux";
import { type CommitJob, Counter } from "./read-job.js";

const EIO = 5;

/** Does the steps one after the other, up to the first that fails, and tells the serving thread. */
export function runSteps(counters: Int32Array, { steps, wakeup }: CommitJob): void {
  let step = 0;
  /** Bytes of it that are written. */
  let done = 0;

  const finish = (errno: number): void => {
    Atomics.store(counters, Counter.commitErrno, errno);
    Atomics.store(counters, Counter.commitStep, step);
    Atomics.add(counters, Counter.commits, 1);
    Atomics.notify(counters, Counter.commits);
    eventfdSignal(wakeup);
  };

  const failed = (error: NodeJS.ErrnoException): void => finish(Math.abs(error.errno ?? EIO));

  const next = (): void => {
    const current = steps[step];
    if (current === undefined) {
      finish(0);
      return;
    }
    const { fd, offset, bytes } = current;
    if (bytes === undefined) {
      fdatasync(fd, (error) => {
        if (error !== null) return failed(error);
        step++;
        next();
      });
      return;
    }
    write(fd, bytes, done, bytes.length - done, offset + done, (error, count) => {
      if (error !== null) return failed(error);
      if (count === 0) return finish(EIO);
      done += count;
      if (done === bytes.length) {
        done = 0;
        step++;
      }
      next();
    });
  };
  next();
}
