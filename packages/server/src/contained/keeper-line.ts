import type { LoopWakeup, Surroundings } from "@bulkhead/fuse";
import { close, Errno, Poll, PollSet, read, setNonBlocking, write } from "@bulkhead/linux";

/*
 * What a contained server and its keeper have to say to each other while the mount lives, on a stream socket. The server asks, in 4
 * bytes: on which CPU did this thread run last? The keeper answers, in 8: thread, and CPU or −1. LEAVE_IDLE instead of a thread asks for
 * the serving thread to be a normal one again, for which it has no right itself, and has no answer. TOLD_TO_END: somebody has told the
 * server to end (SIGTERM), and it goes on until the keeper has unmounted. ENDED: everything is where it belongs, and nobody is to go on.
 * Thread STOP, unasked: stop serving.
 */
export const QUESTION = 4;
export const ANSWER = 8;
export const LEAVE_IDLE = -1;
export const TOLD_TO_END = -2;
export const ENDED = -3;
export const STOP = 0;

/** Milliseconds to wait for an answer; after one in vain none is waited for, until one comes. */
const PATIENCE = 2;

/** The server's end. A keeper that is gone, or busy, costs nothing but the answers. */
export class KeeperLine implements LoopWakeup, Surroundings {
  /** The keeper knows no CPU where it could not help. */
  readonly canLeaveIdle = true;
  #fd: number;
  readonly #ready = new PollSet(1);
  readonly #question = new Uint8Array(QUESTION);
  readonly #questionView = new DataView(this.#question.buffer);
  readonly #answer = new Uint8Array(ANSWER);
  readonly #answerView = new DataView(this.#answer.buffer);
  #patience = PATIENCE;
  #stopped = false;
  readonly #gone: () => void;

  /** @param gone called when the keeper has ended, once */
  constructor(fd: number, gone: () => void = () => {}) {
    this.#fd = fd;
    this.#gone = gone;
    setNonBlocking(fd, true);
  }

  /** To poll; −1 when the keeper is gone. */
  get fd(): number {
    return this.#fd;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** The CPU that thread `tid`, by a number of the keeper's, ran on last; −1 if that is not to be known. */
  cpuOf(tid: number): number {
    this.drain();
    if (!this.#ask(tid)) return -1;
    for (;;) {
      this.#ready.set(0, this.#fd, Poll.IN);
      if (this.#ready.poll(this.#patience) <= 0) {
        this.#patience = 0;
        return -1;
      }
      if (!this.#take()) return -1;
      if (this.#answerView.getInt32(0, true) === tid) return this.#answerView.getInt32(4, true);
    }
  }

  leaveIdle(): void {
    this.#ask(LEAVE_IDLE);
  }

  /** Has the keeper unmount. Whether there is one to hear it. */
  tellToEnd(): boolean {
    this.drain();
    return this.#ask(TOLD_TO_END);
  }

  /** Serving stops, as if the keeper had said so. */
  stop(): void {
    this.#stopped = true;
  }

  /** Says that all is done, and ends the line. */
  end(): void {
    this.#ask(ENDED);
    this.#close();
  }

  #ask(question: number): boolean {
    if (this.#fd < 0) return false;
    this.#questionView.setInt32(0, question, true);
    return write(this.#fd, this.#question, 0, QUESTION) === QUESTION;
  }

  /** Takes what has come, late answers included. */
  drain(): void {
    while (this.#take());
  }

  /** Whoever follows clients is done with it; the line stays, for what is to be said in the end. */
  close(): void {}

  #close(): void {
    if (this.#fd >= 0) close(this.#fd);
    this.#fd = -1;
  }

  /** Takes one answer; whether there was one. */
  #take(): boolean {
    if (this.#fd < 0) return false;
    const length = read(this.#fd, this.#answer, 0, ANSWER);
    if (length === ANSWER) {
      this.#patience = PATIENCE;
      if (this.#answerView.getInt32(0, true) === STOP) this.#stopped = true;
      return true;
    }
    if (length === -Errno.EAGAIN || length === -Errno.EINTR) return false;
    this.#close();
    this.#gone();
    return false;
  }
}
