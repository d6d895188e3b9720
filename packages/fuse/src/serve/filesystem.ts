import type { View } from "@bulkhead/linux/struct";
import type { Completions } from "../loop/loop.js";
import type { Timers } from "../loop/timers.js";
import type { Notifier } from "../notify.js";
import type { Context } from "../protocol/context.js";
import type { Handlers } from "../protocol/operations.js";
import type { DeferredReply } from "../protocol/reply.js";
import type { SessionOptions } from "../protocol/session.js";
import type { FuseAttr } from "../protocol/structs.js";
import type { DeviceTransport } from "../transport/device.js";

/** The attributes in a reply, to be filled in. */
export type Attributes = View<typeof FuseAttr>;

/** What the serving thread offers to the file system that lives in it. */
export interface Services {
  /** The only timers that run while serving, unless the file system has the event loop. */
  readonly timers: Timers;
  /**
   * Answers a deferred request: with `result`, a negative errno, or with 0 and the reply's whole payload. Once, at any time, from within
   * a handler as well. Nothing happens when the mount is gone.
   */
  readonly reply: (token: DeferredReply, result: number, payload?: Uint8Array) => void;
  /**
   * What a handler returns whose answer is a promise's: the reply's whole payload, or 0 or a negative errno. A rejection is an answer
   * when it carries an `errno`, else EIO and logged. What the handler was given is the next request's by then: it reads all it needs, and
   * copies data, before the promise waits for something. For file systems that have the event loop.
   */
  readonly later: (context: Context, answer: Promise<Uint8Array | number>) => number;
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
  /**
   * The thread's event loop turns while it serves: promises, timers, sockets, all of Node. Each request then costs a turn, and the thread
   * follows nobody from CPU to CPU. Default false: nothing asynchronous goes on until serving has ended.
   */
  readonly eventLoop?: boolean;
  /** See `LoopOptions`. */
  readonly untilForgotten?: readonly number[];
  /** Called between requests after `wake()` in the main thread. */
  onWake?(): void;
  /** What other threads do for the serving thread. */
  readonly completions?: Completions | undefined;
  /**
   * Called once, in the serving thread, when serving has ended and the descriptor is closed, or when there will be no mount; not after a
   * crash. What keeps the thread's event loop from ending (timers, sockets) keeps `Served.finished` from resolving: it ends here.
   */
  close?(): void;
}

/** The default export of such a module. `data` is what was given to `mountAndServe`, structurally cloned. */
export type CreateFileSystem<Data = unknown> = (data: Data, services: Services) => FileSystem | Promise<FileSystem>;
