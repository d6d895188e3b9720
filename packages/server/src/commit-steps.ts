import { fdatasync, fdatasyncSync, write, writeSync } from "node:fs";
import { eventfdSignal } from "@bulkhead/linux";
import { type CommitJob, type CommitStep, Counter } from "./io-job.js";

const EIO = 5;

/** Does the steps one after the other, up to the first that fails, and tells the serving thread. */
export function runSteps(counters: Int32Array, { steps, wakeup }: CommitJob): void {
  let step = 0;
  /** Bytes of it that are written. */
  let done = 0;

  const finish = (errno: number): void => tell(counters, wakeup, step, errno);

  const failed = (error: NodeJS.ErrnoException): void => finish(errnoOf(error));

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

/** As `runSteps`, in this thread alone, which is waited for. */
export function runStepsHere(counters: Int32Array, { steps, wakeup }: CommitJob): void {
  let step = 0;
  let errno = 0;
  try {
    for (; step < steps.length; step++) runStep(steps[step]!);
  } catch (error) {
    errno = errnoOf(error as NodeJS.ErrnoException);
  }
  tell(counters, wakeup, step, errno);
}

function runStep({ fd, offset, bytes }: CommitStep): void {
  if (bytes === undefined) {
    fdatasyncSync(fd);
    return;
  }
  for (let done = 0; done < bytes.length; ) {
    const count = writeSync(fd, bytes, done, bytes.length - done, offset + done);
    if (count === 0) throw new Error("nothing was written");
    done += count;
  }
}

function errnoOf({ errno }: NodeJS.ErrnoException): number {
  return Math.abs(errno ?? EIO);
}

function tell(counters: Int32Array, wakeup: number, step: number, errno: number): void {
  Atomics.store(counters, Counter.commitErrno, errno);
  Atomics.store(counters, Counter.commitStep, step);
  Atomics.add(counters, Counter.commits, 1);
  Atomics.notify(counters, Counter.commits);
  eventfdSignal(wakeup);
}
