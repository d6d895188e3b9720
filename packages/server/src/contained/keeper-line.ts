import type { LoopWakeup, Surroundings } from "@bulkhead/fuse";
import { close, Errno, read, setNonBlocking, write } from "@bulkhead/linux";

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

/** Questions that are not asked while one has no answer; then the keeper has dropped it. */
const PATIENCE = 64;

/** The server's end. A keeper that is gone, or busy, costs nothing but the answers. */
export class KeeperLine implements LoopWakeup, Surroundings {
  /** The keeper knows no CPU where it could not help. */
  readonly canLeaveIdle = true;
  #fd: number;
  readonly #question = new Uint8Array(QUESTION);
  readonly #questionView = new DataView(this.#question.buffer);
  readonly #answer = new Uint8Array(ANSWER);
  readonly #answerView = new DataView(this.#answer.buffer);
  /** Questions since the one that has no answer, it included. */
  #unanswered = 0;
  #tell: (tid: number, cpu: number) => void = () => {};
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

  /** Asks for the CPU that thread `tid`, by a number of the keeper's, ran on last. Nobody waits for the answer: it is told. @returns −1 */
  cpuOf(tid: number): number {
    this.drain();
    if (this.#unanswered === 0 || this.#unanswered > PATIENCE) {
      this.#unanswered = 0;
      if (!this.#ask(tid)) return -1;
    }
    this.#unanswered++;
    return -1;
  }

  onTold(tell: (tid: number, cpu: number) => void): void {
    this.#tell = tell;
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
      const tid = this.#answerView.getInt32(0, true);
      if (tid === STOP) this.#stopped = true;
      else {
        this.#unanswered = 0;
        this.#tell(tid, this.#answerView.getInt32(4, true));
      }
      return true;
    }
    if (length === -Errno.EAGAIN || length === -Errno.EINTR) return false;
    this.#close();
    this.#gone();
    return false;
  }
}
