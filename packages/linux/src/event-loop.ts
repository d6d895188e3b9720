import { native } from "./libc.js";

/**
 * The descriptor of this process's event loop (libuv's; the main thread's alone): it polls as readable when the loop has something to do
 * after it was last given a turn. For a main thread that waits in a poll of its own. What has been started since the last turn does not
 * show in it yet. Negative where the loop has none.
 */
export function eventLoopDescriptor(): number {
  const loop = native<[]>("uv_default_loop", "int64_t", [])();
  return native<[number]>("uv_backend_fd", "int", ["uintptr_t"])(loop);
}
