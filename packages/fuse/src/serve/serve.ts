import { isAbsolute } from "node:path";
import { pathToFileURL } from "node:url";
import { type ResourceLimits, Worker } from "node:worker_threads";
import { close } from "@bulkhead/linux";
import { Wakeup } from "../loop/wakeup.js";
import { detach } from "../mount/detach.js";
import { isMounted, type Mounted, mountFuse, setDirtyLimit, setReadAhead, unmount } from "../mount/mount.js";
import type { MountOptions } from "../mount/options.js";
import { Notifier } from "../notify.js";
import { LeasedTransport } from "./lease.js";
import type { MountedMessage, ServeMessage, ServeTask } from "./messages.js";
import { onProcess } from "./process-events.js";
import { EndingSignals } from "./signals.js";

export interface ServeOptions<Data = unknown> {
  /** An existing directory. */
  readonly mountpoint: string;
  /** The module whose default export creates the file system, in the serving thread: a URL, or an absolute path. */
  readonly module: string | URL;
  /** Given to it; anything that `structuredClone` takes. */
  readonly data?: Data;
  readonly mount?: MountOptions;
  /** The mount's read-ahead in KiB; only root can set it. */
  readonly readAheadKb?: number;
  /** Bytes of written pages that may wait in the kernel's cache, see `setDirtyLimit`; only root can set it. Default FUSE's 1 %. */
  readonly dirtyBytes?: number;
  /** Unmount on SIGINT, SIGTERM and SIGHUP; default true. */
  readonly signals?: boolean;
  /** After a signal: how long open files may keep an unmounted file system alive, in ms, an integer; default 5000. */
  readonly graceMs?: number;
  /** Microseconds to look for another request before sleeping; default 30. See the README, "Round trips". */
  readonly spin?: number;
  /** Let the serving thread follow its client from CPU to CPU; default true. Processes that handlers start would inherit the one CPU, and SCHED_IDLE. */
  readonly follow?: boolean;
  /** Of the serving thread's heap; default V8's. */
  readonly resourceLimits?: ResourceLimits;
  /** Where lines for the operator go; default standard error. */
  readonly log?: (message: string) => void;
}

/** A mounted file system that is being served. */
export interface Served {
  readonly mounted: Mounted;
  /** Notifications, from the main thread. */
  readonly notifier: Notifier;
  /** Resolves when serving has ended in order (unmounted, or stopped); rejects with what killed the serving thread. */
  readonly finished: Promise<void>;
  /** Has the file system's `onWake` called in the serving thread. */
  wake(): void;
  /**
   * Unmounts, lazily if files are open, and waits for the end of serving; files still open after `graceMs` fail with
   * ENOTCONN.
   */
  unmount(): Promise<void>;
  /** Ends serving without unmounting: the mount answers ENOTCONN until it is unmounted. */
  stop(): Promise<void>;
}

const noop = () => {};

/** What a timer of Node's takes. */
const LONGEST_GRACE = 0x7fff_ffff;

function urlOf(module: string | URL): string {
  const text = String(module);
  if (URL.canParse(text)) return text;
  if (isAbsolute(text)) return pathToFileURL(text).href;
  throw new TypeError(`module ${text}: a URL is needed, as import.meta.resolve gives, or an absolute path`);
}

/**
 * Creates a file system in a worker thread, mounts it and serves it. Resolves when the mount answers. The calling thread
 * keeps its event loop, and must not touch files under the mountpoint synchronously from the module's own thread.
 *
 * @throws what the module threw while creating the file system (nothing is mounted then); LinuxError from mounting; TypeError and
 *   RangeError for options that are none
 */
export async function mountAndServe<Data>(options: ServeOptions<Data>): Promise<Served> {
  const module = urlOf(options.module);
  const graceMs = options.graceMs ?? 5000;
  if (!(Number.isInteger(graceMs) && graceMs >= 0 && graceMs <= LONGEST_GRACE)) {
    throw new RangeError(`graceMs ${graceMs}: milliseconds, 0 to ${LONGEST_GRACE}`);
  }
  const log = options.log ?? ((message) => process.stderr.write(`${message}\n`));
  const wakeup = new Wakeup();
  const task: ServeTask = {
    module,
    data: options.data,
    wakeup: wakeup.handle,
    lease: new SharedArrayBuffer(4),
    spin: options.spin ?? 30,
    follow: options.follow ?? true,
  };
  const worker = new Worker(new URL("./worker.js", import.meta.url), {
    workerData: task,
    resourceLimits: options.resourceLimits ?? {},
  });
  const serving = new ServingThread(worker, wakeup, task.lease, log);
  try {
    await serving.reached("created");
    const signals = (options.signals ?? true) ? new EndingSignals() : undefined;
    serving.finished.catch(noop).finally(() => signals?.release());
    const mounted = mountFuse(options.mountpoint, options.mount);
    serving.adopt(mounted.fd);
    const served = offer(serving, mounted, task.lease, graceMs);
    // A second signal does not wait for open files, and a third one not for what the thread is at.
    const ways = [() => served.unmount(), () => served.stop()];
    signals?.deliverTo((signal) => {
      const end = ways.shift() ?? (() => serving.terminate());
      end().catch((error: Error) => log(`after ${signal}: ${error.message}`));
    });
    try {
      await serving.reached("serving");
    } catch (error) {
      if (isMounted(mounted)) unmount(mounted.mountpoint, { lazy: true });
      throw signals?.first === undefined
        ? error
        : new Error(`interrupted by ${signals.first} before the mount answered`);
    }
    if (options.readAheadKb !== undefined) setReadAhead(mounted.info, options.readAheadKb);
    if (options.dirtyBytes !== undefined) setDirtyLimit(mounted.info, options.dirtyBytes);
    return served;
  } catch (error) {
    await serving.stop().catch(noop);
    throw error;
  }
}

