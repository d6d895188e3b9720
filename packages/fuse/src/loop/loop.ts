import { Errno, type EventLoop, errnoName, Poll, PollSet, pageAligned } from "@bulkhead/linux";
import { ReplyBuffer } from "../protocol/binding.js";
import { type DeferredReply, encodeReply, FuseInHeader, FuseWriteIn } from "../protocol/index.js";
import type { Session } from "../protocol/session.js";
import type { Transport } from "../transport/transport.js";
import type { ClientFollower } from "./follow.js";
import { SecondTries } from "./second-tries.js";
import { Spin } from "./spin.js";
import { Timers } from "./timers.js";
import { Wakeup } from "./wakeup.js";

/** What wakes a loop from outside, and can stop it: a `Wakeup`, or something that has more to say. */
export interface LoopWakeup {
  /** Polled for input; negative: nobody is there any more. May change in `drain`. */
  readonly fd: number;
  /** Whether the loop is to return. */
  readonly stopped: boolean;
  /** Takes what has come. */
  drain(): void;
  close(): void;
}

/** Work that other threads do for the loop's. */
export interface Completions {
  /** Readable when something may have been completed. */
  readonly fd: number;
  /** Called in the loop's thread, between requests, when it is. Makes it unreadable. */
  take(): void;
}

/** What a loop needs of a session: one, or what stands before one. */
export type Handling = Pick<Session, "handle" | "reply" | "requestCapacity" | "negotiated" | "statistics">;

export interface LoopOptions {
  readonly session: Handling;
  readonly transport: Transport;
  readonly wakeup?: LoopWakeup;
  readonly timers?: Timers;
  /** Moves the thread to its client's CPU; none: the scheduler decides. */
  readonly follower?: ClientFollower;
  /** How long to look for the next request before sleeping, in microseconds, unless the follower follows; default 30. */
  readonly spin?: number;
  /** Called in the loop's thread, between requests, after another thread's `wakeup.wake()`. */
  readonly onWake?: () => void;
  readonly completions?: Completions | undefined;
  /** Readable when the thread has to see to something else: `run` then returns, and is to be called again. */
  readonly events?: number;
  /**
   * Of the loop's thread, which is to have turns: `run` returns when it has something to do, and after requests were answered, which may
   * have started something; and is to be called again after a turn.
   */
  readonly eventLoop?: Pick<EventLoop, "fd" | "wait"> | undefined;
  /** Negative errnos whose reason may be gone once the FORGETs have come that are queued: such requests are tried twice. */
  readonly untilForgotten?: readonly number[] | undefined;
  /** Called once, when the first round of requests has been answered and INIT was agreed on. */
  readonly onServing?: () => void;
  readonly log?: (message: string) => void;
}

/** Why a loop returned. `refused`: INIT was answered with an error; `interrupted`: by `events` or for `eventLoop`, and it has not ended. */
export type LoopEnd = "unmounted" | "stopped" | "refused" | "interrupted";

/** Where the data of a WRITE begins in a request: it may go to a device directly. */
const WRITE_DATA = FuseInHeader.size + FuseWriteIn.size;

/** Microseconds. */
const USUAL_SPIN = 30;
/** Requests in a row without a look at timers and wake-ups. */
const BURST = 256;

/**
 * The thread that owns the file system's state: reads the transport until it is empty, answering each request, then sleeps
 * in poll until a request, a wake-up or a timer. It blocks its thread, and is meant for a worker.
 */
export class ServingLoop {
  readonly timers: Timers;
  readonly wakeup: LoopWakeup;
  readonly #options: LoopOptions;
  readonly #request: Uint8Array;
  readonly #ready = new PollSet(4);
  readonly #secondTries: SecondTries | undefined;
  readonly #spin: Spin;
  #isInterrupted = false;
  #isAnnounced = false;
  /** Requests were answered since `run` was called. */
  #hasAnswered = false;
  /** For replies that come later. */
  #late: ReplyBuffer | undefined;

  constructor(options: LoopOptions) {
    this.#options = options;
    this.timers = options.timers ?? new Timers();
    this.wakeup = options.wakeup ?? new Wakeup();
    options.transport.stopWith?.(this.wakeup);
    // With all its pages: a request is lost when its thread is killed while the kernel waits for one.
    this.#request = pageAligned(options.session.requestCapacity, WRITE_DATA);
    const { untilForgotten, spin = USUAL_SPIN } = options;
    this.#spin = new Spin(spin);
    if (untilForgotten !== undefined) this.#secondTries = new SecondTries(untilForgotten, WRITE_DATA);
    this.#ready.set(0, options.transport.fd, Poll.IN);
    this.#ready.set(1, this.wakeup.fd, Poll.IN);
    if (options.completions !== undefined) this.#ready.set(2, options.completions.fd, Poll.IN);
    const events = options.eventLoop?.fd ?? options.events;
    if (events !== undefined) this.#ready.set(3, events, Poll.IN);
  }

