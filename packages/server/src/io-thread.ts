import { Worker } from "node:worker_threads";
import { close, eventfd, getAffinity } from "@bulkhead/linux";
import { Counter, type IoJob, type IoSetup } from "./io-job.js";

/** Milliseconds that a thread has to start. */
const PATIENCE = 10_000;

/** The thread that does slow reads, and the I/O of commits. To be made by the thread that will serve, before that is bound to a CPU. */
export class IoThread {
  readonly counters = new Int32Array(new SharedArrayBuffer(4 * Counter.count));
  /** An eventfd that the end of a commit signals. */
  readonly wakeup = eventfd();
  readonly #setup: IoSetup;
  #worker: Worker | undefined;

  /** @param options `lockDown`: it gives up what it does not need as soon as it has started */
  constructor({ lockDown = false } = {}) {
    this.#setup = { counters: this.counters, cpus: getAffinity(), lockDown };
  }

  /** Starts it, unless it was started. */
  start(): Worker {
    this.#worker ??= new Worker(new URL("./io-thread-main.js", import.meta.url), { workerData: this.#setup });
    return this.#worker;
  }

  /** Waits, blocking, until it opens nothing any more, and starts no thread. @throws Error when it does not come to that */
  settle(): void {
    this.start();
    if (Atomics.wait(this.counters, Counter.ready, 0, PATIENCE) === "timed-out") {
      throw new Error("the thread for I/O does not start");
    }
  }

  /**
   * From here on, a kernel that does this process's file I/O is kept from writing it back to find memory for this thread, which does all
   * commits' I/O itself: Node's threads are not to be told.
   *
   * @param connection the mounted /dev/fuse
   */
  keepFromRecursion(connection: number): void {
    this.post({ connection });
  }

  post(job: IoJob): void {
    this.start().postMessage(job);
  }

  end(): void {
    void this.#worker?.terminate();
    close(this.wakeup);
  }
}
