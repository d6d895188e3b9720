import type { View } from "@bulkhead/linux/struct";
import type { Completions } from "../loop/loop.js";
import type { Timers } from "../loop/timers.js";
import type { Notifier } from "../notify.js";
import type { Handlers } from "../protocol/operations.js";
import type { SessionOptions } from "../protocol/session.js";
import type { FuseAttr } from "../protocol/structs.js";
import type { DeviceTransport } from "../transport/device.js";

/** The attributes in a reply, to be filled in. */
export type Attributes = View<typeof FuseAttr>;

/** What the serving thread offers to the file system that lives in it. */
export interface Services {
  /** The only timers that run while serving. */
  readonly timers: Timers;
  /** Set before INIT is read: late replies go here. */
  readonly transport: () => DeviceTransport;
  /** Notifications sent by the serving thread itself, from a timer or `onWake`. */
  readonly notifier: () => Notifier;
  /** One line for the operator. */
  readonly log: (message: string) => void;
}

/** A file system, made in the serving thread by the module that was named to `mountAndServe`. */
export interface FileSystem {
  readonly handlers: Handlers;
  /** INIT wishes, error mapping, tracing. */
  readonly session?: SessionOptions;
  /** See `LoopOptions`. */
  readonly untilForgotten?: readonly number[];
  /** Called between requests after `wake()` in the main thread. */
  onWake?(): void;
  /** What other threads do for the serving thread. */
  readonly completions?: Completions | undefined;
  /** Called once, in the serving thread, when serving has ended and the descriptor is closed. */
  close?(): void;
}

/** The default export of such a module. `data` is what was given to `mountAndServe`, structurally cloned. */
export type CreateFileSystem<Data = unknown> = (data: Data, services: Services) => FileSystem | Promise<FileSystem>;
