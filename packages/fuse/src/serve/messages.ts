import type { LoopEnd } from "../loop/loop.js";
import type { WakeupHandle } from "../loop/wakeup.js";

/** What the main thread gives the serving thread at birth. */
export interface ServeTask {
  readonly module: string;
  readonly data: unknown;
  readonly wakeup: WakeupHandle;
  /** State of the main thread's `LeasedTransport`. */
  readonly lease: SharedArrayBuffer;
  readonly spin: number;
  readonly follow: boolean;
}

/** Main to serving thread, once the file system was created and the mount made. */
export interface MountedMessage {
  readonly fd: number;
}

/** Serving to main thread, in this order; `log` at any time. */
export type ServeMessage =
  | { readonly kind: "created" }
  | { readonly kind: "serving" }
  | { readonly kind: "ended"; readonly end: LoopEnd }
  | { readonly kind: "log"; readonly text: string };
