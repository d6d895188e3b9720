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

/** Main to serving thread, once the file system was created. */
export interface MountedMessage {
  /** Undefined: there is no mount, and nothing to serve. */
  readonly fd: number | undefined;
}

/** Serving to main thread, in this order; `log` and `output` at any time. */
export type ServeMessage =
  | { readonly kind: "created" }
  | { readonly kind: "serving" }
  | { readonly kind: "ended"; readonly end: LoopEnd | "unused" }
  /** What was written to the serving thread's own standard output or error. */
  | { readonly kind: "output"; readonly stream: "stdout" | "stderr"; readonly chunks: readonly (string | Uint8Array)[] }
  | { readonly kind: "log"; readonly text: string };
