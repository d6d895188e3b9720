import { isMainThread } from "node:worker_threads";
import { bare, native } from "./libc.js";

/** The loop of a worker is known by its isolate. Both are what Node gives to programs that embed it (node.h, v8-isolate.h). */
function loopOfWorker(): number {
  const isolate = native<[]>("_ZN2v87Isolate10GetCurrentEv", "int64_t", [])();
  return native<[number]>("_ZN4node19GetCurrentEventLoopEPN2v87IsolateE", "int64_t", ["uintptr_t"])(isolate);
}

/**
 * The event loop (libuv's) of the calling thread, for a thread that waits in a poll of its own: whether the loop has something to do
 * after it was last given a turn.
 */
export class EventLoop {
  /** Polls as readable when it has. What was started since the last turn does not show in it. Negative where the loop has none. */
  readonly fd: number;
  readonly #loop: number;
  readonly #update = bare<[number]>("uv_update_time", "int", ["uintptr_t"]);
  readonly #timeout = bare<[number]>("uv_backend_timeout", "int", ["uintptr_t"]);

  /** @throws {Error} in a worker of a program that has Node in it, and hides Node's functions */
  constructor() {
    this.#loop = isMainThread ? native<[]>("uv_default_loop", "int64_t", [])() : loopOfWorker();
    this.fd = native<[number]>("uv_backend_fd", "int", ["uintptr_t"])(this.#loop);
  }

  /**
   * Milliseconds until a turn is due though nothing shows in `fd`: for a timer, or, 0, for what was started since the last one; −1: none is.
   * Always 0 in a callback of setImmediate, and where nothing keeps the loop alive.
   */
  wait(): number {
    this.#update(this.#loop);
    return this.#timeout(this.#loop);
  }
}