  /** Serves until the connection ends, `wakeup.stop()`, or an interruption. @throws what a timer or `onWake` throws */
  run(): LoopEnd {
    const { session, onServing, follower, eventLoop } = this.#options;
    this.#isInterrupted = false;
    this.#hasAnswered = false;
    try {
      for (;;) {
        const outcome = this.#burst();
        this.timers.runDue();
        if (this.wakeup.stopped) {
          this.#tryAgain(true);
          return "stopped";
        }
        if (outcome === -Errno.ENODEV) return "unmounted";
        if (this.#isInterrupted) return "interrupted";
        if (outcome === -Errno.EAGAIN) {
          if (!this.#isAnnounced && session.negotiated !== undefined) {
            this.#isAnnounced = true;
            onServing?.();
          }
          if (session.negotiated === undefined && session.statistics().length > 0) return "refused";
        }
        if (eventLoop !== undefined && this.#hasAnswered) {
          this.#isInterrupted = true;
          return "interrupted";
        }
        // Whoever never sleeps looks up now and then.
        if (outcome === -Errno.EAGAIN) this.#sleep();
        else this.#wait(0);
      }
    } finally {
      if (!this.#isInterrupted) follower?.release();
    }
  }

  /** After `interrupted`, for whoever does not go on. */
  release(): void {
    this.#options.follower?.release();
  }

  /** Answers what is queued, up to a burst. 0: more may be there; else −EAGAIN or −ENODEV. */
  #burst(): number {
    const { session, transport, follower } = this.#options;
    const secondTries = this.#secondTries;
    const request = this.#request;
    for (let i = 0; i < BURST; i++) {
      const length = transport.read(request);
      if (length < 0) {
        if (length === -Errno.EAGAIN && i > 0 && follower?.following === true) follower.starved(request);
        if (length === -Errno.EAGAIN) this.#tryAgain(true);
        if (length === -Errno.EAGAIN || length === -Errno.ENODEV) return length;
        throw new Error(`reading a request: ${errnoName(length)}`);
      }
      this.#hasAnswered = true;
      const reply = session.handle(request, length);
      if (secondTries?.postpone(request, length, session.reply, reply) !== true) this.#send(reply);
      if (secondTries?.waiting === true) this.#tryAgain(false);
      if (follower !== undefined && --follower.credit <= 0) follower.observe(request);
    }
    return 0;
  }

  /**
   * Answers a deferred request, from the loop's own thread: between requests, or while another one is handled. `result` is a negative
   * errno, or 0 with the reply's whole payload. Nothing when it was answered before.
   */
  reply(token: DeferredReply, result: number, payload?: Uint8Array): void {
    this.#late ??= new ReplyBuffer(this.#options.session.reply.length);
    const { bytes, view } = this.#late;
    this.#write(bytes, encodeReply(bytes, view, token, result, payload));
  }

  #send(length: number): void {
    this.#write(this.#options.session.reply, length);
  }

  #write(reply: Uint8Array, length: number): void {
    if (length <= 0) return;
    const { transport, log } = this.#options;
    const sent = transport.write(reply, length);
    // ENOENT: the caller was interrupted and is gone. ENODEV shows at the next read.
    if (sent < 0 && sent !== -Errno.ENOENT && sent !== -Errno.ENODEV) {
      log?.(`writing a reply of ${length} bytes: ${errnoName(sent)}`);
    }
  }

  /** Answers requests that failed at first: those that are due, or all. */
  #tryAgain(all: boolean): void {
    for (;;) {
      const request = this.#secondTries?.take(all);
      if (request === undefined) return;
      this.#send(this.#options.session.handle(request, request.length));
    }
  }

  #sleep(): void {
    if (this.#options.follower?.following !== true && this.#look()) return;
    this.#wait(this.timers.wait());
  }

  #wait(milliseconds: number): void {
    const { onWake, completions, eventLoop } = this.#options;
    const ready = this.#ready;
    const turn = eventLoop?.wait() ?? -1;
    if (turn === 0) this.#isInterrupted = true;
    // −1, for ever, is the longest.
    const longest = turn < 0 ? milliseconds : milliseconds < 0 ? turn : Math.min(turn, milliseconds);
    if (ready.poll(longest) <= 0) return;
    if (ready.returned(3) !== 0) this.#isInterrupted = true;
    if (ready.returned(2) !== 0) completions?.take();
    if (ready.returned(1) !== 0) {
      this.wakeup.drain();
      ready.set(1, this.wakeup.fd, Poll.IN);
      onWake?.();
    }
  }

  /** Looks for a request for a while; whether there is one. */
  #look(): boolean {
    const spin = this.#spin;
    if (!spin.begins()) return false;
    do {
      if (this.#ready.poll(0) > 0) {
        spin.found();
        return (this.#ready.returned(1) | this.#ready.returned(2) | this.#ready.returned(3)) === 0;
      }
    } while (spin.goesOn());
    return false;
  }
}