/** The worker as the main thread sees it. */
class ServingThread {
  readonly finished: Promise<void>;
  readonly wakeup: Wakeup;
  readonly #worker: Worker;
  readonly #passed = new Set<string>();
  /** Of the device, once the thread has it. */
  #fd: number | undefined;
  #waiting: (() => void) | undefined;

  constructor(worker: Worker, wakeup: Wakeup, lease: SharedArrayBuffer, log: (message: string) => void) {
    this.wakeup = wakeup;
    this.#worker = worker;
    let last = "the kernel's INIT was refused";
    worker.on("message", (message: ServeMessage) => {
      switch (message.kind) {
        case "log":
          last = message.text;
          log(last);
          break;
        case "output":
          for (const chunk of message.chunks) process[message.stream].write(chunk);
          break;
        case "ended":
          this.#passed.add(message.end);
          // What its event loop still has to do may be anything, and nobody is there to end it.
          if (message.end === "unused") void worker.terminate();
          break;
        default:
          this.#passed.add(message.kind);
      }
      this.#waiting?.();
    });
    // A thread asleep in poll cannot be terminated: without this, process.exit() would wait for it for ever.
    const forget = onProcess("exit", () => wakeup.stop());
    this.finished = new Promise((resolve, reject) => {
      worker.once("error", reject);
      worker.once("exit", (code) => {
        forget();
        wakeup.close();
        // A thread that ran out of memory, or called process.exit(), closes nothing, and whoever asked it would wait for ever.
        if (this.#fd !== undefined && LeasedTransport.end(lease)) close(this.#fd);
        if (this.#passed.has("refused")) reject(new Error(last));
        else if (["unmounted", "stopped", "unused"].some((end) => this.#passed.has(end))) resolve();
        else reject(new Error(`the serving thread ended without a word, with code ${code}`));
      });
    });
    this.finished.catch(noop).finally(() => this.#waiting?.());
  }

  /** Resolves when the thread has got to `stage`; rejects if it ended before. */
  async reached(stage: "created" | "serving"): Promise<void> {
    const arrived = new Promise<void>((resolve) => {
      this.#waiting = () => {
        if (this.#passed.has(stage)) resolve();
      };
      this.#waiting();
    });
    await Promise.race([arrived, this.finished]);
    if (!this.#passed.has(stage)) throw new Error(`the serving thread ended before it was ${stage}`);
  }

  /** The thread serves `fd` from here on, and closes it. */
  adopt(fd: number): void {
    this.#fd = fd;
    this.#tell({ fd });
  }

  stop(): Promise<void> {
    this.wakeup.stop();
    if (this.#fd === undefined) this.#tell({ fd: undefined });
    return this.finished;
  }

  /** Wherever it is: in a handler that never returns, for one. */
  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  #tell(message: MountedMessage): void {
    this.#worker.postMessage(message);
  }
}

function offer(serving: ServingThread, mounted: Mounted, lease: SharedArrayBuffer, graceMs: number): Served {
  let ending: Promise<void> | undefined;
  const end = async () => {
    await detach(mounted, graceMs);
    const timer = setTimeout(() => serving.wakeup.stop(), graceMs);
    try {
      await serving.finished;
    } finally {
      clearTimeout(timer);
    }
  };
  return {
    mounted,
    notifier: new Notifier(new LeasedTransport(mounted.fd, lease)),
    finished: serving.finished,
    wake: () => serving.wakeup.wake(),
    unmount: () => {
      ending ??= end().catch((error) => {
        ending = undefined; // may succeed another time
        throw error;
      });
      return ending;
    },
    stop: () => serving.stop(),
  };
}
